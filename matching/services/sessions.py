"""Sessions: records in PostgreSQL, which are the truth, and their live copies in Valkey."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from matching import live
from matching.frames import load_profiles
from matching.live import LiveCopy, LiveSession, ValkeyUnavailable
from matching.models import SeedUser, Source, TravelGroup, TravelSession
from matching.population import draw_budgets, draw_sessions
from matching.profiles import clean_profile
from matching.services import named
from matching.vocabulary import HABITS, personality_of

logger = logging.getLogger(__name__)

DEFAULT_TTL_DAYS: Final = 7
MAX_TTL_DAYS: Final = 365
DEFAULT_SEED: Final = 7
DEFAULT_MINIMUM: Final = 5  # live sessions
CHUNK: Final = 1000  # travellers of one transaction
EXAMPLES: Final = 100  # named per finding; the counts are always whole
TTL_TOLERANCE: Final = timedelta(seconds=5)
CLOCK_TOLERANCE: Final = timedelta(milliseconds=2)  # the format keeps milliseconds

SESSION_FIELDS: Final = (
    "destination_name",
    "destination_lat",
    "destination_lon",
    "budget",
    "start_date",
    "end_date",
    "mode",
    "interests",
)


# --- publishing -------------------------------------------------------------------------------


def publish_sessions(external_ids: Collection[str], *, only_if_absent: bool = False) -> int:
    """Write the live copies of these travellers from their records; expired ones are removed.

    Fields that another application added to a copy are kept.

    Raises
    ------
    ValkeyUnavailable
        When Valkey does not answer; the records are as they were.
    """
    written = 0
    ids = sorted(external_ids)
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        records = _records(chunk)
        adopted = [r.external_id for r, _ in records.values() if r.is_adopted]
        found = live.read(adopted) if adopted and not only_if_absent else {}
        now = timezone.now()
        due = [
            (_with_foreign_fields(session, found.get(record.external_id)), record.expires_at)
            for record, session in records.values()
            if record.expires_at > now
        ]
        written += live.write(due, only_if_absent=only_if_absent)
        expired = [r.external_id for r, _ in records.values() if r.expires_at <= now]
        if expired and not only_if_absent:
            live.remove(expired)
    return written


def publish_after_commit(
    external_ids: Iterable[str], *, on_failure: Callable[[str], None] = logger.warning
) -> None:
    """Write the live copies once the caller's transaction is committed; a failure is only told."""
    ids = set(external_ids)

    def publish() -> None:
        try:
            publish_sessions(ids)
        except ValkeyUnavailable as error:
            on_failure(str(error))

    if ids:
        transaction.on_commit(publish)


def withdraw_after_commit(
    external_ids: Iterable[str], *, on_failure: Callable[[str], None] = logger.warning
) -> None:
    """Remove the live copies once the caller's transaction is committed; a failure is only told."""
    ids = set(external_ids)

    def withdraw() -> None:
        try:
            live.remove(ids)
        except ValkeyUnavailable as error:
            on_failure(str(error))

    if ids:
        transaction.on_commit(withdraw)


def travellers_of_users(users: Iterable[int]) -> set[str]:
    """Return whose live copies speak of these users: themselves and the groups they are in."""
    ids = list(users)
    of_users = Q(user__in=ids) | Q(group__members__in=ids)
    return set(TravelSession.objects.filter(of_users).values_list("external_id", flat=True))


def travellers(*, users: Sequence[int], groups: Sequence[int]) -> set[str]:
    """Return the external ids of the sessions of these users and groups."""
    of_owners = Q(user__in=users) | Q(group__in=groups)
    return set(TravelSession.objects.filter(of_owners).values_list("external_id", flat=True))


def user_attributes(user: SeedUser) -> dict[str, Any]:
    """Return the static attributes of a user; what is not set is None."""
    has_home = user.home_lat is not None and user.home_lon is not None
    return {
        "age": user.age,
        "gender": user.gender or None,
        "personality": user.personality or None,
        "interests": list(user.interests),
        "languages": list(user.languages),
        "location": {"lat": user.home_lat, "lon": user.home_lon} if has_home else None,
        "smoking": user.smoking or None,
        "drinking": user.drinking or None,
        "religion": user.religion or None,
        "nationality": user.nationality or None,
        "profession": user.profession or None,
    }


def group_attributes(members: Sequence[SeedUser]) -> dict[str, Any]:
    """Return the static attributes of a group, in the format of one traveller.

    Means of age, temperament and habits, unions of interests and languages, the most common word
    else; the location is the home of the first member, because a place between homes is nobody's.
    """
    extraversion = [m.extraversion for m in members if m.extraversion is not None]
    ages = [m.age for m in members if m.age is not None]
    homes = [
        {"lat": m.home_lat, "lon": m.home_lon}
        for m in members
        if m.home_lat is not None and m.home_lon is not None
    ]
    return {
        "age": round(sum(ages) / len(ages)) if ages else None,
        "gender": _most_common(m.gender for m in members),
        "personality": (
            personality_of(sum(extraversion) / len(extraversion)) if extraversion else None
        ),
        "interests": sorted({word for m in members for word in m.interests}),
        "languages": sorted({word for m in members for word in m.languages}),
        "location": homes[0] if homes else None,
        "smoking": _mean_habit(m.smoking for m in members),
        "drinking": _mean_habit(m.drinking for m in members),
        "religion": _most_common(m.religion for m in members),
        "nationality": _most_common(m.nationality for m in members),
        "profession": _most_common(m.profession for m in members),
    }


def expected_copy(session: TravelSession) -> LiveSession:
    """Return what the live copy of a record has to say."""
    attributes = (
        user_attributes(session.user)
        if session.user is not None
        else group_attributes(_members(session.group))
    )
    return LiveSession(
        external_id=session.external_id,
        destination_name=session.destination_name,
        destination_lat=session.destination_lat,
        destination_lon=session.destination_lon,
        budget=session.budget,
        start_date=session.start_date,
        end_date=session.end_date,
        mode=session.mode,
        interests=tuple(session.interests),
        static_attributes=attributes,
        created_at=session.created_at,
    )


# --- creating ---------------------------------------------------------------------------------


def plan_sessions(
    *, users: Sequence[int] | None = None, groups: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return who needs a session: the users and groups without a live one, by primary key.

    Without arguments everybody is asked; with one of them only those named.
    """
    everybody = users is None and groups is None
    now = timezone.now()
    waiting_users = SeedUser.objects.exclude(session__expires_at__gt=now)
    waiting_groups = TravelGroup.objects.exclude(session__expires_at__gt=now)
    waiting_groups = waiting_groups.filter(members__isnull=False).distinct()
    if not everybody:
        waiting_users = waiting_users.filter(pk__in=users or [])
        waiting_groups = waiting_groups.filter(pk__in=groups or [])
    return {
        "users": sorted(waiting_users.values_list("pk", flat=True)),
        "groups": sorted(waiting_groups.values_list("pk", flat=True)),
        "already_live": TravelSession.objects.live().count(),
    }


@transaction.atomic
def create_user_sessions(
    users: Sequence[int], *, seed: int, chunk: int, expires_at: datetime, today: date
) -> dict[str, int]:
    """Draw a trip for each of these users; an expired session is renewed with a new trip.

    The named users get the trips of their fixture, which match their names.
    """
    rng = np.random.default_rng([seed, 0, chunk])
    profiles = load_profiles(SeedUser.objects.filter(pk__in=users))
    profiles["budget"] = draw_budgets(profiles, rng)
    trips = draw_sessions(profiles, rng, today)
    return _store_trips(trips, dict(zip(profiles.external_id, profiles.user_id, strict=True)),
                        is_group=False, expires_at=expires_at, today=today)  # fmt: skip


@transaction.atomic
def create_group_sessions(
    groups: Sequence[int], *, seed: int, chunk: int, expires_at: datetime, today: date
) -> dict[str, int]:
    """Draw a trip for each of these groups, with the mean budget of its members."""
    rng = np.random.default_rng([seed, 1, chunk])
    rows = []
    found = TravelGroup.objects.filter(pk__in=groups).order_by("external_id")
    for group in found.prefetch_related("members__session"):
        members = _members(group)
        budgets = [m.session.budget for m in members if hasattr(m, "session") and m.session.budget]
        rows.append(
            {
                "external_id": group.external_id,
                "user_id": group.pk,
                "archetype": _most_common(m.archetype for m in members),
                "age": np.nan,
                "budget": sum(budgets) / len(budgets) if budgets else np.nan,
                "interests": sorted({word for m in members for word in m.interests}),
            }
        )
    profiles = pd.DataFrame(
        rows, columns=["external_id", "user_id", "archetype", "age", "budget", "interests"]
    )
    drawn = draw_budgets(profiles, rng)
    profiles["budget"] = profiles["budget"].astype("float64").fillna(pd.Series(drawn))
    trips = draw_sessions(profiles, rng, today).assign(mode=TravelSession.Mode.GROUP.value)
    return _store_trips(trips, dict(zip(profiles.external_id, profiles.user_id, strict=True)),
                        is_group=True, expires_at=expires_at, today=today)  # fmt: skip


def _store_trips(
    trips: pd.DataFrame,
    owners: Mapping[str, int],
    *,
    is_group: bool,
    expires_at: datetime,
    today: date,
) -> dict[str, int]:
    expired = {s.external_id: s for s in TravelSession.objects.filter(external_id__in=owners)}
    now = timezone.now()
    fixed = named.trips()
    fresh: list[TravelSession] = []
    renewed: list[TravelSession] = []
    for trip in trips.to_dict("records"):
        external_id = trip["external_id"]
        session = expired.get(external_id) or TravelSession(external_id=external_id)
        if is_group:
            session.group_id = owners[external_id]
        else:
            session.user_id = owners[external_id]
        session.destination_name = trip["destination_name"]
        session.destination_lat = float(trip["destination_lat"])
        session.destination_lon = float(trip["destination_lon"])
        session.budget = None if pd.isna(trip["budget"]) else float(trip["budget"])
        session.start_date = trip["start_date"].date()
        session.end_date = trip["end_date"].date()
        session.mode = trip["mode"]
        session.interests = list(trip["interests"] or [])
        session.source = Source.SYNTHETIC
        session.is_adopted = False
        session.expires_at = expires_at
        session.created_at = now
        if external_id in fixed:
            fixed[external_id].apply(session, today)
        (renewed if external_id in expired else fresh).append(session)
    bulk_create_with_history(fresh, TravelSession, batch_size=CHUNK)
    if renewed:
        fields = [*SESSION_FIELDS, "source", "is_adopted", "expires_at", "created_at"]
        bulk_update_with_history(
            renewed, TravelSession, fields, batch_size=CHUNK, default_change_reason="Renewed"
        )
    return {"created": len(fresh), "renewed": len(renewed)}


# --- checking ---------------------------------------------------------------------------------


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
    records = _records(only)
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
    *, minimum: int = DEFAULT_MINIMUM, only: Collection[str] | None = None
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


# --- repairing --------------------------------------------------------------------------------


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
        fields = [*SESSION_FIELDS, "is_adopted", "expires_at", "created_at", "source"]
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
    record.source = Source.REAL
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
    return SeedUser(external_id=session.external_id, source=Source.REAL, **cleaned)


# --- reading ----------------------------------------------------------------------------------


def _records(
    only: Collection[str] | None,
) -> dict[str, tuple[TravelSession, LiveSession]]:
    """Records with what their live copy has to say, by external id, in four queries."""
    sessions = TravelSession.objects.select_related("user", "group")
    sessions = sessions.prefetch_related("group__members")
    if only is not None:
        sessions = sessions.filter(external_id__in=only)
    return {session.external_id: (session, expected_copy(session)) for session in sessions}


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


def _with_foreign_fields(session: LiveSession, copy: LiveCopy | None) -> LiveSession:
    if copy is None or copy.session is None:
        return session
    static = {**(copy.session.static_attributes or {}), **(session.static_attributes or {})}
    return replace(session, foreign_fields=copy.session.foreign_fields, static_attributes=static)


def _members(group: TravelGroup | None) -> list[SeedUser]:
    """Members by external id; sorted here so that prefetched rows serve."""
    return [] if group is None else sorted(group.members.all(), key=lambda m: m.external_id)


def _most_common(words: Iterable[str]) -> str | None:
    counts = Counter(sorted(word for word in words if word))
    return counts.most_common(1)[0][0] if counts else None


def _mean_habit(words: Iterable[str]) -> str | None:
    degrees = [HABITS[word] for word in words if word in HABITS]
    if not degrees:
        return None
    mean = sum(degrees) / len(degrees)
    return min(HABITS, key=lambda word: abs(HABITS[word] - mean))
