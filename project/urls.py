"""Routes: the admin, and RQ's own pages for superusers."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, include, path, reverse
from django.views.generic import RedirectView
from django_rq.settings import get_queues_list
from django_rq.urls import get_admin_urlpatterns, get_api_urlpatterns
from rq.exceptions import InvalidJobOperation, InvalidJobOperationError, NoSuchJobError

# What RQ's pages call the number of a queue in their addresses.
QUEUE_NUMBERS = {"queue_index", "scheduler_index", "connection_index"}


def superusers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse everybody but superusers: RQ's pages can delete and rerun any job."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not request.user.is_superuser:
            raise PermissionDenied
        for name in QUEUE_NUMBERS & kwargs.keys():
            if kwargs[name] >= len(get_queues_list()):
                raise Http404(f"There is no queue {str(kwargs[name])[:20]}.")
        try:
            return view(request, *args, **kwargs)
        except NoSuchJobError:
            raise Http404("There is no such job in the queue. Perhaps it is done?") from None
        except ImproperlyConfigured:  # of a part of RQ that is not installed here
            raise Http404("Seedbed has schedules of its own: see Schedules.") from None
        except ValueError:  # so RQ calls a name that no worker has
            raise Http404("There is nothing of that name in the queue.") from None
        except (InvalidJobOperation, InvalidJobOperationError) as error:
            raise SuspiciousOperation(str(error)) from error

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

handler400 = "project.pages.errors.bad_request"
handler403 = "project.pages.errors.permission_denied"
handler404 = "project.pages.errors.page_not_found"
handler500 = "project.pages.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/rq/", include((queue_patterns(), "django_rq"))),
    path("admin/", admin.site.urls),
]
