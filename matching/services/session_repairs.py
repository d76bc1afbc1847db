"""Bringing live copies and records of sessions together."""

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TypedDict

from django.contrib.auth.models import User
from django.db import transaction
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from matching.domain.limits import DEFAULT_TTL_DAYS
from matching.domain.profiles import clean_profile
from matching.models import SeedUser, TravelGroup, TravelSession, live
from matching.models.live import LiveSession
from matching.queries.session_checks import Written, inspect_sessions
from matching.services.identity import hold_names
from matching.services.sessions import CHUNK, SESSION_FIELDS, publish_sessions
from project import clock
from project.origin import Origin

logger = logging.getLogger(__name__)


class Repairs(TypedDict):
    """How many sessions were mended, by what was done to them."""

    restored: int
    rewritten: int
    updated_from_copy: int
    adopted: int
    adopted_users: int
    removed: int
    moved: int


class RepairPlan(TypedDict):
    """Whose copies are still to be written, restored or removed once the records are right."""

    publish: list[str]
    restore: list[str]
    remove: list[str]
    counts: Repairs


@transaction.atomic
def mend_records(only: Collection[str] | None = None, *, by: User | None) -> RepairPlan:
    """Bring the records up to date with what other applications wrote, and say what copies need.

    A copy goes before its record where another application wrote it last: the record was adopted,
    or the copy was created later. Everywhere else the record is the truth. Copies without a
    record are adopted, and so is their owner when nobody here has that id, or had it: copies under
    former names are moved first, which may be done again.
    """
    hold_names()
    found = inspect_sessions(only)
    moved = live.move(found.former)
    if moved:
        found = inspect_sessions(only)
    pulled = _pull(found.theirs, by=by)
    new_users = _adopt(found.foreign, by=by)
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
            "moved": moved,
        },
    }


def mend_copies(plan: RepairPlan) -> Repairs:
    """Write and remove live copies as `mend_records` planned; doing it twice changes nothing."""
    publish_sessions(plan["restore"], only_if_absent=True)
    publish_sessions(plan["publish"])
    live.remove(plan["remove"])
    return plan["counts"]


def _pull(theirs: Mapping[str, Written], *, by: User | None) -> int:
    records = list(TravelSession.objects.filter(external_id__in=theirs))
    now = clock.now()
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
            default_user=by,
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


def _adopt(foreign: Mapping[str, Written], *, by: User | None) -> int:
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
        strangers, SeedUser, batch_size=CHUNK, default_change_reason=reason, default_user=by
    ):
        users[user.external_id] = user.pk
    now = clock.now()
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
        sessions, TravelSession, batch_size=CHUNK, default_change_reason=reason, default_user=by
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
    cleaned, errors = clean_profile({**values, **words})
    if errors:
        logger.info("Adopted %s without %s", session.external_id, ", ".join(sorted(errors)))
    if {"home_lat", "home_lon"} & errors.keys():
        cleaned["home_lat"] = cleaned["home_lon"] = None
    return SeedUser(external_id=session.external_id, origin=Origin.REAL.code, **cleaned)
