"""Who is who: a person gets another name, and two records of one person become one.

What a person was called stays as a former name and finds them. A former name is made by who has the
names alone; whoever resolves names to write something by them holds them until that is committed.
"""

import logging
from collections.abc import Callable
from typing import Any, Final, TypedDict

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Count, F, Q

from matching.models import (
    EventBatch,
    MatchEvent,
    PersonAlias,
    SeedUser,
    TravelGroup,
    TravelSession,
    validate_external_id,
)
from matching.models.live import Moved
from matching.queries.identity import find_person, numbers_of, who_has
from matching.queries.merging import require_mergeable, taken_fields
from matching.queries.sessions import travellers_of_users
from matching.services.sessions import (
    move_after_commit,
    publish_after_commit,
    withdraw_after_commit,
)
from project import clock
from project.acting import Actor, Person, current_actor
from project.audit.models import Act
from project.audit.services import record
from project.refusal import Refusal

logger = logging.getLogger(__name__)

NAMES_LOCK: Final = 0x5EED107  # as the triggers of the migration of former names have it
Told = Callable[[str], None]


def hold_names() -> None:
    """Let nobody rename or merge until the transaction ends: what names say stays true in it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [NAMES_LOCK])


@transaction.atomic
def rename_person(
    person: SeedUser, to: str, *, by: Person = None, on_failure: Told = logger.warning
) -> SeedUser:
    """Give a person another name; the one of before stays as a former name, and finds them.

    `on_failure` is told where Valkey did not take the live copy of their trip: a repair moves it.

    Raises
    ------
    Refusal
        For what is no name, and one that somebody or something else has.
    """
    _hold_names_alone()
    user = _locked(person.pk)
    before, to = user.external_id, to.strip()
    own = _require_free(user, to)
    number, why = None, PersonAlias.Why.RENAMED
    if own is not None:  # what was merged stays known by its number
        number, why = own.number, PersonAlias.Why(own.why if own.number else why)
        own.delete()
    user.external_id = to
    _save(user, by, "Renamed", ["external_id"])
    actor = _actor(by)
    alias = PersonAlias.objects.create(
        external_id=before, person=user, why=why, number=number, since=clock.now(), actor=actor.name
    )
    session = TravelSession.objects.filter(user=user).first()
    if session is not None:
        session.external_id = to
        _save(session, by, "Its traveller was renamed", ["external_id"])
    move_after_commit({before: Moved(to, alias.since)}, on_failure=on_failure)
    record(Act.PERSON, by=by, about=user, title=f"Person {user.pk}", detail="renamed")
    return user


class MergedPeople(TypedDict):
    """What became one, in numbers: of the people, and of what changed with them."""

    keep: int
    gone: int
    was_merged: bool
    fields_taken: list[str]
    trip: str
    groups: int
    former_names: int


@transaction.atomic
def merge_people(
    keep: int, gone: int, *, by: Person = None, on_failure: Told = logger.warning
) -> MergedPeople:
    """Make one person of two, all at once: profile, trip, groups, names; the record of `gone` goes.

    From then on both names and both numbers are those of who stays; `follow_events` writes the
    number into the events of logs afterwards, and who reads events before sees the same. Done
    again, it changes nothing.

    Parameters
    ----------
    keep, gone : numbers of the two people.

    Raises
    ------
    Refusal
        Where one is not there, for one person twice, and for a real person and a synthetic one.
    """
    _hold_names_alone()
    if PersonAlias.objects.filter(number=gone, person=keep).exists():
        return _nothing_merged(keep, gone)
    # Both in one order, so that two merges of the same do not wait for each other.
    people = {pk: _locked(pk) for pk in sorted({keep, gone})}
    stays, goes = people[keep], people[gone]
    require_mergeable(stays, goes)
    now, former = clock.now(), goes.external_id
    taken = taken_fields(stays, goes)
    if taken:
        for name, value in taken.items():
            setattr(stays, name, value)
        _save(stays, by, f"Filled in from person {gone}", [*taken, "updated_at"])
    trip, is_moved = _merge_trips(stays, goes, by)
    groups = _merge_groups(stays, goes, by)
    names = goes.aliases.update(person=stays)
    _give_reason(goes, by, f"Merged into person {keep}")
    goes.delete()
    PersonAlias.objects.create(
        external_id=former,
        person=stays,
        why=PersonAlias.Why.MERGED,
        number=gone,
        since=now,
        actor=_actor(by).name,
    )
    if is_moved:
        move_after_commit({former: Moved(stays.external_id, now)}, on_failure=on_failure)
    else:
        withdraw_after_commit([former], on_failure=on_failure)
    publish_after_commit(travellers_of_users([keep]), on_failure=on_failure)
    record(Act.PERSON, by=by, about=stays, title=f"Person {keep}", detail=f"took in person {gone}")
    return {
        "keep": keep,
        "gone": gone,
        "was_merged": False,
        "fields_taken": list(taken),
        "trip": trip,
        "groups": groups,
        "former_names": names + 1,
    }


def _nothing_merged(keep: int, gone: int) -> MergedPeople:
    return {
        "keep": keep,
        "gone": gone,
        "was_merged": True,
        "fields_taken": [],
        "trip": "none",
        "groups": 0,
        "former_names": 0,
    }


def _merge_trips(stays: SeedUser, goes: SeedUser, by: Person) -> tuple[str, bool]:
    """Leave who stays one trip; return whose it is, and whether it was moved."""
    trips = {trip.user_id: trip for trip in TravelSession.objects.filter(user__in=[stays, goes])}
    own, other = trips.get(stays.pk), trips.get(goes.pk)
    if other is None:
        return "none" if own is None else "kept", False
    if own is None:
        other.user, other.external_id = stays, stays.external_id
        _save(other, by, "Its traveller was merged", ["user", "external_id"])
        return "moved", True
    _give_reason(other, by, "Its traveller was merged")
    other.delete()
    # Last in the history of both: what is looked up there is the newest of them.
    _save(own, by, "Kept when its traveller was merged", ["external_id"])
    return "kept", False


def _merge_groups(stays: SeedUser, goes: SeedUser, by: Person) -> int:
    """Let who stays be a member wherever who goes is one; return how many groups that are."""
    groups = list(TravelGroup.objects.filter(members=goes).order_by("pk"))
    for group in groups:
        _give_reason(group, by, "A member was merged")
        group.members.add(stays)
        group.members.remove(goes)
    return len(groups)


class FollowedEvents(TypedDict):
    """Events of a stretch: that named who went, whose number changed, that are of one person."""

    events: int
    rewritten: int
    of_one_person: int


@transaction.atomic
def follow_events(gone: int, first: int, last: int) -> FollowedEvents:
    """Let the events of a stretch of one batch name who a merged record is now.

    Those of logs get the number. Those that were drawn keep theirs, because their features follow
    from the people of then: who reads them reads the number of who stays. Datasets of before hear
    of it by their batch.

    Parameters
    ----------
    gone : the number that the record had.
    first, last : ids of events, both in one batch.
    """
    batches = EventBatch.objects.defer("population", "summary")
    batch = batches.filter(pk=first >> EventBatch.ROW_BITS).first()
    alias = PersonAlias.objects.select_related("person").filter(number=gone).first()
    if batch is None or alias is None:  # removed since
        return {"events": 0, "rewritten": 0, "of_one_person": 0}
    keep, numbers = alias.person_id, numbers_of(alias.person)
    stretch = MatchEvent.objects.filter(pk__range=(first, last))
    named = stretch.filter(Q(user_id=gone) | Q(target_id=gone))
    counted = named.aggregate(
        events=Count("pk"),
        of_one_person=Count("pk", filter=Q(user_id__in=numbers, target_id__in=numbers)),
    )
    rewritten = 0
    if counted["events"]:
        if batch.method == EventBatch.Method.IMPORTED:
            stretch.filter(user_id=gone).update(user_id=keep)
            stretch.filter(target_id=gone).update(target_id=keep)
            rewritten = counted["events"]
        EventBatch.objects.filter(pk=batch.pk).update(
            merged_events=F("merged_events") + counted["events"], merged_at=clock.now()
        )
    return {**counted, "rewritten": rewritten}  # type: ignore[typeddict-item]


def _require_free(user: SeedUser, to: str) -> PersonAlias | None:
    """Return the former name that somebody returns to, None for a new one."""
    try:
        validate_external_id(to)
    except ValidationError as error:
        raise Refusal(f"{to[:100]!r} is no name.", remedy=str(error.message)) from None
    if to == user.external_id:
        raise Refusal(f"{to} is the name already.", remedy="Give another one.")
    other = find_person(to)
    if other is not None and other.pk == user.pk:
        return PersonAlias.objects.get(external_id=to)
    taken = who_has(to)
    if other is not None:
        raise Refusal(
            f"{to} is {taken}.",
            remedy="If both are one person, merge them: `manage.py people merge "
            f"{other.external_id} {user.external_id}`. Else give another name.",
        )
    if taken or TravelSession.objects.filter(external_id=to).exists():
        raise Refusal(f"{to} is {taken or 'the id of a trip'}.", remedy="Give another name.")
    return None


def _locked(pk: int) -> SeedUser:
    found = SeedUser.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise Refusal(
            f"There is no person {pk} any more.", remedy="Look the person up by name again."
        )
    return found


def _hold_names_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NAMES_LOCK])


def _save(row: Any, by: Person, reason: str, fields: list[str]) -> None:
    _give_reason(row, by, reason)
    row.save(update_fields=fields)


def _give_reason(row: Any, by: Person, reason: str) -> None:
    # Which simple_history reads, and no model declares.
    row._history_user, row._change_reason = _actor(by).user, reason


def _actor(by: Person) -> Actor:
    return current_actor() if by is None else Actor.of(by)
