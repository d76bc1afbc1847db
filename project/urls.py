"""Routes: the admin, and what answers programs."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

# Here and not when Django starts: a command that shows no page does without the apps' admin.
admin.autodiscover()

handler400 = "project.pages.errors.bad_request"
handler403 = "project.pages.errors.permission_denied"
handler404 = "project.pages.errors.page_not_found"
handler500 = "project.pages.errors.server_error"

urlpatterns = [
    path("", include("serving.urls")),  # first: asked for a thousand times a second
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]
