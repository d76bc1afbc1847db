"""Passwords that were printed, and have to be changed by who signs in with them."""

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import F

from project import clock


class OneTimePasswordQuerySet(models.QuerySet["OneTimePassword"]):
    """Questions about one-time passwords."""

    def unchanged(self) -> "OneTimePasswordQuerySet":
        """Those that are still the password of their account, however it might have changed."""
        return self.filter(user__password=F("password"))

    def pending(self, user: User) -> bool:
        """Whether this person has to choose a password first."""
        return self.unchanged().filter(user=user).exists()


class OneTimePassword(models.Model):
    """The hash that an account got with its printed password; another one means it was changed."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    password = models.CharField(max_length=128)
    made_at = models.DateTimeField(default=clock.now)

    objects = OneTimePasswordQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"One-time password of {self.user}"
