"""What stands in Valkey's queue, read and removed without believing any of it; and ringing anew."""

import logging
from dataclasses import dataclass
from typing import Any

import django_rq
from django.db import transaction
from redis.exceptions import RedisError, ResponseError
from rq import Queue as BellQueue
from rq.registry import FailedJobRegistry

from project.audit.models import Act
from project.audit.services import record
from project.jobs.bell import FOREIGN_FIELDS, MAX_BYTES, QUEUE, Bell, fault_of
from project.jobs.models import Job
from project.jobs.reconciler import ring_due_jobs
from project.refusal import Refusal

logger = logging.getLogger(__name__)

LOOKED_AT = 1000  # entries of the queue that are looked into; more are counted
FIELDS_AT_MOST = 100  # of an entry; a bell has fewer than twenty
REMOVED_AT_ONCE = 1000
WAITING_KEY = f"{BellQueue.redis_queue_namespace_prefix}{QUEUE}"
FAILED_KEY = FailedJobRegistry.key_template.format(QUEUE)
ENTRY_PREFIX = Bell.redis_job_namespace_prefix.encode()
TOLD = ("data", "status", *FOREIGN_FIELDS)  # what says whether an entry is a bell


@dataclass(frozen=True)
class Queue:
    """What stands in the queue; None is what cannot be read, because it is of another type."""

    answers: bool
    waiting: int | None = None
    looked_at: int = 0
    foreign: int = 0  # of those that were looked at: no bells of the ledger
    failed: int | None = None


def look() -> Queue:
    """Count what waits and what failed; an entry is judged by the fields that a bell has."""
    try:
        client = django_rq.get_connection(QUEUE)
        client.ping()
        waiting = _count(client, "llen", WAITING_KEY)
        failed = _count(client, "zcard", FAILED_KEY)
        ids = client.lrange(WAITING_KEY, 0, LOOKED_AT - 1) if waiting else []
        foreign = sum(not is_bell for is_bell in _are_bells(client, ids))
    except RedisError as error:
        logger.warning("The queue cannot be looked into: %s", error)
        return Queue(answers=False)
    return Queue(True, waiting, len(ids), foreign, failed)


def ring_again() -> tuple[int, int]:
    """Ring for every due job, also for those that were rung for just now; note who asked for it.

    Returns how many are due and how many of the rings were not heard.
    """
    with transaction.atomic():
        due = Job.objects.due().update(rung_at=None)
        record(Act.QUEUE, title=f"Rang again for {due} due jobs")
    # Each turn rings for a part of them. Without an answer the rest waits for the reconciler.
    heard, unheard = ring_due_jobs()
    for _ in range(due // max(heard, 1)):
        if unheard or not heard:
            break
        heard, unheard = ring_due_jobs()
    return due, unheard


def empty() -> int:
    """Remove all that waits and all that failed, whatever it is; returns how many entries went.

    Nothing is lost: the ledger rings again for every job that is due.

    Raises
    ------
    Refusal
        When Valkey does not answer, or refuses.
    """
    try:
        client = django_rq.get_connection(QUEUE)
        removed = _remove(client, WAITING_KEY, "lrange") + _remove(client, FAILED_KEY, "zrange")
    except RedisError as error:
        logger.warning("The queue was not emptied: %s", error)
        raise Refusal(
            "The queue was not emptied: Valkey does not answer, or refuses it.",
            remedy="See whether it runs, then try again. No job is lost.",
        ) from error
    record(Act.QUEUE, title=f"Emptied the queue of {removed} entries")
    return removed


def _count(client: Any, command: str, key: str) -> int | None:
    try:
        return int(client.execute_command(command, key))
    except ResponseError:
        return None


def _are_bells(client: Any, ids: list[bytes]) -> list[bool]:
    """Return of each id whether a bell of the ledger stands under it; large values stay there."""
    sizes = client.pipeline(transaction=False)
    for each in ids:
        sizes.hlen(ENTRY_PREFIX + each)
        for name in TOLD:
            sizes.hstrlen(ENTRY_PREFIX + each, name)
    found = sizes.execute(raise_on_error=False)
    width = 1 + len(TOLD)
    rows = [found[at : at + width] for at in range(0, len(found), width)]
    small = [
        each
        for each, row in zip(ids, rows, strict=True)
        if all(isinstance(size, int) for size in row)
        and 0 < row[0] <= FIELDS_AT_MOST
        and max(row[1:]) <= MAX_BYTES
    ]
    told = client.pipeline(transaction=False)
    for each in small:
        told.hkeys(ENTRY_PREFIX + each)
        told.hmget(ENTRY_PREFIX + each, TOLD)
    said = told.execute(raise_on_error=False)
    bells = {
        each
        for each, names, values in zip(small, said[::2], said[1::2], strict=True)
        if _is_bell(each, names, values)
    }
    return [each in bells for each in ids]


def _is_bell(entry_id: bytes, names: Any, values: Any) -> bool:
    if isinstance(names, Exception) or isinstance(values, Exception):
        return False
    try:
        for name in names:
            name.decode()  # what a worker cannot read is no bell
        bell_id = entry_id.decode()
    except UnicodeDecodeError:
        return False
    fields = {name: value for name, value in zip(TOLD, values, strict=True) if value is not None}
    return not fault_of(bell_id, fields)


def _remove(client: Any, key: str, read: str) -> int:
    """Remove a list or sorted set of entries with what stands under their ids; returns how many."""
    removed = 0
    try:
        while ids := client.execute_command(read, key, 0, REMOVED_AT_ONCE - 1):
            # First the entries: a process that dies between the two leaves ids without entries,
            # which a worker passes over.
            client.delete(*(ENTRY_PREFIX + each for each in ids))
            if read == "lrange":
                client.ltrim(key, len(ids), -1)
            else:
                client.zrem(key, *ids)
            removed += len(ids)
    except ResponseError:
        removed += client.delete(key)  # of another type: it is nothing of ours
    return removed
