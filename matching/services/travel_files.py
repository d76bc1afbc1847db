"""Lands groups and trips of a file: rows are checked before the first of them is written."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypedDict
from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from matching.domain.profile_files import Row, id_of, origin_said
from matching.models import SeedUser, TravelGroup, TravelSession, validate_external_id
from matching.models.live import FIRST_DAY, LAST_DAY, MAX_BUDGET
from matching.queries.identity import merged_numbers, numbers_by_name, present_names
from matching.services.identity import hold_names
from matching.services.people import MAY_NOT_CHANGE, STANDS_TWICE, UNREADABLE, UNUSABLE
from matching.services.sessions import publish_after_commit
from project.origin import Origin

logger = logging.getLogger(__name__)

NAME_LENGTH: Final = 100
WORD_LENGTH: Final = 40
REASON: Final = "Imported from a file"
TRIP_FIELDS: Final = (
    "destination_name", "destination_lat", "destination_lon", "start_date", "end_date", "budget",
    "interests",
)  # fmt: skip

Read = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Checked:
    """A row of a file, and whether it can land.

    Attributes
    ----------
    values : fields of the record, without its id.
    field, problem : what is wrong with it, where something is.
    reason : the kind of that.
    """

    row: Row
    external_id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    field: str = ""
    problem: str = ""
    reason: str = ""

    @property
    def line(self) -> int:
        """Line of the file where it begins, from 1."""
        return self.row.line


class Saved(TypedDict):
    """What became of rows that can be used."""

    added: int
    updated: int
    unchanged: int


class _Unusable(ValueError):
    """A value cannot be used: the field, and why."""

    def __init__(self, name: str, problem: str, reason: str = UNUSABLE) -> None:
        super().__init__(problem)
        self.name, self.reason = name, reason


def check_groups(rows: Sequence[Row], *, origin: str, may_change: bool) -> list[Checked]:
    """Check rows of groups: their members have to be here, by a present name or a former one."""
    hold_names()
    named = {str(one).strip() for row in rows for one in row.values.get("members") or ()}
    people = numbers_by_name(named)
    there = {
        group.external_id: group
        for group in TravelGroup.objects.filter(external_id__in=map(_id, rows)).prefetch_related(
            "members"
        )
    }

    former = present_names(map(_id, rows))

    def read(values: Mapping[str, Any]) -> dict[str, Any]:
        if (who := id_of(values)) in former and who not in there:
            raise _Unusable("external_id", f"{who} is a former name of {former[who]}, a person.")
        given = values.get("members")
        members = list(dict.fromkeys(str(one).strip() for one in given or ()))
        if given is None:  # a list of nobody says that the group has no members
            raise _Unusable("members", "Expected the ids of people, got none.")
        for one in members:
            if one not in people:
                raise _Unusable("members", f"Nobody here has the id {one[:100]!r}.")
        return {"name": _text(values, "name"), "members": sorted({people[one] for one in members})}

    def stored(group: TravelGroup) -> dict[str, Any]:
        return {"name": group.name, "members": sorted(one.pk for one in group.members.all())}

    return _check(rows, read, there, stored, origin=origin, may_change=may_change)


@transaction.atomic
def save_groups(
    checked: Sequence[Checked], *, by: User | None, upload: UUID | None = None
) -> Saved:
    """Add groups, which name `upload`, and change those that are there; says how many."""
    hold_names()
    merged = merged_numbers()  # who was somebody else when the rows were checked
    made: Saved = {"added": 0, "updated": 0, "unchanged": 0}
    changed = []
    for one in checked:
        if one.values["what"] == "unchanged":
            made["unchanged"] += 1
            continue
        group = TravelGroup.objects.filter(external_id=one.external_id).first()
        made["added" if group is None else "updated"] += 1
        group = group or TravelGroup(external_id=one.external_id, imported_in=upload)
        group.name, group.origin = one.values["name"], one.values["origin"]
        _save(group, by)
        group.members.set({merged.get(member, member) for member in one.values["members"]})
        changed.append(one.external_id)
    publish_after_commit(changed)
    return made


def check_trips(rows: Sequence[Row], *, origin: str, may_change: bool) -> list[Checked]:
    """Check rows of trips: who travels has to be here, a person or a group.

    A person may be named by a former name; the trip is that of the present one.
    """
    hold_names()
    former = present_names(map(_id, rows))
    ids = {former.get(name, name) for name in map(_id, rows)}
    people, groups = _ids_of(SeedUser, ids), _ids_of(TravelGroup, ids)
    there = {one.external_id: one for one in TravelSession.objects.filter(external_id__in=ids)}

    def read(values: Mapping[str, Any]) -> dict[str, Any]:
        who = former.get(id_of(values), id_of(values))
        if who not in people and who not in groups:
            raise _Unusable("external_id", f"Neither a person nor a group here is {who[:100]!r}.")
        start, end = _day(values, "start_date"), _day(values, "end_date")
        if end < start:
            raise _Unusable("end_date", f"{end} is before {start}, when the trip begins.")
        budget = values.get("budget")
        return {
            "destination_name": _text(values, "destination_name"),
            "destination_lat": _number(values, "destination_lat", -90.0, 90.0),
            "destination_lon": _number(values, "destination_lon", -180.0, 180.0),
            "start_date": start,
            "end_date": end,
            "budget": None if budget is None else _number(values, "budget", 0.0, MAX_BUDGET),
            "interests": _words(values),
        }

    def stored(trip: TravelSession) -> dict[str, Any]:
        return {name: getattr(trip, name) for name in TRIP_FIELDS}

    return _check(rows, read, there, stored, former, origin=origin, may_change=may_change)


@transaction.atomic
def save_trips(
    checked: Sequence[Checked],
    *,
    by: User | None,
    reason: str = REASON,
    upload: UUID | None = None,
    on_failure: Callable[[str], None] = logger.warning,
) -> Saved:
    """Add trips and replace those that are there; the live copies follow.

    A trip lives until the day after its last; one that is made names `upload`. `on_failure` is told
    where Valkey took no copy.
    """
    made: Saved = {"added": 0, "updated": 0, "unchanged": 0}
    hold_names()
    former = present_names(one.external_id for one in checked)
    checked = [
        replace(one, external_id=former.get(one.external_id, one.external_id)) for one in checked
    ]
    ids = [one.external_id for one in checked]
    people, groups = _ids_of(SeedUser, ids), _ids_of(TravelGroup, ids)
    there = {one.external_id: one for one in TravelSession.objects.filter(external_id__in=ids)}
    changed = []
    for one in checked:
        if one.values["what"] == "unchanged":
            made["unchanged"] += 1
            continue
        trip = there.get(one.external_id)
        made["added" if trip is None else "updated"] += 1
        trip = trip or TravelSession(external_id=one.external_id, imported_in=upload)
        trip.user_id = people.get(one.external_id)
        trip.group_id = None if trip.user_id else groups[one.external_id]
        trip.mode = TravelSession.Mode.SOLO if trip.user_id else TravelSession.Mode.GROUP
        for name in TRIP_FIELDS:
            setattr(trip, name, one.values[name])
        trip.origin, trip.is_adopted = one.values["origin"], False
        last = datetime.combine(one.values["end_date"], time(), UTC)
        trip.expires_at = last + timedelta(days=2)
        _save(trip, by, reason)
        changed.append(one.external_id)
    publish_after_commit(changed, on_failure=on_failure)
    return made


def _save(record: TravelGroup | TravelSession, by: User | None, reason: str = REASON) -> None:
    for name, value in (("_history_user", by), ("_change_reason", reason)):
        setattr(record, name, value)  # which simple_history reads, and no model declares
    record.save()


def _check(
    rows: Sequence[Row],
    read: Read,
    there: Mapping[str, Any],
    stored: Callable[[Any], dict[str, Any]],
    former: Mapping[str, str] | None = None,
    *,
    origin: str,
    may_change: bool,
) -> list[Checked]:
    checked = []
    lines: dict[str, int] = {}
    for row in rows:
        who = (former or {}).get(_id(row), _id(row))
        try:
            _require_row(row, who, lines)
            said = _origin(row, origin)
            values = read(row.values)
            before = there.get(who)
            what = "added" if before is None else "updated"
            if before is not None:
                if before.origin == Origin.REAL.code and said == Origin.SYNTHETIC:
                    raise _Unusable("origin", "What is here under this id is real.")
                code = Origin(said).code
                if stored(before) == values and before.origin == code:
                    what = "unchanged"
                elif not may_change:
                    raise _Unusable(
                        "external_id", f"{who} is here with other content, and changing it needs "
                        "the right to.", MAY_NOT_CHANGE,
                    )  # fmt: skip
            values |= {"origin": Origin(said).code, "what": what}
            checked.append(Checked(row, who, values))
        except _Unusable as error:
            checked.append(Checked(row, who, {}, error.name, str(error), error.reason))
        lines.setdefault(who, row.line)
    return checked


def _require_row(row: Row, who: str, lines: Mapping[str, int]) -> None:
    for name, problem in row.problems.items():
        raise _Unusable(name, problem, UNREADABLE if name == "row" else UNUSABLE)
    try:
        validate_external_id(who)
    except ValidationError as error:
        raise _Unusable("external_id", str(error.message)) from None
    if who in lines:
        said = f"{who} stands on line {lines[who]} already."
        raise _Unusable("external_id", said, STANDS_TWICE)


def _origin(row: Row, asked: str) -> Origin:
    said = origin_said(row.values)
    if said and asked and said != asked:
        raise _Unusable("origin", f"Expected {asked} rows; this one says that it is {said}.")
    if not (said or asked):
        raise _Unusable("origin", "Expected real or synthetic; this row says neither.")
    return Origin(said or asked)


def _id(row: Row) -> str:
    return id_of(row.values)


def _ids_of(model: type[SeedUser] | type[TravelGroup], ids: Iterable[str]) -> dict[str, int]:
    found = model._default_manager.filter(external_id__in=list(ids))
    return dict(found.values_list("external_id", "pk"))


def _text(values: Mapping[str, Any], name: str) -> str:
    text = str(values.get(name) or "").strip()
    if len(text) > NAME_LENGTH:
        raise _Unusable(name, f"Expected at most {NAME_LENGTH} characters, got {len(text)}.")
    return text


def _number(values: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = values.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        raise _Unusable(name, f"Expected a number from {low:g} to {high:g}, got {_short(value)}.")
    return float(value)  # type: ignore[arg-type]


def _day(values: Mapping[str, Any], name: str) -> date:
    value = values.get(name)
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        raise _Unusable(name, f"Expected a day such as 2026-05-01, got {_short(value)}.") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise _Unusable(name, f"Expected a day from {FIRST_DAY} to {LAST_DAY}, got {day}.")
    return day


def _words(values: Mapping[str, Any]) -> list[str]:
    given = values.get("interests") or []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise _Unusable("interests", f"Expected a list of words, got {_short(given)}.")
    found = list(dict.fromkeys(one.strip().lower() for one in given if one.strip()))
    if any(len(one) > WORD_LENGTH for one in found):
        raise _Unusable("interests", f"Expected words of at most {WORD_LENGTH} characters.")
    return found


def _short(value: Any) -> str:
    return "nothing" if value is None or value == "" else f"“{str(value)[:60]}”"
