"""Sessions: records in PostgreSQL, which are the truth, and their live copies in Valkey."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from math import isnan
from typing import Any, Final

import numpy as np
import pandas as pd
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from matching.domain.groups import describe_group, nearest_habit
from matching.domain.personality import personality_of
from matching.domain.population import draw_budgets, draw_sessions
from matching.models import SeedUser, TravelGroup, TravelSession, live
from matching.models.live import LiveCopy, LiveSession, ValkeyUnavailable
from matching.queries import named
from matching.queries.travellers import load_profiles
from project.origin import Origin

logger = logging.getLogger(__name__)

CHUNK: Final = 1000  # travellers of one transaction

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
        records = load_records(chunk)
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

    The format has no room for means of habits and temperament: it says the nearest word. The
    location is the home of the first member, because a place between homes is nobody's.
    """
    traits = describe_group([vars(member) for member in members])
    homes = [
        {"lat": m.home_lat, "lon": m.home_lon}
        for m in members
        if m.home_lat is not None and m.home_lon is not None
    ]
    return {
        "age": None if isnan(traits.age) else round(traits.age),
        "gender": traits.gender,
        "personality": None if isnan(traits.extraversion) else personality_of(traits.extraversion),
        "interests": traits.interests,
        "languages": traits.languages,
        "location": homes[0] if homes else None,
        "smoking": nearest_habit(traits.smoking),
        "drinking": nearest_habit(traits.drinking),
        "religion": traits.religion,
        "nationality": traits.nationality,
        "profession": traits.profession,
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
        traits = describe_group(
            [
                {**vars(m), "budget": m.session.budget if hasattr(m, "session") else None}
                for m in _members(group)
            ]
        )
        rows.append(
            {
                "external_id": group.external_id,
                "group_id": group.pk,
                "archetype": traits.archetype,
                "age": np.nan,
                "budget": traits.budget,
                "interests": traits.interests,
            }
        )
    profiles = pd.DataFrame(
        rows, columns=["external_id", "group_id", "archetype", "age", "budget", "interests"]
    )
    drawn = draw_budgets(profiles, rng)
    profiles["budget"] = profiles["budget"].astype("float64").fillna(pd.Series(drawn))
    trips = draw_sessions(profiles, rng, today).assign(mode=TravelSession.Mode.GROUP.value)
    return _store_trips(trips, dict(zip(profiles.external_id, profiles.group_id, strict=True)),
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
        session.origin = Origin.SYNTHETIC.code
        session.is_adopted = False
        session.expires_at = expires_at
        session.created_at = now
        if external_id in fixed:
            fixed[external_id].apply(session, today)
        (renewed if external_id in expired else fresh).append(session)
    bulk_create_with_history(fresh, TravelSession, batch_size=CHUNK)
    if renewed:
        fields = [*SESSION_FIELDS, "origin", "is_adopted", "expires_at", "created_at"]
        bulk_update_with_history(
            renewed, TravelSession, fields, batch_size=CHUNK, default_change_reason="Renewed"
        )
    return {"created": len(fresh), "renewed": len(renewed)}


def load_records(
    only: Collection[str] | None,
) -> dict[str, tuple[TravelSession, LiveSession]]:
    """Records with what their live copy has to say, by external id, in four queries."""
    sessions = TravelSession.objects.select_related("user", "group")
    sessions = sessions.prefetch_related("group__members")
    if only is not None:
        sessions = sessions.filter(external_id__in=only)
    return {session.external_id: (session, expected_copy(session)) for session in sessions}


def _with_foreign_fields(session: LiveSession, copy: LiveCopy | None) -> LiveSession:
    if copy is None or copy.session is None:
        return session
    static = {**(copy.session.static_attributes or {}), **(session.static_attributes or {})}
    return replace(session, foreign_fields=copy.session.foreign_fields, static_attributes=static)


def _members(group: TravelGroup | None) -> list[SeedUser]:
    """Members by external id; sorted here so that prefetched rows serve."""
    return [] if group is None else sorted(group.members.all(), key=lambda m: m.external_id)
