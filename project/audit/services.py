"""Adds to the audit list, in the transaction of the act."""

from django.db.models import Model

from project.acting import Actor, Person, current_actor
from project.audit.models import NAME_LENGTH, AuditEntry
from project.visitors import client_address, visitor


def record(
    act: str,
    *,
    by: Person = None,
    about: Model | None = None,
    model: str = "",
    pk: object = "",
    title: str = "",
    detail: str = "",
) -> AuditEntry:
    """Add an entry: by whom, unless that is said, is who acts here; from where says the request.

    What it is about is a record, or `model` (app_label.model_name) and `pk` where none is at hand.
    """
    request = visitor()
    actor = current_actor() if by is None else Actor.of(by)
    return AuditEntry.objects.create(
        act=act,
        user=actor.user,
        actor=_plain(actor.name)[:NAME_LENGTH],
        address=None if request is None else client_address(request),
        model=model if about is None else about._meta.label_lower,
        object_id=_plain(str(pk if about is None else about.pk))[:64],
        title=_plain(title or ("" if about is None else str(about)))[:NAME_LENGTH],
        detail=_plain(detail),
    )


def _plain(text: str) -> str:
    """Return text that PostgreSQL takes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
