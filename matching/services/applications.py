"""What an application tells of one person or one trip, which then is all that is known of it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from matching.domain.profile_files import Row
from matching.domain.profiles import CLEANERS, clean_profile
from matching.models import (
    SeedUser,
    TravelGroup,
    TravelSession,
    validate_external_id,
)
from matching.queries.identity import present_name
from matching.queries.sessions import travellers_of_users
from matching.services.identity import hold_names
from matching.services.people import WRITABLE
from matching.services.sessions import publish_after_commit, withdraw_after_commit
from matching.services.travel_files import check_trips, save_trips
from project.origin import Origin

logger = logging.getLogger(__name__)

REASON: Final = "Sent by an application"
Told = Callable[[str], None]


class Unusable(Exception):
    """What was told cannot be stored: field to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


class Taken(Exception):
    """The id is that of something else; the message says of what."""


class Drawn(Taken):
    """The id is that of somebody who was drawn: what was drawn would stand there as real."""


@dataclass(frozen=True)
class PutPerson:
    """A profile as it is stored, and whether that is new, or otherwise than before."""

    user: SeedUser
    is_new: bool
    is_changed: bool


@dataclass(frozen=True)
class PutTrip:
    """A trip as it is stored, and whether that is new, or otherwise than before."""

    trip: TravelSession
    is_new: bool
    is_changed: bool


def put_profile(
    external_id: str, values: Mapping[str, Any], *, on_failure: Told = logger.warning
) -> PutPerson:
    """Make the profile of a person what is told, and nothing else: what is left out is not set.

    Who sends it sends real people: none takes the place of somebody who was drawn, whose trip,
    groups and events are drawn too. History rows name who acts. `on_failure` is told where Valkey
    took no live copy of their trip.

    Raises
    ------
    Unusable
        By the same rules as the import of profiles.
    Taken
        Where a group has this id; Drawn, where somebody has or had it who was drawn.
    """
    _require_id(external_id)
    external_id = present_name(external_id)
    cleaned, problems = clean_profile({**dict.fromkeys(CLEANERS), **values})
    if problems:
        raise Unusable(problems)
    if TravelGroup.objects.filter(external_id=external_id).exists():
        raise Taken(f"{external_id} is the id of a group.")
    wanted = {**{name: cleaned[name] for name in WRITABLE}, "origin": Origin.REAL.code}
    try:
        return _put_profile(external_id, wanted, on_failure)
    except IntegrityError:  # another request added, or renamed, the person a moment ago
        return _put_profile(present_name(external_id), wanted, on_failure)


@transaction.atomic
def _put_profile(external_id: str, wanted: Mapping[str, Any], on_failure: Told) -> PutPerson:
    hold_names()
    user = SeedUser.objects.select_for_update().filter(external_id=external_id).first()
    if user is not None and user.origin != Origin.REAL.code:
        raise Drawn(f"{external_id} is a synthetic person here: it was drawn, with what it has.")
    is_new = user is None
    user = user or SeedUser(external_id=external_id)
    is_changed = is_new or any(getattr(user, name) != value for name, value in wanted.items())
    if is_changed:
        for name, value in wanted.items():
            setattr(user, name, value)
        _say_why(user)
        user.save()
        user.refresh_from_db()  # completeness is the database's to compute
        publish_after_commit(travellers_of_users([user.pk]), on_failure=on_failure)
    return PutPerson(user, is_new, is_changed)


def is_traveller(external_id: str) -> bool:
    """Whether a person or a group has this id, or a person had it, and so may have a trip."""
    external_id = present_name(external_id)
    return any(
        model._default_manager.filter(external_id=external_id).exists()
        for model in (SeedUser, TravelGroup)
    )


@transaction.atomic
def put_trip(
    external_id: str, values: Mapping[str, Any], *, on_failure: Told = logger.warning
) -> PutTrip:
    """Make the trip of a person or a group what is told; the one that they had is replaced.

    Raises
    ------
    Unusable
        By the same rules as the import of trips: nobody who has this id is one.
    """
    hold_names()
    external_id = present_name(external_id)
    # Who travels is locked, so that two requests take turns.
    for model in (SeedUser, TravelGroup):
        owner = model._default_manager.select_for_update().filter(external_id=external_id)
        owner.order_by().values_list("pk").first()
    row = Row(1, {**values, "external_id": external_id}, {})
    (checked,) = check_trips([row], origin=Origin.REAL.value, may_change=True)
    if checked.problem:
        raise Unusable({checked.field: checked.problem})
    made = save_trips([checked], by=None, reason=REASON, on_failure=on_failure)
    trip = TravelSession.objects.get(external_id=external_id)
    return PutTrip(trip, bool(made["added"]), not made["unchanged"])


@transaction.atomic
def end_trip(external_id: str, *, on_failure: Told = logger.warning) -> TravelSession | None:
    """Remove the trip of a person or a group, and its live copy; its history stays.

    Returns it as it was, None where there is none.
    """
    hold_names()
    external_id = present_name(external_id)
    trip = TravelSession.objects.select_for_update().filter(external_id=external_id).first()
    if trip is not None:
        _say_why(trip)
        trip.delete()
        withdraw_after_commit([external_id], on_failure=on_failure)
    return trip


def _say_why(record: Model) -> None:
    name = "_change_reason"  # which simple_history reads, and no model declares
    setattr(record, name, REASON)


def _require_id(external_id: str) -> None:
    try:
        validate_external_id(external_id)
    except ValidationError as error:
        raise Unusable({"external_id": str(error.message)}) from None
