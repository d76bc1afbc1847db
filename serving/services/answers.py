"""Answers that are given once: the same request gets the same, and nothing is done twice."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import connection, transaction

from project import clock
from serving.models import GivenAnswer

KEPT: Final = timedelta(hours=24)
SWEPT: Final = 100  # answers that are over, removed with each new one


class Given(NamedTuple):
    """An answer: status and body, and whether it was given before."""

    status: int
    body: bytes
    is_repeated: bool = False


class InProgress(Exception):
    """The first request of this name is being answered."""


class OtherRequest(Exception):
    """The name was given to another request."""


def answer_once(
    key: int, name: str, request: bytes, work: Callable[[], tuple[int, bytes]]
) -> Given:
    """Do the work of a request and keep its answer, or return the one that was given.

    Both commit together: after a crash neither is there. What `work` raises leaves nothing, so that
    a request which was refused may be sent again.

    Parameters
    ----------
    key : of the application; names are its own.
    name : of the request; empty where it has none, then nothing is kept.
    request : what tells it from another one: method, address and body.

    Raises
    ------
    InProgress, OtherRequest
    """
    with transaction.atomic():
        if not name:
            return Given(*work())
        if not _take(key, name):
            raise InProgress
        before = given_before(key, name, request)
        if before is not None:
            return before
        status, body = work()
        now = clock.now()
        over = GivenAnswer.objects.select_for_update(skip_locked=True).filter(expires_at__lte=now)
        GivenAnswer.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:SWEPT])).delete()
        GivenAnswer.objects.filter(key=key, name=name).delete()
        GivenAnswer.objects.create(
            key_id=key,
            name=name,
            digest=_digest(request),
            status=status,
            body=body,
            expires_at=now + KEPT,
        )
        return Given(status, body)


def given_before(key: int, name: str, request: bytes) -> Given | None:
    """Return the answer that a request of this name was given; None where it was given none.

    Raises
    ------
    OtherRequest
    """
    found = GivenAnswer.objects.filter(key=key, name=name, expires_at__gt=clock.now()).first()
    if found is None:
        return None
    if found.digest != _digest(request):
        raise OtherRequest
    return Given(found.status, bytes(found.body), is_repeated=True)


def _digest(request: bytes) -> str:
    return hashlib.sha256(request).hexdigest()


def _take(key: int, name: str) -> bool:
    """Hold the name of a request until the transaction ends; False where another one does."""
    number = hashlib.blake2b(f"answer\0{key}\0{name}".encode(), digest_size=8).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(number, "big", signed=True)]
        )
        return bool(cursor.fetchone()[0])
