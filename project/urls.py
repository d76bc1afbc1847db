"""Routes: the admin, and RQ's own pages for superusers."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, include, path, reverse
from django.views.generic import RedirectView
from django_rq.urls import get_admin_urlpatterns, get_api_urlpatterns


def superusers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse everybody but superusers: RQ's pages can delete and rerun any job."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not request.user.is_superuser:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def queue_patterns() -> list[URLPattern]:
    """Return RQ's pages, and the figures that they load, for superusers."""
    figures = [
        URLPattern(figure.pattern, superusers_only(figure.callback), name=figure.name)
        for figure in get_api_urlpatterns()
    ]
    return [*figures, *get_admin_urlpatterns(view_wrapper=superusers_only)]


# Here and not when Django starts: a command that shows no page does without the apps' admin.
admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/rq/", include((queue_patterns(), "django_rq"))),
    path("admin/", admin.site.urls),
]
