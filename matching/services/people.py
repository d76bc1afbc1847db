"""Seed users and groups: seeding, importing and completing."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict
from uuid import UUID

import numpy as np
import pandas as pd
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from matching.domain.geo import distance_km, unit_vectors
from matching.domain.personality import extraversion_of, personality_of
from matching.domain.population import (
    ARCHETYPES,
    PEOPLE_REVISION,
    USERS_PER_GROUP,
    draw_groups,
    draw_population,
    is_of_age,
)
from matching.domain.profile_files import Row, id_of, origin_said
from matching.domain.profiles import clean_profile, fold_words
from matching.models import (
    PROFILE_FIELDS,
    SeedUser,
    TravelGroup,
    validate_external_id,
)
from matching.queries import named
from matching.queries.identity import all_names, numbers_by_name, present_names
from matching.queries.people import existing_ids
from matching.queries.sessions import travellers_of_users
from matching.queries.words import taught_lexicon
from matching.services.identity import hold_names
from matching.services.sessions import publish_after_commit
from project import clock
from project.origin import Origin

BLOCK: Final = 1000  # users drawn at once; user number k of a seed is the same for every count
CHUNK: Final = 500  # rows of one statement
DONORS: Final = 500  # profiles of a kind to choose from when a profile is filled in
# How much likeness a donor of another archetype lacks; one who would give a student of 60 lacks so
# much that only nobody else leaves such a donor.
OTHER_ARCHETYPE: Final = 4.0
UNFIT: Final = 100.0
# What the same word adds to likeness: habits follow the faith, interests the habits.
LIKE_WORDS: Final = {
    "nationality": 3.0,
    "religion": 3.0,
    "drinking": 1.0,
    "smoking": 0.5,
    "gender": 0.5,
}
ERRORS_KEPT: Final = 200  # named in a result; the count is always whole
# Why a row of a file is refused.
UNREADABLE: Final = "unreadable"
UNUSABLE: Final = "unusable"
STANDS_TWICE: Final = "stands_twice"
MAY_NOT_CHANGE: Final = "may_not_change"

# What an import or a completion may write; the rest is the application's.
WRITABLE: Final = ("name", "archetype", "home_city", *PROFILE_FIELDS)


class Seeded(TypedDict):
    """How many users and groups were added, and how many were there."""

    users_added: int
    users_kept: int
    groups_added: int
    groups_kept: int


class RefusedCell(TypedDict):
    """What is wrong in one cell of a file."""

    line: int
    external_id: str
    field: str
    message: str


class ImportedRows(TypedDict):
    """What became of rows of a file, and the first of what was refused.

    folded : (kind, word as written, known word, profiles) where the two differ
    unknown : (kind, word in plain form, profiles), of the rows that landed
    """

    added: int
    updated: int
    unchanged: int
    rows_refused: int
    errors: list[RefusedCell]
    folded: list[tuple[str, str, str, int]]
    unknown: list[tuple[str, str, int]]


class FilledProfile(TypedDict):
    """Which fields of a profile were filled in, with what."""

    external_id: str
    filled: dict[str, Any]


class Completed(TypedDict):
    """The profiles that were filled in."""

    users: list[FilledProfile]


@transaction.atomic
def seed_named(*, by: User | None) -> Seeded:
    """Add the named users and groups that are not there; what people edited stays as it is."""
    hold_names()
    there = existing_ids(SeedUser, (user["external_id"] for user in named.users()))
    users = [
        SeedUser(origin=Origin.SYNTHETIC.code, **user)
        for user in named.users()
        if user["external_id"] not in there
    ]
    bulk_create_with_history(
        users, SeedUser, default_change_reason="Named seed user", default_user=by
    )
    groups = [(group["external_id"], group["name"], group["members"]) for group in named.groups()]
    return {
        "users_added": len(users),
        "users_kept": len(there),
        **_add_groups(groups, reason="Named group", by=by),
    }


@transaction.atomic
def seed_block(*, seed: int, block: int, count: int, by: User | None) -> Seeded:
    """Add the first `count` users of a block of the population of a seed, and groups of them.

    A block is always drawn whole, so user number k of a seed and of a revision of the generator's
    people is the same whatever count was asked. Users and groups that are there stay as they are.
    """
    hold_names()
    rng = np.random.default_rng([seed, block])
    first = block * BLOCK + 1
    drawn = draw_population(BLOCK, rng, first_number=first).head(count)
    drawn["external_id"] = [
        f"seed_{archetype}_s{seed}_{first + k:05d}"
        for k, archetype in enumerate(drawn["archetype"])
    ]
    there = existing_ids(SeedUser, drawn["external_id"])
    fields = ["external_id", "archetype", "home_city", *PROFILE_FIELDS]
    users = [
        SeedUser(origin=Origin.SYNTHETIC.code, **{name: row[name] for name in fields})
        for row in drawn.to_dict("records")
        if row["external_id"] not in there
    ]
    bulk_create_with_history(
        users,
        SeedUser,
        batch_size=CHUNK,
        default_change_reason=f"Drawn with seed {seed}, revision {PEOPLE_REVISION} of the people",
        default_user=by,
    )
    groups: list[tuple[str, str, Sequence[str]]] = []
    if len(drawn) >= USERS_PER_GROUP:
        today = clock.today()  # the trips that are drawn with the groups are not used
        number = block * (BLOCK // USERS_PER_GROUP) + 1
        table = draw_groups(drawn, len(drawn) // USERS_PER_GROUP, rng, today)
        groups = [
            (f"group_s{seed}_{number + k:04d}", f"Travellers {number + k} of seed {seed}", members)
            for k, members in enumerate(table["member_ids"])
        ]
    return {
        "users_added": len(users),
        "users_kept": len(there),
        **_add_groups(groups, reason=f"Drawn with seed {seed}", by=by),
    }


class _GroupsSeeded(TypedDict):
    groups_added: int
    groups_kept: int


def _add_groups(
    groups: Sequence[tuple[str, str, Sequence[str]]], *, reason: str, by: User | None
) -> _GroupsSeeded:
    """Add groups (external_id, name, members' external ids) that are not there, with history."""
    there = existing_ids(TravelGroup, (external_id for external_id, _, _ in groups))
    fresh = [group for group in groups if group[0] not in there]
    names = {name for _, _, members in fresh for name in members}
    members_by_name = numbers_by_name(names)
    made = TravelGroup.objects.bulk_create(
        [TravelGroup(external_id=g[0], name=g[1], origin=Origin.SYNTHETIC.code) for g in fresh]
    )
    through = TravelGroup.members.through
    links = through.objects.bulk_create(
        [
            through(travelgroup_id=group.pk, seeduser_id=number)
            for group, (_, _, members) in zip(made, fresh, strict=True)
            for number in dict.fromkeys(
                members_by_name[name] for name in members if name in members_by_name
            )
        ],
        batch_size=5 * CHUNK,
    )
    # The library has no bulk form for the members of a history record.
    history = (
        TravelGroup.history.bulk_history_create(made, default_change_reason=reason, default_user=by)
        or []
    )
    records = {record.id: record for record in history}
    historical_member = TravelGroup.history.model.members.model
    historical_member.objects.bulk_create(
        [
            historical_member(
                history=records[link.travelgroup_id],
                id=link.pk,
                travelgroup_id=link.travelgroup_id,
                seeduser_id=link.seeduser_id,
            )
            for link in links
        ],
        batch_size=5 * CHUNK,
    )
    return {"groups_added": len(made), "groups_kept": len(there)}


@dataclass(frozen=True)
class RefusedRow:
    """A row of a file that was refused, why, and column to what is wrong with it."""

    row: Row
    reason: str
    problems: Mapping[str, str]


@transaction.atomic
def import_profiles(
    rows: Sequence[Row],
    *,
    seen: Mapping[str, Row],
    by: User | None,
    may_change: bool = True,
    origin: str = "",
    upload: UUID | None = None,
) -> tuple[ImportedRows, list[RefusedRow]]:
    """Add or update users from rows of a file; a row with an error is named and left out.

    A word that nobody knows is no error: it is kept, and counted. A blank cell leaves what is
    there. Of label and extraversion the one that is given wins. Without `may_change` a row that
    would change a user is such an error.

    Parameters
    ----------
    seen : external id to the row where the file names it first; later rows are errors, and so
        are those by another name of the same person
    origin : real or synthetic, what all of them are; empty where each row says it
    upload : the file, which those that are made of it name
    """
    hold_names()
    asked = {id_of(row.values) for row in rows}
    former, names = present_names(asked), all_names(asked)
    there = {
        user.external_id: user
        for user in SeedUser.objects.select_for_update().filter(
            external_id__in=[former.get(name, name) for name in asked]
        )
    }
    added, changed, unchanged = [], [], 0
    refused: list[RefusedRow] = []
    words = _Words()
    for row in rows:
        external_id = id_of(row.values)
        user = there.get(former.get(external_id, external_id))
        said = origin_said(row.values)
        reason, problems = _look_at(row, external_id, names.get(external_id), seen)
        problems = problems or _check_origin(said, origin, user)
        if not problems:
            given = {
                k: v for k, v in row.values.items() if k != "external_id" and v not in ("", None)
            }
            current = _profile_of(user) if user else dict.fromkeys(WRITABLE)
            _let_the_given_win(given, current)
            cleaned, problems = clean_profile({**current, **given})
        if not problems and user is not None and not may_change and cleaned != _profile_of(user):
            reason = MAY_NOT_CHANGE
            problems = {
                "row": f"{external_id} is there already, and who imports may only add users: ask "
                "somebody with the right to change them."
            }
        if problems:
            refused.append(RefusedRow(row, reason, problems))
            continue
        words.count(row.values)
        if user is None:
            added.append(
                SeedUser(
                    external_id=external_id,
                    origin=Origin(said or origin).code,
                    imported_in=upload,
                    **cleaned,
                )
            )
        elif cleaned != _profile_of(user):
            for name, value in cleaned.items():
                setattr(user, name, value)
            changed.append(user)
        else:
            unchanged += 1
    bulk_create_with_history(
        added,
        SeedUser,
        batch_size=CHUNK,
        default_change_reason="Imported from a file",
        default_user=by,
    )
    _update_profiles(changed, WRITABLE, reason="Imported from a file", by=by)
    made: ImportedRows = {
        "added": len(added),
        "updated": len(changed),
        "unchanged": unchanged,
        "rows_refused": len(refused),
        "errors": _errors_of(refused),
        "folded": [(*word, count) for word, count in words.folded.items()],
        "unknown": [(*word, count) for word, count in words.unknown.items()],
    }
    return made, refused


def _errors_of(refused: Sequence[RefusedRow]) -> list[RefusedCell]:
    cells = [
        RefusedCell(
            line=one.row.line,
            external_id=id_of(one.row.values)[:100],
            field=name,
            message=text,
        )
        for one in refused[:ERRORS_KEPT]
        for name, text in one.problems.items()
    ]
    return cells[:ERRORS_KEPT]


class _Words:
    """The words of rows that are not written as the vocabulary has them."""

    def __init__(self) -> None:
        self._lexicon = taught_lexicon()
        self.folded: Counter[tuple[str, str, str]] = Counter()
        self.unknown: Counter[tuple[str, str]] = Counter()

    def count(self, said: Mapping[str, Any]) -> None:
        """Count each word of a profile once."""
        folded: set[tuple[str, str, str]] = set()
        unknown: dict[tuple[str, str], str] = {}
        for kind, written, word in fold_words(said):
            if word.is_known:
                if written.lower() != word.word:
                    folded.add((kind, written.lower(), word.word))
            elif word.word and not self._lexicon.fold(kind, written).is_known:
                unknown[kind, word.identity] = word.word
        self.folded.update(folded)
        self.unknown.update((kind, word) for (kind, _), word in unknown.items())


def _look_at(
    row: Row, external_id: str, names: Collection[str] | None, seen: Mapping[str, Row]
) -> tuple[str, dict[str, str]]:
    """Say what is wrong with a row before its profile is read: why it is refused, and the rest.

    `names` are all that the person has and had, of who has several.
    """
    if row.problems:
        return UNREADABLE if "row" in row.problems else UNUSABLE, dict(row.problems)
    try:
        validate_external_id(external_id)
    except ValidationError as error:
        return UNUSABLE, {"external_id": str(error.message)}
    rows = [seen[name] for name in names or (external_id,) if name in seen]
    first = min(rows, key=lambda one: one.line)
    if first is not row:
        also = id_of(first.values)
        as_other = "" if also == external_id else f", as {also}, another name of the same person"
        said = f"{external_id} stands on line {first.line} already{as_other}."
        return STANDS_TWICE, {"external_id": said}
    return UNUSABLE, {}


def _check_origin(said: str, asked: str, user: SeedUser | None) -> dict[str, str]:
    """Say what is wrong with what a row is said to be."""
    if not (said or asked):
        return {
            "origin": "Expected real or synthetic; this row says neither. Say it of all rows with "
            "--origin."
        }
    if said and asked and said != asked:
        return {"origin": f"Expected {asked} people; this row says that it is {said}."}
    # A drawn profile may become that of a person, and is still labelled; the reverse is lost.
    is_real = user is not None and user.origin == Origin.REAL.code
    if is_real and (said or asked) == Origin.SYNTHETIC:
        return {"origin": "Expected a real person, who is here under this id; got a synthetic one."}
    return {}


def _profile_of(user: SeedUser) -> dict[str, Any]:
    return {name: getattr(user, name) for name in WRITABLE}


def _let_the_given_win(given: Mapping[str, Any], current: dict[str, Any]) -> None:
    if "personality" in given and "extraversion" not in given:
        current["extraversion"] = None
    if "extraversion" in given and "personality" not in given:
        current["personality"] = ""


def _update_profiles(
    users: Sequence[SeedUser], fields: Sequence[str], *, reason: str, by: User | None
) -> None:
    if not users:
        return
    now = clock.now()
    for user in users:
        user.updated_at = now
    bulk_update_with_history(
        users,
        SeedUser,
        [*fields, "updated_at"],
        batch_size=CHUNK,
        default_change_reason=reason,
        default_user=by,
    )
    publish_after_commit(travellers_of_users(user.pk for user in users))


@transaction.atomic
def complete_profiles(users: Sequence[int], *, seed: int, by: User | None) -> Completed:
    """Fill what is missing in these profiles with plausible values; what is set stays.

    Only of synthetic people: what is drawn for a real one would stand there under the label real.
    The values are those of a drawn person who is most like the user in what is known, of the same
    archetype where one fits the age and profession (hot-deck imputation). The result says which
    fields were filled, with what.
    """
    waiting = SeedUser.objects.incomplete().synthetic().select_for_update().filter(pk__in=users)
    donors: dict[str, pd.DataFrame] = {}
    results: list[FilledProfile] = []
    changed = []
    for user in waiting.order_by("pk"):
        if user.archetype not in donors:
            donors[user.archetype] = _donors(user.archetype, seed)
        filled = _fill(user, donors[user.archetype], np.random.default_rng([seed, user.pk]))
        user._change_reason = f"Filled in: {', '.join(filled)}"[:100]  # type: ignore[attr-defined]
        changed.append(user)
        results.append({"external_id": user.external_id, "filled": filled})
    _update_profiles(changed, WRITABLE, reason="Filled in", by=by)
    return {"users": results}


def _donors(archetype: str, seed: int) -> pd.DataFrame:
    """Drawn people of all kinds, and of the user's own kind where there is such."""
    names = [kind.name for kind in ARCHETYPES]
    everybody = draw_population(DONORS, np.random.default_rng([seed, len(names), 2]))
    if archetype not in names:
        return everybody
    number = names.index(archetype)
    own = draw_population(DONORS, np.random.default_rng([seed, number, 2]), [ARCHETYPES[number]])
    return pd.concat([own, everybody], ignore_index=True)


def _fill(user: SeedUser, donors: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    donor = donors.iloc[int(np.argmax(_likeness(user, donors) + 0.5 * rng.random(len(donors))))]
    filled: dict[str, Any] = {}
    for name in user.missing_fields:
        value = donor[name]
        if name == "extraversion" and user.personality:
            agrees = personality_of(value) == user.personality
            value = value if agrees else extraversion_of(user.personality)
        elif name == "personality":
            known = user.extraversion
            value = personality_of(donor["extraversion"] if known is None else known)
        filled[name] = value.item() if isinstance(value, np.generic) else value
    if "home_lat" in filled and not user.home_city:
        filled["home_city"] = str(donor["home_city"])
    for name, value in filled.items():
        setattr(user, name, value)
    return filled


def _likeness(user: SeedUser, donors: pd.DataFrame) -> Any:
    """How like each donor is to what is known of a user; only the order matters."""
    fits = [
        is_of_age(user.profession or profession, age if user.age is None else user.age)
        for profession, age in zip(donors["profession"], donors["age"], strict=True)
    ]
    score = np.where(fits, 0.0, -UNFIT)
    if (donors["archetype"] == user.archetype).any():
        score -= OTHER_ARCHETYPE * (donors["archetype"] != user.archetype).to_numpy()
    for name, weight in LIKE_WORDS.items():
        if getattr(user, name):
            score += weight * (donors[name] == getattr(user, name)).to_numpy()
    if user.age is not None:
        score -= np.abs(donors["age"].to_numpy() - user.age) / 10
    if user.extraversion is not None:
        score -= 2 * np.abs(donors["extraversion"].to_numpy() - user.extraversion)
    elif user.personality:
        score += 2 * (donors["personality"] == user.personality).to_numpy()
    for name in ("interests", "languages"):
        own = set(getattr(user, name))
        if own:
            score += [len(own & set(words)) / len(own) for words in donors[name]]
    if user.home_lat is not None and user.home_lon is not None:
        homes = unit_vectors(donors["home_lat"].to_numpy(), donors["home_lon"].to_numpy())
        own_home = unit_vectors(np.array([user.home_lat]), np.array([user.home_lon]))
        score -= distance_km(homes, own_home[0]) / 4000
    return score
