"""Routes: the admin, and RQ's own pages for superusers."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView
from django_rq.urls import get_admin_urlpatterns


def superusers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse everybody but superusers: RQ's pages can delete and rerun any job."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated and not request.user.is_superuser:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/rq/", include((get_admin_urlpatterns(view_wrapper=superusers_only), "django_rq"))),
    path("admin/", admin.site.urls),
]
