"""Makes the first account."""

import secrets
from typing import Final, TypedDict

from django.contrib.auth.models import User
from django.db import transaction

from project.accounts.models import OneTimePassword
from project.audit.models import Act
from project.audit.services import record

FIRST_NAME: Final = "admin"


class FirstAccount(TypedDict):
    """How to sign in for the first time."""

    user: str
    password: str


def make_first_account() -> FirstAccount | None:
    """Make a superuser with a one-time password where there is no account; None where there is.

    One that nobody has ever signed in with gets another password: the one that was printed may be
    lost.
    """
    with transaction.atomic():
        known = list(User.objects.select_for_update()[:2])
        unused = OneTimePassword.objects.unchanged().filter(user__last_login=None)
        if known and not (len(known) == 1 and unused.filter(user=known[0]).exists()):
            return None
        password = secrets.token_urlsafe(12)
        user = known[0] if known else User(username=FIRST_NAME, is_staff=True, is_superuser=True)
        user.set_password(password)
        user.save()
        OneTimePassword.objects.update_or_create(user=user, defaults={"password": user.password})
        record(Act.ACCOUNT, about=user, detail="first account, with a one-time password")
    return {"user": user.username, "password": password}
