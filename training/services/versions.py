"""Version numbers and the locks under which they are given out."""

import hashlib
from typing import TypeVar

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Max

from project.acting import current_actor_name
from project.removal.models import Receipt
from training.models import Dataset, ModelVersion

_THINGS = {"training.dataset": "dataset", "training.modelversion": "model"}  # on receipts


def lock_kind(what: str, kind: str) -> None:
    """Hold `what` of one kind until the end of the transaction; others wait."""
    digest = hashlib.sha256(f"training.{what}:{kind}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], "big", signed=True)]
        )


Record = TypeVar("Record", Dataset, ModelVersion)


def claim_version(records: type[Record], kind: str) -> Record:
    """Return an unsaved record with the next version of its kind.

    The number is given out under a lock that lasts until the transaction ends, and the row is
    inserted in that transaction. That of a record which was removed is not given out again.
    """
    lock_kind(records._meta.model_name or "", kind)
    thing = _THINGS[records._meta.label_lower]
    kept = records.objects.filter(kind=kind), Receipt.objects.filter(thing=thing, kind=kind)
    newest = [rows.aggregate(newest=Max("version"))["newest"] or 0 for rows in kept]
    return records(kind=kind, version=max(newest) + 1)


def actor_name(user: User | None) -> str:
    """Return the name that is kept with a decision: of an account, else of who acts here."""
    return current_actor_name() if user is None else user.get_username()
