"""What there is of one person, for whoever is about to erase that."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from django.db import connection
from django.db.models import Q, prefetch_related_objects

from matching.domain.strangers import stranger_number
from matching.models import (
    EventBatch,
    MatchEvent,
    PersonAlias,
    SeedUser,
    TravelGroup,
    TravelSession,
    live,
)
from matching.models.live import ValkeyUnavailable
from matching.queries.words import unknown_in
from project.jobs.models import Job
from project.removal.erasing import Erasing
from project.removal.mentions import is_telling

ERASE_KIND: Final = "matching.remove_person"
# What they have read of somebody they would write after the erasure has looked there.
WRITERS: Final = (
    *("matching.generate_events", "matching.import_events", "matching.retry_events"),
    *("matching.merge_people", "matching.export_people", "matching.export_events"),
    *("feedback.export_feedback", "serving.export_scores"),
    *("training.build_dataset", "training.export_dataset", "overview.rebuild_model"),
)
# Why the product itself erases somebody: these words are nobody's name.
ASKED_BY_APPLICATION: Final = "Asked for by an application"
ERASED_SINCE_BACKUP: Final = "Erased after the backup was made that was restored"
OWN_REASONS: Final = frozenset({ASKED_BY_APPLICATION, ERASED_SINCE_BACKUP})
LEAST_PART: Final = 3  # letters of a part of a name that a reason may not have
LEAST_NAME: Final = 5  # characters of a display name that is looked for in texts
LEAST_WORD: Final = 4  # characters of a word that only one profile carries

_WORD: Final = re.compile(r"[^\W\d_]+")  # letters alone

_CARRIED: Final = """
SELECT word FROM matching_seeduser, unnest(
    interests || languages || ARRAY[nationality, religion, smoking, drinking, personality]) word
WHERE id <> %(person)s AND word = ANY(%(words)s)
UNION SELECT word FROM matching_travelsession, unnest(interests) word
WHERE user_id IS DISTINCT FROM %(person)s AND word = ANY(%(words)s)
"""
_OWN_ROWS: Final = """
SELECT (SELECT count(*) FROM matching_historicalseeduser
     WHERE id = ANY(%(numbers)s) OR external_id = ANY(%(names)s)),
    (SELECT count(*) FROM matching_travelsession
     WHERE user_id = %(person)s OR (external_id = ANY(%(names)s) AND group_id IS NULL)),
    (SELECT count(*) FROM matching_travelgroup_members WHERE seeduser_id = %(person)s),
    (SELECT count(*) FROM matching_personalias WHERE person_id = %(person)s),
    (SELECT count(*) FROM matching_matchevent
     WHERE user_id = ANY(%(numbers)s) OR target_id = ANY(%(numbers)s))
"""
_MENTIONED: Final = """
SELECT external FROM matching_matchevent
WHERE external IS NOT NULL AND external::text LIKE ANY(%(patterns)s)
    AND coalesce(user_id <> ALL(%(numbers)s), true)
    AND coalesce(target_id <> ALL(%(numbers)s), true)
"""


def person_called(name: str) -> SeedUser | None:
    """Return who has an id now, or had it before."""
    found = SeedUser.objects.filter(external_id=name).first()
    if found is None:
        former = PersonAlias.objects.filter(external_id=name).select_related("person").first()
        return None if former is None else former.person
    return found


def running_writers() -> list[Job]:
    """Return running jobs that may be writing events or rows of anybody just now."""
    jobs = Job.objects.filter(state=Job.State.RUNNING, kind__in=WRITERS)
    return list(jobs.order_by("created_at"))


def known_ids() -> Iterator[str]:
    """Yield every id of a person here: of today, of before, and of those known only from logs."""
    yield from SeedUser.objects.values_list("external_id", flat=True).iterator()
    yield from (
        SeedUser.history.order_by().values_list("external_id", flat=True).distinct().iterator()
    )
    yield from PersonAlias.objects.values_list("external_id", flat=True).iterator()
    logged = MatchEvent.objects.filter(external__isnull=False)
    for side in ("external__userId", "external__targetId"):
        for name in logged.order_by().values_list(side, flat=True).distinct().iterator():
            if isinstance(name, str):
                yield name


def active_erasure(number: int) -> Job | None:
    """Return the job that erases a person now, or waits to."""
    jobs = Job.objects.active().filter(kind=ERASE_KIND, arguments__number=number)
    return jobs.order_by("created_at").first()


def names_of(person: SeedUser) -> list[str]:
    """Return every id that a person is or was known by, the one of today first.

    An id that somebody else has now is no longer this person's.
    """
    written = SeedUser.history.filter(id__in=[person.pk, *_merged(person)])
    earlier = {*written.values_list("external_id", flat=True), *_aliases(person, "external_id")}
    earlier.discard(person.external_id)
    if not earlier:
        return [person.external_id]
    taken = SeedUser.objects.filter(external_id__in=earlier).exclude(pk=person.pk)
    return [person.external_id, *sorted(earlier - set(taken.values_list("external_id", flat=True)))]


def numbers_of(person: SeedUser, names: Iterable[str]) -> list[int]:
    """Return the numbers by which events name a person: the own, those of records that were merged
    with it, and those that its ids had before it was here."""
    return [person.pk, *_merged(person), *(stranger_number(name) for name in names)]


def _merged(person: SeedUser) -> list[int]:
    return [number for number in _aliases(person, "number") if number is not None]


def _aliases(person: SeedUser, column: str) -> list[Any]:
    prefetch_related_objects([person], "aliases")  # once, however often they are asked for
    return [getattr(alias, column) for alias in person.aliases.all()]


def texts_of(erasing: Erasing) -> Mapping[str, str]:
    """Return the display names of a person, and words that no other profile or trip carries."""
    person: SeedUser | None = erasing.record
    if person is None:
        return {}
    replaced = {
        spelled: erasing.label
        for name in erasing.called
        if _is_own_name(name, person)
        for spelled in _spelled(name)
    }
    for place, word in enumerate(sorted(_own_words(person, erasing))):
        replaced[word] = f"{erasing.label}-word-{place + 1}"
    return replaced


def display_names(person: SeedUser) -> list[str]:
    """Return the display names that a person has and had, also under records that were merged."""
    records = SeedUser.history.filter(id__in=[person.pk, *_merged(person)])
    written = records.order_by().values_list("name", flat=True)
    return sorted({person.name, *written} - {""})


def tells_of(why: str, erasing: Erasing) -> bool:
    """Whether a reason tells who the person is that is erased for it.

    Looked for are, without case and accents and as whole words, every id and display name and each
    part of a name of three letters or more: who words a reason can word it anew.
    """
    if why in OWN_REASONS:
        return False
    said = _folded(why)
    names = {*erasing.names, *erasing.called}
    parts = {part for name in erasing.called for part in _WORD.findall(_folded(name))}
    looked_for = {_folded(name) for name in names} | {
        part for part in parts if len(part) >= LEAST_PART
    }
    return erasing.mentions.name_a_row({"user": why}) or any(
        re.search(rf"(?<!\w){re.escape(one)}(?!\w)", said) for one in looked_for if len(one) > 1
    )


def _folded(text: str) -> str:
    """Return a text in small letters, without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in plain if not unicodedata.combining(one))


def _spelled(name: str) -> set[str]:
    """Return a name as it was written and in capitals; of several words, in small letters too,
    where it is no other word."""
    return {name, name.upper(), name.lower()} if len(name.split()) > 1 else {name, name.upper()}


def _is_own_name(name: str, person: SeedUser) -> bool:
    """Whether a display name tells of this person alone: neither a word nor somebody else's."""
    if len(name) < LEAST_NAME or not is_telling(name) or (name.islower() and name.isalpha()):
        return False
    has_it = Q(name__iexact=name) | Q(external_id__iexact=name)
    others = SeedUser.objects.filter(has_it).exclude(pk=person.pk)
    groups = TravelGroup.objects.filter(name__iexact=name)
    return not others.order_by().values("pk").union(groups.order_by().values("pk")).exists()


def _own_words(person: SeedUser, erasing: Erasing) -> set[str]:
    """Return words of a profile and its trip that nobody knows and nobody else has written."""
    trip = TravelSession.objects.filter(user=person.pk).only("interests").first()
    interests = [*person.interests, *(trip.interests if trip is not None else ())]
    profile: dict[str, Any] = {**vars(person), "interests": interests}
    words = {word for _, word in unknown_in(profile) if len(word) >= LEAST_WORD}
    return words - _carried_by_others(words, person) if words else words


def _carried_by_others(words: set[str], person: SeedUser) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_CARRIED, {"words": list(words), "person": person.pk})
        return {word for (word,) in cursor}


def count_events(erasing: Erasing) -> dict[str, int]:
    """Count what of matching would go or be rewritten, under every id and number of the person."""
    numbers, names = list(erasing.numbers), list(erasing.names)
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"person": erasing.number, "numbers": numbers, "names": names}
        cursor.execute(_OWN_ROWS, asked)
        history, trips, memberships, former, events = cursor.fetchone()
    return {
        "profile": 1,
        "history line": history,
        "former name": former,
        "trip": trips,
        "live session": _count_live(names),
        "group membership": memberships,
        "rewritten event": events + _count_mentioned(erasing),
        "rewritten population": _count_populations(erasing),
    }


def patterns_of_log(erasing: Erasing) -> list[str]:
    """Return patterns of LIKE for what a log said of ids; what holds none mentions nobody."""
    mentions = erasing.by_names.mentions
    return [*mentions.patterns, *(f'%"{one}"%' for one in mentions.untold)]


def _count_mentioned(erasing: Erasing) -> int:
    """Count events that name the person in what the log said of them alone, as in their own id."""
    mentions = erasing.by_names.mentions
    asked: dict[str, Any] = {
        "patterns": patterns_of_log(erasing),
        "numbers": list(erasing.numbers),
    }
    with connection.cursor() as cursor:
        cursor.execute(_MENTIONED, asked)
        said = [json.loads(text) if isinstance(text, str) else text for (text,) in cursor]
    return sum(mentions.are_in(one) for one in said)


def _count_live(names: list[str]) -> int:
    try:
        return len(live.present(names))
    except ValkeyUnavailable:  # the work waits for it; the plan says what can be seen
        return 0


def _count_populations(erasing: Erasing) -> int:
    """Count the batches whose population has the person; each file is read once."""
    from matching.queries.frozen import frozen_population, without_person

    found: dict[str, bool] = {}
    count = 0
    for batch in batches_with_people():
        name = batch.population_file or f"batch {batch.pk}"
        if name not in found:
            population = frozen_population(batch)
            found[name] = population is not None and without_person(population, erasing) is not None
        count += found[name]
    return count


def batches_with_people() -> Any:
    """Return the batches that hold a population, without its bytes."""
    return (
        EventBatch.objects.filter(~Q(population_file="") | Q(population__isnull=False))
        .order_by("pk")
        .defer("population")
    )
