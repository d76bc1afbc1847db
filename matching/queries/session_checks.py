"""Whether live copies and records of sessions say the same."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Final, NotRequired, TypedDict

from matching.domain.limits import MINIMUM_LIVE
from matching.models import PersonAlias, SeedUser, TravelGroup, TravelSession, live
from matching.models.live import LiveCopy, LiveSession, Moved
from matching.queries.identity import all_names
from matching.queries.sessions import load_records
from project import clock

EXAMPLES: Final = 100  # named per finding; the counts are always whole

TTL_TOLERANCE: Final = timedelta(seconds=5)

CLOCK_TOLERANCE: Final = timedelta(milliseconds=2)  # the format keeps milliseconds

Written = tuple[LiveSession, int]  # what another application wrote, and its milliseconds to live


@dataclass
class Inspection:
    """Every session and live copy, sorted into what is right and what is not.

    live : travellers with a record and a live copy that says the same
    expired : records whose time has run out
    lost : records that are live but have no copy
    out_of_step : traveller to the fields in which copy and record differ
    without_static : copies without static attributes
    foreign : copies without a record here, which can be adopted
    ownerless : copies whose owner was deleted here
    former : copies under a name that a person here had, to where they belong
    malformed : key to why it cannot be read
    theirs : copies that go before the record, because another application wrote them last
    """

    live: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    out_of_step: dict[str, list[str]] = field(default_factory=dict)
    without_static: list[str] = field(default_factory=list)
    foreign: dict[str, Written] = field(default_factory=dict)
    ownerless: list[str] = field(default_factory=list)
    former: dict[str, Moved] = field(default_factory=dict)
    malformed: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, Written] = field(default_factory=dict)
    copies: int = 0


def inspect_sessions(only: Collection[str] | None = None) -> Inspection:
    """Compare the live copies with the records, of everybody or only of these travellers.

    Whoever is named by a former name is looked at under each.
    """
    result = Inspection()
    if only is not None:
        only = {*only, *chain.from_iterable(all_names(only).values())}
    records = load_records(only)
    copies = list(live.read_all() if only is None else live.read(only).values())
    former = _former(c.external_id for c in copies if c.external_id not in records)
    result.copies = len(copies)
    deleted = _deleted_owners([c.external_id for c in copies if c.external_id not in records])
    now = clock.now()
    for copy in copies:
        recorded = records.get(copy.external_id)
        if copy.session is None:
            result.malformed[copy.external_id] = copy.problem
        elif recorded is None and copy.external_id in former:
            result.former[copy.external_id] = former[copy.external_id]
        elif recorded is None and copy.external_id in deleted:
            result.ownerless.append(copy.external_id)
        elif recorded is None:
            result.foreign[copy.external_id] = (copy.session, copy.ttl_ms)
        else:
            _compare(copy, copy.session, *recorded, now=now, into=result)
    present = {copy.external_id for copy in copies}
    for external_id, (record, _) in records.items():
        if record.expires_at <= now:
            result.expired.append(external_id)
        elif external_id not in present:
            result.lost.append(external_id)
    return result


def _compare(
    copy: LiveCopy,
    found: LiveSession,
    record: TravelSession,
    expected: LiveSession,
    *,
    now: datetime,
    into: Inspection,
) -> None:
    fields = live.differences(expected, found)
    expires_at = now + timedelta(milliseconds=copy.ttl_ms)
    if copy.ttl_ms == live.NO_EXPIRY or abs(expires_at - record.expires_at) > TTL_TOLERANCE:
        fields.append("expires")
    if fields:
        into.out_of_step[record.external_id] = fields
        if is_newer(found, record) or record.is_adopted:
            into.theirs[record.external_id] = (found, copy.ttl_ms)
    if not found.static_attributes:
        into.without_static.append(record.external_id)
    elif not fields:
        into.live.append(record.external_id)


def is_newer(found: LiveSession, record: TravelSession) -> bool:
    """Whether another application wrote a copy after its record was made here."""
    return found.created_at is not None and (found.created_at > record.created_at + CLOCK_TOLERANCE)


class SessionCheck(TypedDict):
    """How many sessions are in one state, and whether so many may be."""

    name: str
    value: int
    limit: str
    verdict: str
    remedy: str


class Finding(TypedDict):
    """A session of which something is to be said: its id, and what is known of it."""

    external_id: str
    note: NotRequired[str]
    fields: NotRequired[Sequence[str]]
    problem: NotRequired[str]


class Named(TypedDict):
    """How many there are of a finding, and the first of them with what is wrong."""

    count: int
    examples: list[Finding]


class SessionReport(TypedDict):
    """The state of the sessions; `refuse` while something needs repair."""

    verdict: str
    live: int
    minimum: int
    copies: int
    repairable: int
    checks: list[SessionCheck]
    expired: Named
    lost: Named
    out_of_step: Named
    without_static_attributes: Named
    orphaned: Named
    malformed: Named
    remedy: str


def check_sessions(
    *, minimum: int = MINIMUM_LIVE, only: Collection[str] | None = None
) -> SessionReport:
    """Report the state of the sessions; the verdict is `refuse` while something needs repair.

    Expired records and copies that cannot be read are named, but only warn: the one is how
    sessions end, the other is not ours to overwrite.
    """
    inspection = inspect_sessions(only)
    live_count = len(inspection.live)
    repairable = (
        len(inspection.lost)
        + len(inspection.out_of_step.keys() | set(inspection.without_static))
        + len(inspection.foreign)
        + len(inspection.ownerless)
        + len(inspection.former)
    )
    orphaned: list[Finding] = [
        *(Finding(external_id=k, note="of another application") for k in inspection.foreign),
        *(Finding(external_id=k, note="its owner was deleted") for k in inspection.ownerless),
        *(
            Finding(external_id=k, note=f"a former name of {moved.present}")
            for k, moved in inspection.former.items()
        ),
    ]
    checks = [
        _check("live", live_count, f"at least {minimum}", live_count >= minimum, "refuse",
               "Make more with create_sessions, or repair what is lost."),
        _check("lost", len(inspection.lost), "0", not inspection.lost, "refuse",
               "Valkey lost these copies; a repair restores them."),
        _check("out of step", len(inspection.out_of_step), "0", not inspection.out_of_step,
               "refuse", "A repair brings copy and record together."),
        _check("without static attributes", len(inspection.without_static), "0",
               not inspection.without_static, "refuse",
               "Without them every score is the same; a repair adds them."),
        _check("orphaned", len(orphaned), "0", not orphaned, "refuse",
               "A repair adopts those of other applications, removes those of deleted owners and "
               "moves those under former names."),
        _check("malformed", len(inspection.malformed), "0", not inspection.malformed, "warn",
               "They are kept as they are; mend the application that wrote them, or delete the "
               "keys."),
        _check("expired", len(inspection.expired), "0", not inspection.expired, "warn",
               "Renew them with create_sessions."),
    ]  # fmt: skip
    worst = {check["verdict"] for check in checks}
    verdict = next(v for v in ("refuse", "warn", "pass") if v in worst)
    return {
        "verdict": verdict,
        "live": live_count,
        "minimum": minimum,
        "copies": inspection.copies,
        "repairable": repairable,
        "checks": checks,
        "expired": _named(inspection.expired),
        "lost": _named(inspection.lost),
        "out_of_step": _named(inspection.out_of_step, fields=inspection.out_of_step),
        "without_static_attributes": _named(inspection.without_static),
        "orphaned": {"count": len(orphaned), "examples": orphaned[:EXAMPLES]},
        "malformed": _named(inspection.malformed, problem=inspection.malformed),
        "remedy": _remedy(inspection, repairable, live_count < minimum),
    }


def _check(
    name: str, value: int, limit: str, passed: bool, otherwise: str, remedy: str
) -> SessionCheck:
    return {
        "name": name,
        "value": value,
        "limit": limit,
        "verdict": "pass" if passed else otherwise,
        "remedy": "" if passed else remedy,
    }


def _remedy(inspection: Inspection, repairable: int, too_few: bool) -> str:
    repair = "run `manage.py check_sessions --repair`."
    if inspection.lost and not inspection.copies:
        return f"Valkey is empty, perhaps flushed; to restore the sessions, {repair}"
    if repairable:
        return f"To bring records and copies together, {repair}"
    if too_few:
        return "Make users with `manage.py seed_users`, then sessions with `create_sessions`."
    return ""


def _named(
    found: Collection[str],
    *,
    fields: Mapping[str, Sequence[str]] | None = None,
    problem: Mapping[str, str] | None = None,
) -> Named:
    examples: list[Finding] = []
    for name in list(found)[:EXAMPLES]:
        example = Finding(external_id=name)
        if fields is not None:
            example["fields"] = fields[name]
        if problem is not None:
            example["problem"] = problem[name]
        examples.append(example)
    return {"count": len(found), "examples": examples}


def _former(external_ids: Iterable[str]) -> dict[str, Moved]:
    """Return those of the ids that are former names, and where what lies there belongs."""
    aliases = PersonAlias.objects.filter(external_id__in=list(external_ids))
    rows = aliases.values_list("external_id", "person__external_id", "since")
    return {name: Moved(present, since) for name, present, since in rows}


def _deleted_owners(external_ids: Sequence[str]) -> set[str]:
    """Those of the ids that once were a user or group here and are no more."""
    gone: set[str] = set()
    for model in (SeedUser, TravelGroup):
        deleted = model.history.filter(history_type="-", external_id__in=external_ids)
        gone |= set(deleted.values_list("external_id", flat=True))
    for model in (SeedUser, TravelGroup):
        gone -= set(
            model._default_manager.filter(external_id__in=gone).values_list(
                "external_id", flat=True
            )
        )
    return gone
