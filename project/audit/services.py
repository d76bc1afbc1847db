"""Adds to the audit list, in the transaction of the act."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model

from project.acting import current_actor_name
from project.audit.models import NAME_LENGTH, AuditEntry
from project.visitors import client_address, visitor


def record(
    act: str,
    *,
    by: Any = None,
    about: Model | None = None,
    model: str = "",
    pk: object = "",
    title: str = "",
    detail: str = "",
    actor: str = "",
) -> AuditEntry:
    """Add an entry; who and from where are those of the request, unless `by` names an account.

    `actor` is a name where there is no account. Without any, it is who acts here: of the job, or
    the operating system's user.
    What it is about is a record, or `model` (app_label.model_name) and `pk` where none is at hand.
    """
    request = visitor()
    by = by or getattr(request, "user", None)
    user = by if isinstance(by, User) and by.pk else None
    name = actor or (user.get_username() if user else current_actor_name())
    return AuditEntry.objects.create(
        act=act,
        user=user,
        actor=_plain(name)[:NAME_LENGTH],
        address=None if request is None else client_address(request),
        model=model if about is None else about._meta.label_lower,
        object_id=_plain(str(pk if about is None else about.pk))[:64],
        title=_plain(title or ("" if about is None else str(about)))[:NAME_LENGTH],
        detail=_plain(detail),
    )


def _plain(text: str) -> str:
    """Return text that PostgreSQL takes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
