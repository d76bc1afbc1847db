"""Signing in: how many failures are too many, and what is then shown."""

from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from project import words

# Failures of one address under any names, as a multiple of those under one name: people behind one
# address forget their passwords independently, a program that tries names does not stop.
NAMES_OF_ADDRESS = 10


class LockoutBackend(AxesStandaloneBackend):  # type: ignore[misc]  # it has no types
    """Refuses who is locked out; a program that asks without a page is nobody to lock out."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Raise for who is locked out; say nothing about anybody else."""
        if request is not None:
            super().authenticate(request, **credentials)


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]  # it has no types
    """Counts failures by name and address together, and by address.

    Not by name alone: anybody could lock out anybody.
    """

    def user_login_failed(
        self, sender: object, credentials: dict[str, Any], request: Any = None, **more: Any
    ) -> None:
        """Count a failure of a page."""
        if request is not None:
            super().user_login_failed(sender, credentials, request, **more)

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        """Return the failures that count against the limit."""
        pair, address = map(_failures, self.get_user_attempts(request, credentials))
        return max(pair, address // NAMES_OF_ADDRESS)

    def reset_user_attempts(self, request: HttpRequest, credentials: Any = None) -> int:
        """Forget the failures under this name; who signs in with one may be trying others."""
        pair, _ = self.filter_user_attempts(request, credentials)
        count: int = pair.delete()[0]
        return count


def locked_out(
    request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Say in words that it was tried too often, whoever asks: the name may be nobody's."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    page = TemplateResponse(
        request,
        "admin/locked_out.html",
        {
            **admin.site.each_context(request),
            "title": "Too many failed sign-ins",
            "wait": words.duration(seconds),
        },
        status=settings.AXES_HTTP_RESPONSE_CODE,
        headers={"Retry-After": str(seconds), "Cache-Control": "no-store"},
    )
    return page.render()


def _failures(attempts: "QuerySet[Any]") -> int:
    return attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0
