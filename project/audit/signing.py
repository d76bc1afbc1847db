"""Signing in and out, as Django and the lockout tell of it."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from project.acting import NOBODY
from project.audit.models import Act
from project.audit.services import record


@receiver(user_logged_in)
def note_sign_in(user: Any, **_: Any) -> None:
    """Note who is in."""
    record(Act.SIGN_IN, by=user, about=user)


@receiver(user_logged_out)
def note_sign_out(user: Any, **_: Any) -> None:
    """Note who is out; a session that had ended already was nobody's."""
    if user is not None and user.pk:
        record(Act.SIGN_OUT, by=user, about=user)


@receiver(user_login_failed)
def note_failure(credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    """Note a password that was not taken; those tried while locked out are not even looked at."""
    if request is None or _was_locked_out_before(request):
        return
    _note(Act.SIGN_IN_FAILED, credentials.get("username"))


@receiver(user_locked_out)
def note_lockout(request: HttpRequest, username: str | None = None, **_: Any) -> None:
    """Note the failure that was one too many."""
    if not _was_locked_out_before(request):
        _note(Act.LOCKED_OUT, username)


def _note(act: str, username: str | None) -> None:
    """Note an act of nobody under a name, if it is anybody's: people type passwords there."""
    users = get_user_model()
    user = users._default_manager.filter(**{users.USERNAME_FIELD: username or ""}).first()
    record(act, by=NOBODY, about=user, title="" if user else "under a name that nobody has")


def _was_locked_out_before(request: HttpRequest) -> bool:
    return (
        getattr(request, "axes_locked_out", False)
        and getattr(request, "axes_failures_since_start", None) is None
    )
