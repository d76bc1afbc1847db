"""What a password may not be."""

from typing import Any

from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError

from project.accounts.models import OneTimePassword


class NotTheOneTimePassword:
    """Refuses the password that was printed: chosen again, it would stay good for ever."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise for the one-time password of this account."""
        if user is None or user.pk is None:
            return
        kept = OneTimePassword.objects.filter(user=user).first()
        if kept is not None and check_password(password, kept.password):
            raise ValidationError("Choose another password than the one that was printed.")

    def get_help_text(self) -> str:
        """Say it before it is tried."""
        return "It cannot be the one that was printed for one sign-in."
