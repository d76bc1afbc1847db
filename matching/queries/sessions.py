"""Sessions as they are, what their live copies have to say, and who needs one."""

from collections.abc import Collection, Iterable, Sequence
from math import isnan
from typing import TypedDict

from django.db.models import Q

from matching.domain.groups import describe_group, nearest_habit
from matching.domain.personality import personality_of
from matching.models import SeedUser, TravelGroup, TravelSession, live
from matching.models.live import LiveSession
from project import clock


def travellers_of_users(users: Iterable[int]) -> set[str]:
    """Return whose live copies speak of these users: themselves and the groups they are in."""
    ids = list(users)
    of_users = Q(user__in=ids) | Q(group__members__in=ids)
    return set(TravelSession.objects.filter(of_users).values_list("external_id", flat=True))


def travellers(*, users: Sequence[int], groups: Sequence[int]) -> set[str]:
    """Return the external ids of the sessions of these users and groups."""
    of_owners = Q(user__in=users) | Q(group__in=groups)
    return set(TravelSession.objects.filter(of_owners).values_list("external_id", flat=True))


class Place(TypedDict):
    """Where somebody lives, in degrees."""

    lat: float | None
    lon: float | None


class StaticAttributes(TypedDict):
    """What a live copy says of a traveller beside the trip; None where it is not set."""

    age: float | None
    gender: str | None
    personality: str | None
    interests: list[str]
    languages: list[str]
    location: Place | None
    smoking: str | None
    drinking: str | None
    religion: str | None
    nationality: str | None
    profession: str | None


def user_attributes(user: SeedUser) -> StaticAttributes:
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


def group_attributes(members: Sequence[SeedUser]) -> StaticAttributes:
    """Return the static attributes of a group, in the format of one traveller.

    The format has no room for means of habits and temperament: it says the nearest word. The
    location is the home of the first member, because a place between homes is nobody's.
    """
    traits = describe_group([vars(member) for member in members])
    homes: list[Place] = [
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
        else group_attributes(members_of(session.group))
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


class SessionsNeeded(TypedDict):
    """Users and groups without a session, by primary key, and how many have one.

    held_elsewhere : those without a live record here whose key in Valkey is taken: by another
        application, for ours go with their record.
    """

    users: list[int]
    groups: list[int]
    already_live: int
    held_elsewhere: list[str]


def plan_sessions(
    *, users: Sequence[int] | None = None, groups: Sequence[int] | None = None
) -> SessionsNeeded:
    """Return who needs a session: the users and groups without a live one, by primary key.

    Without arguments everybody is asked; with one of them only those named. Raises
    ValkeyUnavailable: what other applications have written is not known then.
    """
    everybody = users is None and groups is None
    now = clock.now()
    waiting_users = SeedUser.objects.exclude(session__expires_at__gt=now)
    waiting_groups = TravelGroup.objects.exclude(session__expires_at__gt=now)
    waiting_groups = waiting_groups.filter(members__isnull=False).distinct()
    if not everybody:
        waiting_users = waiting_users.filter(pk__in=users or [])
        waiting_groups = waiting_groups.filter(pk__in=groups or [])
    of_users = dict(waiting_users.values_list("pk", "external_id"))
    of_groups = dict(waiting_groups.values_list("pk", "external_id"))
    held = live.present([*of_users.values(), *of_groups.values()])
    return {
        "users": sorted(pk for pk, name in of_users.items() if name not in held),
        "groups": sorted(pk for pk, name in of_groups.items() if name not in held),
        "already_live": TravelSession.objects.live().count(),
        "held_elsewhere": sorted(held),
    }


def load_records(
    only: Collection[str] | None,
) -> dict[str, tuple[TravelSession, LiveSession]]:
    """Records with what their live copy has to say, by external id, in four queries."""
    sessions = TravelSession.objects.select_related("user", "group")
    sessions = sessions.prefetch_related("group__members")
    if only is not None:
        sessions = sessions.filter(external_id__in=only)
    return {session.external_id: (session, expected_copy(session)) for session in sessions}


def members_of(group: TravelGroup | None) -> list[SeedUser]:
    """Members by external id; sorted here so that prefetched rows serve."""
    return [] if group is None else sorted(group.members.all(), key=lambda m: m.external_id)
