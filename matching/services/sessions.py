"""Writing sessions: records in PostgreSQL, which are the truth, and their copies in Valkey."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final, TypedDict

import numpy as np
import pandas as pd
from django.contrib.auth.models import User
from django.db import transaction
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from matching.domain.groups import describe_group
from matching.domain.population import draw_budgets, draw_sessions
from matching.models import SeedUser, TravelGroup, TravelSession, live
from matching.models.live import LiveCopy, LiveSession, Moved, ValkeyUnavailable
from matching.queries import named
from matching.queries.session_checks import is_newer
from matching.queries.sessions import load_records, members_of
from matching.queries.travellers import load_profiles
from project import clock
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
# What the trip of a group is drawn from; a home is a list, one of each member.
GROUP_COLUMNS: Final = (
    *("external_id", "group_id", "archetype", "age", "budget", "interests"),
    *("home_lat", "home_lon"),
)


def publish_sessions(external_ids: Collection[str], *, only_if_absent: bool = False) -> int:
    """Write the live copies of these travellers from their records; expired ones are removed.

    Fields that another application added to a copy are kept, and a copy that it wrote itself is
    left as it is: a repair brings the record up to date with it.

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
        found = live.read(records) if records and not only_if_absent else {}
        now = clock.now()
        ours = [
            (record, session, found.get(record.external_id))
            for record, session in records.values()
            if not _is_of_another(found.get(record.external_id), record, now=now)
        ]
        due = [
            (_with_foreign_fields(session, copy, record), record.expires_at)
            for record, session, copy in ours
            if record.expires_at > now
        ]
        written += live.write(due, only_if_absent=only_if_absent)
        expired = [record.external_id for record, _, _ in ours if record.expires_at <= now]
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


def move_after_commit(
    former: Mapping[str, Moved], *, on_failure: Callable[[str], None] = logger.warning
) -> None:
    """Move live copies to the present names of their travellers once the caller's transaction is
    committed; a failure is only told, and mended by a repair."""
    moves = dict(former)

    def move() -> None:
        try:
            live.move(moves)
            publish_sessions({moved.present for moved in moves.values()}, only_if_absent=True)
        except ValkeyUnavailable as error:
            on_failure(str(error))

    if moves:
        transaction.on_commit(move)


class Created(TypedDict):
    """How many sessions are new, and how many were renewed."""

    created: int
    renewed: int


@transaction.atomic
def create_user_sessions(
    users: Sequence[int],
    *,
    seed: int,
    chunk: int,
    expires_at: datetime,
    today: date,
    by: User | None,
) -> Created:
    """Draw a trip for each of these users; an expired session is renewed with a new trip.

    The named users get the trips of their fixture, which match their names.
    """
    rng = np.random.default_rng([seed, 0, chunk])
    profiles = load_profiles(SeedUser.objects.filter(pk__in=users))
    profiles["budget"] = draw_budgets(profiles, rng)
    trips = draw_sessions(profiles, rng, today)
    return _store_trips(trips, dict(zip(profiles.external_id, profiles.user_id, strict=True)),
                        is_group=False, expires_at=expires_at, today=today, by=by)  # fmt: skip


@transaction.atomic
def create_group_sessions(
    groups: Sequence[int],
    *,
    seed: int,
    chunk: int,
    expires_at: datetime,
    today: date,
    by: User | None,
) -> Created:
    """Draw a trip for each of these groups, with the mean budget of its members."""
    rng = np.random.default_rng([seed, 1, chunk])
    rows = []
    found = TravelGroup.objects.filter(pk__in=groups).order_by("external_id")
    for group in found.prefetch_related("members__session"):
        members = members_of(group)
        traits = describe_group(
            [
                {**vars(m), "budget": m.session.budget if hasattr(m, "session") else None}
                for m in members
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
                "home_lat": [member.home_lat for member in members],
                "home_lon": [member.home_lon for member in members],
            }
        )
    profiles = pd.DataFrame(rows, columns=GROUP_COLUMNS)
    drawn = draw_budgets(profiles, rng)
    profiles["budget"] = profiles["budget"].astype("float64").fillna(pd.Series(drawn))
    trips = draw_sessions(profiles, rng, today).assign(mode=TravelSession.Mode.GROUP.value)
    return _store_trips(trips, dict(zip(profiles.external_id, profiles.group_id, strict=True)),
                        is_group=True, expires_at=expires_at, today=today, by=by)  # fmt: skip


def _store_trips(
    trips: pd.DataFrame,
    owners: Mapping[str, int],
    *,
    is_group: bool,
    expires_at: datetime,
    today: date,
    by: User | None,
) -> Created:
    expired = {s.external_id: s for s in TravelSession.objects.filter(external_id__in=owners)}
    now = clock.now()
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
    bulk_create_with_history(fresh, TravelSession, batch_size=CHUNK, default_user=by)
    if renewed:
        fields = [*SESSION_FIELDS, "origin", "is_adopted", "expires_at", "created_at"]
        bulk_update_with_history(
            renewed,
            TravelSession,
            fields,
            batch_size=CHUNK,
            default_change_reason="Renewed",
            default_user=by,
        )
    return {"created": len(fresh), "renewed": len(renewed)}


def _is_of_another(copy: LiveCopy | None, record: TravelSession, *, now: datetime) -> bool:
    """Whether another application wrote a copy, and the record does not know of it yet."""
    if copy is None:
        return False
    if copy.session is None:  # nothing that we wrote
        return True
    if record.is_adopted:
        return record.expires_at <= now  # it has been renewed
    return is_newer(copy.session, record)


def _with_foreign_fields(
    session: LiveSession, copy: LiveCopy | None, record: TravelSession
) -> LiveSession:
    if copy is None or copy.session is None or not record.is_adopted:
        return session
    static = {**(copy.session.static_attributes or {}), **(session.static_attributes or {})}
    return replace(session, foreign_fields=copy.session.foreign_fields, static_attributes=static)
