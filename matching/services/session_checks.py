"""Whether live copies and records of sessions say the same, and how to bring them together."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from matching.domain.limits import DEFAULT_TTL_DAYS, MINIMUM_LIVE
from matching.domain.profiles import clean_profile
from matching.models import SeedUser, TravelGroup, TravelSession, live
from matching.models.live import LiveCopy, LiveSession
from matching.services.sessions import (
    CHUNK,
    SESSION_FIELDS,
    load_records,
    publish_sessions,
)
from project.origin import Origin

logger = logging.getLogger(__name__)

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
    malformed: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, Written] = field(default_factory=dict)
    copies: int = 0


def inspect_sessions(only: Collection[str] | None = None) -> Inspection:
    """Compare the live copies with the records, of everybody or only of these travellers."""
    result = Inspection()
    records = load_records(only)
    copies = list(live.read_all() if only is None else live.read(only).values())
    result.copies = len(copies)
    deleted = _deleted_owners([c.external_id for c in copies if c.external_id not in records])
    now = timezone.now()
    for copy in copies:
        recorded = records.get(copy.external_id)
        if copy.session is None:
            result.malformed[copy.external_id] = copy.problem
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
    is_newer = found.created_at is not None and (
        found.created_at > record.created_at + CLOCK_TOLERANCE
    )
    if fields:
        into.out_of_step[record.external_id] = fields
        if is_newer or record.is_adopted:
            into.theirs[record.external_id] = (found, copy.ttl_ms)
    if not found.static_attributes:
        into.without_static.append(record.external_id)
    elif not fields:
        into.live.append(record.external_id)


def check_sessions(
    *, minimum: int = MINIMUM_LIVE, only: Collection[str] | None = None
) -> dict[str, Any]:
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
    )
    orphaned = [
        *({"external_id": k, "note": "of another application"} for k in inspection.foreign),
        *({"external_id": k, "note": "its owner was deleted"} for k in inspection.ownerless),
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
               "A repair adopts those of other applications and removes those of deleted owners."),
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
        "out_of_step": _named(inspection.out_of_step, "fields"),
        "without_static_attributes": _named(inspection.without_static),
        "orphaned": {"count": len(orphaned), "examples": orphaned[:EXAMPLES]},
        "malformed": _named(inspection.malformed, "problem"),
        "remedy": _remedy(inspection, repairable, live_count < minimum),
    }


def _check(
    name: str, value: int, limit: str, passed: bool, otherwise: str, remedy: str
) -> dict[str, Any]:
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


def _named(found: Sequence[str] | Mapping[str, Any], what: str = "") -> dict[str, Any]:
    names = list(found)[:EXAMPLES]
    examples: list[dict[str, Any]] = [{"external_id": name} for name in names]
    if isinstance(found, Mapping):
        examples = [{"external_id": name, what: found[name]} for name in names]
    return {"count": len(found), "examples": examples}


@transaction.atomic
def mend_records(only: Collection[str] | None = None) -> dict[str, Any]:
    """Bring the records up to date with what other applications wrote, and say what copies need.

    A copy goes before its record where another application wrote it last: the record was adopted,
    or the copy was created later. Everywhere else the record is the truth. Copies without a
    record are adopted, and so is their owner when nobody here has that id.
    """
    found = inspect_sessions(only)
    pulled = _pull(found.theirs)
    new_users = _adopt(found.foreign)
    publish = {*found.out_of_step, *found.without_static, *found.foreign}
    return {
        "publish": sorted(publish),
        "restore": sorted(found.lost),
        "remove": sorted(found.ownerless),
        "counts": {
            "restored": len(found.lost),
            "rewritten": len(publish) - len(found.foreign) - pulled,
            "updated_from_copy": pulled,
            "adopted": len(found.foreign),
            "adopted_users": new_users,
            "removed": len(found.ownerless),
        },
    }


def mend_copies(plan: Mapping[str, Any]) -> dict[str, int]:
    """Write and remove live copies as `mend_records` planned; doing it twice changes nothing."""
    publish_sessions(plan["restore"], only_if_absent=True)
    publish_sessions(plan["publish"])
    live.remove(plan["remove"])
    counts: dict[str, int] = plan["counts"]
    return counts


def _pull(theirs: Mapping[str, Written]) -> int:
    records = list(TravelSession.objects.filter(external_id__in=theirs))
    now = timezone.now()
    for record in records:
        _take_over(record, *theirs[record.external_id], now=now)
    if records:
        fields = [*SESSION_FIELDS, "is_adopted", "expires_at", "created_at", "origin"]
        bulk_update_with_history(
            records,
            TravelSession,
            fields,
            batch_size=CHUNK,
            default_change_reason="Updated by another application",
        )
    return len(records)


def _take_over(record: TravelSession, session: LiveSession, ttl_ms: int, *, now: datetime) -> None:
    for name in SESSION_FIELDS:
        setattr(record, name, getattr(session, name))
    record.interests = list(session.interests)
    record.is_adopted = True
    record.origin = Origin.REAL.code
    record.created_at = session.created_at or record.created_at or now
    record.expires_at = (
        now + timedelta(days=DEFAULT_TTL_DAYS)
        if ttl_ms == live.NO_EXPIRY
        else now + timedelta(milliseconds=ttl_ms)
    )


def _adopt(foreign: Mapping[str, Written]) -> int:
    """Record the sessions of other applications; returns how many owners were new here."""
    if not foreign:
        return 0
    users = dict(SeedUser.objects.filter(external_id__in=foreign).values_list("external_id", "pk"))
    groups = dict(
        TravelGroup.objects.filter(external_id__in=foreign).values_list("external_id", "pk")
    )
    strangers = [
        _adopted_user(session)
        for name, (session, _) in foreign.items()
        if name not in users and name not in groups
    ]
    reason = "Adopted with a session of another application"
    for user in bulk_create_with_history(
        strangers, SeedUser, batch_size=CHUNK, default_change_reason=reason
    ):
        users[user.external_id] = user.pk
    now = timezone.now()
    sessions = []
    for name, written in foreign.items():
        record = TravelSession(
            external_id=name,
            user_id=users.get(name),
            group_id=None if name in users else groups[name],
        )
        _take_over(record, *written, now=now)
        sessions.append(record)
    bulk_create_with_history(
        sessions, TravelSession, batch_size=CHUNK, default_change_reason=reason
    )
    return len(strangers)


def _adopted_user(session: LiveSession) -> SeedUser:
    """Make a user of what a session says; what is not valid stays unset and is found as missing."""
    said = session.static_attributes or {}
    location = said.get("location")
    home = location if isinstance(location, Mapping) else {}
    values = {name: said[name] for name in live.STATIC_FIELDS if name in said}
    values.pop("location", None)
    values |= {"home_lat": home.get("lat"), "home_lon": home.get("lon")}
    values.setdefault("personality", None)
    values["extraversion"] = None
    words = {
        name: [str(word).strip().lower()[: live.MAX_WORD] for word in values.get(name) or []]
        for name in ("interests", "languages")
        if isinstance(values.get(name), list)
    }
    cleaned, errors = clean_profile({**values, **words}, known_words=words)
    if errors:
        logger.info("Adopted %s without %s", session.external_id, ", ".join(sorted(errors)))
    if {"home_lat", "home_lon"} & errors.keys():
        cleaned["home_lat"] = cleaned["home_lon"] = None
    return SeedUser(external_id=session.external_id, origin=Origin.REAL.code, **cleaned)


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
