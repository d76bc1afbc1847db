"""Takes batches and refused rows out, some rows at a time."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from matching.models import (
    EventBatch,
    EventChange,
    MatchEvent,
    ProfileImport,
    RefusedProfile,
    RejectedEvent,
    SeedUser,
    TravelGroup,
    TravelSession,
)
from matching.queries.removals import made_by, plan_of_batch
from project.acting import Actor
from project.refusal import Refusal

CHUNK = 100_000  # rows that go in one transaction
CHUNK_OF_PEOPLE = 500  # records that go with what belongs to them


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


def require_rights(source: ProfileImport, actor: Actor) -> None:
    """Refuse to remove what an import made for who may not remove such records and their trips."""
    wanted = {
        ProfileImport.Holds.PEOPLE: ("matching.delete_seeduser", "matching.delete_travelsession"),
        ProfileImport.Holds.GROUPS: (
            "matching.delete_travelgroup",
            "matching.delete_travelsession",
        ),
        ProfileImport.Holds.TRIPS: ("matching.delete_travelsession",),
    }[ProfileImport.Holds(source.holds)]
    lacking = [right for right in wanted if not actor.may(right)]
    if lacking:
        raise Refusal(
            f"{actor.name} may not remove what import {source.pk} made: it needs the right to "
            f"{' and '.join(lacking)}.",
            remedy="Ask somebody with the right.",
        )


@transaction.atomic
def remove_some_made(number: int) -> int:
    """Remove the next records that an import made, with their trips, their history and their live
    copies; returns how many, 0 at the end."""
    source = ProfileImport.objects.get(pk=number)
    made = made_by(source).select_for_update(of=("self",)).order_by("pk")
    keys = list(made.values_list("pk", flat=True)[:CHUNK_OF_PEOPLE])
    if source.holds == ProfileImport.Holds.TRIPS:
        _remove_trips(TravelSession.objects.filter(pk__in=keys))
    elif source.holds == ProfileImport.Holds.GROUPS:
        _remove_trips(TravelSession.objects.filter(group__in=keys))
        _forget(TravelGroup.objects.filter(pk__in=keys))
    else:
        _remove_trips(TravelSession.objects.filter(user__in=keys))
        _forget(SeedUser.objects.filter(pk__in=keys))
    return len(keys)


def remove_import(source: ProfileImport) -> None:
    """Remove the record of an import; the caller is in a transaction and has locked it."""
    if made_by(source).exists():
        raise Refusal(
            f"Import {source.pk} got records while it was removed.", remedy="Remove it again."
        )
    source.delete()


def _remove_trips(trips: QuerySet[TravelSession]) -> None:
    from matching.services.sessions import withdraw_after_commit  # which computes, and loads a lot

    withdraw_after_commit(list(trips.values_list("external_id", flat=True)))
    _forget(trips)


def _forget(records: QuerySet[Any]) -> None:
    """Remove records and, after that, their history: it would keep what they said."""
    keys = list(records.values_list("pk", flat=True))
    records.delete()
    records.model.history.filter(id__in=keys).delete()


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
