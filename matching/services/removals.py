"""Takes batches and refused rows out, some rows at a time."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from matching.models import (
    EventBatch,
    EventChange,
    MatchEvent,
    ProfileImport,
    RefusedProfile,
    RejectedEvent,
)
from matching.queries.removals import plan_of_batch
from project.refusal import Refusal

CHUNK = 100_000  # rows that go in one transaction


def close_batch(batch: EventBatch) -> None:
    """Let nobody read a batch any more that is about to go; the caller has locked it."""
    EventBatch.objects.filter(pk=batch.pk).update(state=EventBatch.State.REMOVING)


def remove_some_events(number: int) -> int:
    """Remove the next events of a batch; returns how many there were, 0 at the end."""
    return _remove_some(MatchEvent.objects.of_batch(EventBatch(pk=number)))


def remove_some_changes(number: int) -> int:
    """Remove the next changes of events of a batch."""
    return _remove_some(EventChange.objects.to_batch(EventBatch(pk=number)))


def remove_some_rejected(number: int) -> int:
    """Remove the next lines of a batch that were refused."""
    return _remove_some(RejectedEvent.objects.filter(batch=number))


def remove_some_profiles(number: int) -> int:
    """Remove the next rows of a file that were refused."""
    return _remove_some(ProfileImport(pk=number).refused.all())


def remove_batch(batch: EventBatch) -> None:
    """Remove a batch whose events are gone; datasets built from it keep their own rows.

    The caller is in a transaction and has locked it.
    """
    plan = plan_of_batch(batch)
    if plan.blocked:
        raise Refusal(f"{plan.title} stays: {' '.join(plan.blocked)}", remedy=plan.remedy)
    if plan.goes["match event"]:
        raise Refusal(
            f"Batch {batch.pk} got events while it was removed.", remedy="Remove it again."
        )
    batch.delete()


def _remove_some(rows: QuerySet[Any]) -> int:
    keys = rows.order_by("pk").values("pk")[:CHUNK]
    statement, values = keys.query.sql_with_params()
    table = connection.ops.quote_name(rows.model._meta.db_table)
    with connection.cursor() as cursor:
        # Django would read each row first, to look for what names it: nothing does.
        cursor.execute(
            f"DELETE FROM {table} WHERE id = ANY(ARRAY({statement}))",  # noqa: S608 - our own names
            values,
        )
        return int(cursor.rowcount)


def remove_old_rejected(until: datetime) -> int:
    """Remove the next lines that were refused of batches made before a moment."""
    return _remove_some(RejectedEvent.objects.filter(batch__created_at__lt=until))


def remove_old_profiles(until: datetime) -> int:
    """Remove the next rows that were refused of files imported before a moment."""
    return _remove_some(RefusedProfile.objects.filter(source__imported_at__lt=until))
