"""Remembers for a session that its person has to choose a password first."""

from typing import Any, Final

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from project.accounts.models import OneTimePassword

SESSION_KEY: Final = "must_change_password"


@receiver(user_logged_in)
def ask_for_a_password(user: Any, request: HttpRequest, **_: Any) -> None:
    """Mark the session of who signed in with a one-time password."""
    if OneTimePassword.objects.pending(user):
        request.session[SESSION_KEY] = True
