"""Takes one person out of profiles, trips, groups, events and populations."""

from typing import Any, Final

from django.apps import apps
from django.db import connection, transaction
from django.db.models import F, Q

from matching.domain.features.names import FEATURE_NAMES
from matching.models import (
    EventBatch,
    EventChange,
    MatchEvent,
    PersonAlias,
    SeedUser,
    TravelGroup,
    TravelSession,
    live,
)
from matching.queries.changes import SOMEBODY
from matching.queries.erasing import patterns_of_log
from matching.queries.frozen import frozen_population, without_person
from matching.services.sessions import publish_sessions
from project.removal.erasing import Erasing
from project.storage.blobs import keep_bytes

EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys(
        (
            *("name", "archetype", "gender", "personality", "home_city", "smoking", "drinking"),
            *("religion", "nationality", "profession"),
        ),
        "",
    ),
    **dict.fromkeys(("age", "extraversion", "home_lat", "home_lon")),
    "interests": [],
    "languages": [],
}
DROPPED: Final = (*FEATURE_NAMES, "true_probability", "feature_probability")


@transaction.atomic
def empty_profile(erasing: Erasing) -> dict[str, int]:
    """Leave of a person an empty row under another name; what tells of it is gone.

    The row itself goes with the receipt: until then nobody else is given its number.
    """
    pk, names = erasing.number, list(erasing.names)
    own = Q(user_id=pk) | Q(external_id__in=names, group_id__isnull=True)
    counts = {
        "trip": _gone(TravelSession.objects.filter(own)),
        "group membership": _gone(_members().filter(seeduser_id=pk)),
    }
    _gone(TravelSession.history.filter(own))
    _gone(_members_then().filter(seeduser_id=pk))
    written = SeedUser.history.filter(Q(id__in=erasing.numbers) | Q(external_id__in=names))
    counts["history line"] = _gone(written)
    counts["former name"] = _gone(PersonAlias.objects.filter(person=pk))
    people = SeedUser.objects.filter(pk=pk)
    counts["profile"] = people.update(external_id=erasing.label, **EMPTY)
    _forget_notes(names)
    return counts


def groups_of(number: int) -> list[str]:
    """Return the external ids of the groups that a person is a member of."""
    groups = TravelGroup.objects.filter(members=number).order_by("external_id")
    return list(groups.values_list("external_id", flat=True))


def withdraw_copies(erasing: Erasing, groups: list[str]) -> int:
    """Remove the live copies of a person, and write those of its groups anew.

    Raises
    ------
    ValkeyUnavailable
    """
    removed = live.remove(erasing.names)
    live.rewrite(erasing.mentions.without)
    if groups:
        publish_sessions(groups)
    return removed


def _gone(rows: Any) -> int:
    """Remove rows without a line of history about each."""
    return int(rows._raw_delete(rows.db))


def _members() -> Any:
    return TravelGroup.members.through._base_manager


def _members_then() -> Any:
    return apps.get_model("matching", "historicaltravelgroup_members")._base_manager


def _forget_notes(names: list[str]) -> None:
    """Have the notes of changes say that somebody changed, and not who."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM matching_change WHERE external_id = ANY(%s)", [names])
        cursor.execute("INSERT INTO matching_change (external_id) VALUES (%s)", [SOMEBODY])


@transaction.atomic
def rewrite_events(batch: EventBatch, erasing: Erasing) -> int:
    """Put the number of nobody where events of a batch name a person; returns in how many."""
    numbers = list(erasing.numbers)
    events = MatchEvent.objects.of_batch(batch)
    mentioned = _mentioned(batch, erasing) if batch.method == EventBatch.Method.IMPORTED else {}
    hit = Q(user_id__in=numbers) | Q(target_id__in=numbers)
    keys = set(events.filter(hit).values_list("pk", flat=True)) | set(mentioned)
    dropped: dict[str, Any] = {} if erasing.keeps_features else dict.fromkeys(DROPPED)
    for column in ("user_id", "target_id"):
        rows = events.filter(**{f"{column}__in": numbers})
        rows.update(**{column: erasing.stand_in}, **dropped)
    for pk, external in mentioned.items():
        events.filter(pk=pk).update(external=external)
    _rewrite_changes(batch, numbers, erasing)
    return len(keys)


def _mentioned(batch: EventBatch, erasing: Erasing) -> dict[int, Any]:
    """Return what the log said of ids, without the person, by event."""
    mentions = erasing.by_names.mentions
    rows = MatchEvent.objects.of_batch(batch).extra(
        where=["external::text LIKE ANY(%s)"], params=[patterns_of_log(erasing)]
    )
    found = {}
    for pk, external in rows.values_list("pk", "external"):
        other = mentions.without(external)
        if other != external:
            found[pk] = other
    return found


def _rewrite_changes(batch: EventBatch, numbers: list[int], erasing: Erasing) -> None:
    """Do the same in what is kept of changes of these events."""
    changes = EventChange.objects.to_batch(batch)
    for change in changes.iterator():
        sides = {}
        for side in ("before", "after"):
            said = getattr(change, side)
            other = {
                name: erasing.stand_in
                if name in ("user_id", "target_id") and value in numbers
                else value
                for name, value in said.items()
            }
            sides[side] = other
        if not erasing.keeps_features and _is_of(change, erasing):
            sides = {
                side: {name: value for name, value in said.items() if name not in DROPPED}
                for side, said in sides.items()
            }
        if sides != {"before": change.before, "after": change.after}:
            changes.filter(pk=change.pk).update(**sides)


def _is_of(change: EventChange, erasing: Erasing) -> bool:
    own = Q(user_id=erasing.stand_in) | Q(target_id=erasing.stand_in)
    return MatchEvent.objects.filter(own, pk=change.event_id).exists()


@transaction.atomic
def rewrite_population(number: int, erasing: Erasing) -> bool:
    """Take a person out of the population that a batch was drawn from, and mark the batch.

    Returns whether the person was in it.
    """
    batch = EventBatch.objects.select_for_update(of=("self",)).get(pk=number)
    population = frozen_population(batch)
    if population is None:
        return False
    others = without_person(population, erasing)
    if others is None:
        return False
    left = others.to_parquet()
    marked = {"erased_people": F("erased_people") + 1}
    rows = EventBatch.objects.filter(pk=number)
    if batch.population_file:
        rows.update(population_file=keep_bytes(left), **marked)
    else:
        rows.update(population=left, **marked)
    return True


def remove_row(person: SeedUser) -> None:
    """Remove the empty row of a person who is erased everywhere else; in a transaction."""
    _gone(SeedUser.objects.filter(pk=person.pk))
    _gone(SeedUser.history.filter(id=person.pk))
