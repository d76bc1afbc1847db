"""Keeps posted passwords out of error reports: mails, and the pages of development too."""

from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class SecretsFilter(SafeExceptionReporterFilter):
    """Hides what is marked as sensitive whatever DEBUG says, and wherever a posted secret turns up.

    Django's own filter rests while DEBUG is on, and knows only the functions that are decorated:
    the frames of a form library would still show the value.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    # The stubs know one of the two types that the base class returns.
    def get_traceback_frame_variables(  # type: ignore[override]
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> list[tuple[str, Any]]:
        """Return the variables of a frame, those that hold a posted secret replaced."""
        secrets = _posted_secrets(request)
        return [
            (name, self.cleansed_substitute if _holds(value, secrets) else value)
            for name, value in super().get_traceback_frame_variables(request, tb_frame)
        ]


def _posted_secrets(request: HttpRequest | None) -> set[str]:
    if request is None:
        return set()
    names = getattr(request, "sensitive_post_parameters", ())
    if names == "__ALL__":
        # Of all that was posted, what is called a secret: any other value may be in many variables.
        hidden = SafeExceptionReporterFilter.hidden_settings
        names = tuple(name for name in request.POST if hidden.search(name))
    return {value for name in names for value in request.POST.getlist(name) if value}


def _holds(value: Any, secrets: set[str]) -> bool:
    if not secrets:
        return False
    try:
        shown = repr(value)
    except Exception:  # what cannot be shown is not shown
        return True
    return any(secret in shown or repr(secret)[1:-1] in shown for secret in secrets)
