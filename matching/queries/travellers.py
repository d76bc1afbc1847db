"""The only place where rows of matching become DataFrames: names, order and dtypes are fixed
here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NotRequired, TypedDict

import pandas as pd
from django.db.models import QuerySet

from matching.domain.geo import EARTH_RADIUS_KM
from matching.domain.groups import group_travellers
from matching.domain.trips import MAX_DISTANCE_KM
from matching.domain.words import MatchType
from matching.models import PROFILE_FIELDS, SeedUser, TravelGroup, TravelSession
from matching.queries.words import taught_lexicon

BOX_KM: Final = 1.001 * MAX_DISTANCE_KM  # what rounding may cost
EXAMPLES: Final = 100  # travellers named per reason; the counts are always whole

NO_SESSION: Final = "no live session"
INCOMPLETE: Final = "incomplete profile"
NO_MEMBERS: Final = "no members with a complete profile"

PROFILE_COLUMNS: Final = ("user_id", "external_id", "archetype", *PROFILE_FIELDS)
SESSION_COLUMNS: Final = (
    "destination_name",
    "destination_lat",
    "destination_lon",
    "start_date",
    "end_date",
    "budget",
    "mode",
    "interests",
)


class NamedTraveller(TypedDict):
    """One who is left out; `missing` are the profile fields to fill in, where that is why."""

    external_id: str
    missing: NotRequired[list[str]]


class ReasonCount(TypedDict):
    """How many are left out for one reason, and the first of them."""

    count: int
    examples: list[NamedTraveller]


@dataclass(frozen=True)
class LeftOut:
    """A user or group that no match is made of, and why.

    missing : the profile fields to fill in, for an incomplete profile
    """

    external_id: str
    reason: str
    missing: tuple[str, ...] = ()

    def as_dict(self) -> NamedTraveller:
        """Return what a person needs to find and mend the record."""
        named: NamedTraveller = {"external_id": self.external_id}
        if self.missing:
            named["missing"] = list(self.missing)
        return named


@dataclass(frozen=True)
class LoadedTravellers:
    """Who can be matched now, and who cannot.

    users : travellers frame of users with a complete profile and a live session, by external_id;
        `user_id` is the primary key of SeedUser
    groups : travellers frame of groups with a live session, by external_id, with `group_id` (the
        primary key of TravelGroup) and `member_ids` (external ids); None when users meet users
    left_out : everybody else
    """

    users: pd.DataFrame
    groups: pd.DataFrame | None
    left_out: list[LeftOut] = field(default_factory=list)

    def skipped(self) -> dict[str, ReasonCount]:
        """Return reason to {count, examples}, as EventBatch.skipped keeps it."""
        return count_reasons(self.left_out)


def count_reasons(left_out: Iterable[LeftOut]) -> dict[str, ReasonCount]:
    """Return reason to {count, examples}; at most EXAMPLES are named for each."""
    reasons: dict[str, ReasonCount] = {}
    for one in left_out:
        entry = reasons.setdefault(one.reason, {"count": 0, "examples": []})
        entry["count"] += 1
        if len(entry["examples"]) < EXAMPLES:
            entry["examples"].append(one.as_dict())
    return reasons


def load_travellers(match_type: str) -> LoadedTravellers:
    """Read who can be matched: complete users, and for `user_group` the groups, with live sessions.

    Profile fields and sessions come from PostgreSQL, the truth; the live copies in Valkey are
    made from it. A user without a session is only waiting, so it is left out as such; a user with
    a session whose profile lacks something is left out with the names of what is missing.
    """
    if match_type not in tuple(MatchType):
        raise ValueError(f"Expected one of {', '.join(MatchType)}, got {match_type!r}.")
    profiles = load_profiles(SeedUser.objects.complete())
    sessions = _sessions(TravelSession.objects.live().filter(user__isnull=False), "user_id")
    complete = profiles.set_index("external_id")
    travelling = sessions[sessions["external_id"].isin(complete.index)]
    left_out = _users_left_out(set(sessions["external_id"]))
    users = join_trips(travelling, profiles)
    if match_type == "user_user":
        return LoadedTravellers(users, None, left_out)
    budgets = travelling.set_index("external_id")["budget"]
    profiles = profiles.assign(budget=profiles["external_id"].map(budgets))
    groups, groups_left_out = _load_groups(profiles)
    return LoadedTravellers(users, groups, left_out + groups_left_out)


class UnknownTraveller(LookupError):
    """Neither a seed user nor a group has this external id."""

    def __init__(self, external_id: str) -> None:
        super().__init__(f"There is no seed user and no group {external_id!r}.")


def load_named(external_ids: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read users and groups by their external ids, as travellers frames with that index.

    Other than `load_travellers` it takes incomplete profiles too, and somebody without a live
    session has a trip of which nothing is known: serving has to answer for everybody.

    Raises
    ------
    UnknownTraveller
        For an id that is nobody's.
    """
    asked = set(external_ids)
    users, groups = load_known(asked)
    unknown = asked - set(users.index) - set(groups.index)
    if unknown:
        raise UnknownTraveller(min(unknown))
    return users, groups


def load_known(external_ids: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read users and groups as `load_named` does, and leave out ids that are nobody's."""
    asked = set(external_ids)
    groups = dict(
        TravelGroup.objects.filter(external_id__in=asked)
        .order_by("external_id")
        .values_list("external_id", "pk")
    )
    profiles = load_profiles(SeedUser.objects.filter(external_id__in=asked - groups.keys()))
    live = TravelSession.objects.live().filter(user__external_id__in=asked)
    trips = _with_everybody(_sessions(live, "user_id"), profiles["external_id"])
    return _by_id(join_trips(trips, profiles)), _by_id(_load_named_groups(groups))


def names_near(external_id: str, match_type: str) -> list[str]:
    """Return who is live about where and when a user is: all who pass the hard gates, and a few
    who do not.

    Users with a complete profile, or groups with such a member, by external id; none for who has
    no live trip. What is compared is a box of degrees, which the database does by itself: of the
    circle on a sphere, so wide as asin(sin r / cos latitude).
    """
    live = TravelSession.objects.live()
    own = live.filter(user__external_id=external_id).first()
    if own is None:
        return []
    lat, lon = own.destination_lat, own.destination_lon
    reach = math.degrees(BOX_KM / EARTH_RADIUS_KM)
    near = live.filter(
        start_date__lte=own.end_date,
        end_date__gte=own.start_date,
        destination_lat__range=(lat - reach, lat + reach),
    )
    if abs(lat) + reach < 90:  # else the pole lies in it, and every meridian
        sideways = math.sin(math.radians(reach)) / math.cos(math.radians(lat))
        wide = math.degrees(math.asin(sideways))
        if abs(lon) + wide <= 180:  # else it goes over the line of the date
            near = near.filter(destination_lon__range=(lon - wide, lon + wide))
    complete = SeedUser.objects.complete()
    if match_type == MatchType.USER_USER:
        near = near.filter(user__in=complete).exclude(user__external_id=external_id)
    else:
        own_groups = TravelGroup.objects.filter(members__external_id=external_id)
        met = TravelGroup.objects.filter(members__in=complete)
        near = near.filter(group__in=met).exclude(group__in=own_groups)
    return list(near.order_by("external_id").values_list("external_id", flat=True))


def _by_id(travellers: pd.DataFrame) -> pd.DataFrame:
    return travellers.set_index("external_id", drop=False) if len(travellers) else travellers


def _load_named_groups(groups: Mapping[str, int]) -> pd.DataFrame:
    """Groups by external id, described by all of their members; those without a trip too."""
    if not groups:
        return pd.DataFrame()
    members, keys = _members_of(groups.values()), list(groups.values())
    profiles = load_profiles(SeedUser.objects.filter(travel_groups__in=keys).distinct())
    trips = TravelSession.objects.live()
    budgets = trips.filter(user__travel_groups__in=keys).values_list("external_id", "budget")
    profiles = profiles.assign(budget=profiles["external_id"].map(dict(budgets)).astype("float64"))
    sessions = _with_everybody(_sessions(trips.filter(group__in=keys), "group_id"), groups)
    sessions["group_id"] = keys
    sessions["member_ids"] = [members.get(pk, []) for pk in keys]
    sessions["group_size"] = [float(len(members.get(pk, ()))) for pk in keys]
    return group_travellers(sessions, profiles, taught_lexicon())


def _with_everybody(sessions: pd.DataFrame, external_ids: Iterable[str]) -> pd.DataFrame:
    """Trips in the order of the ids; of who has none a row of which nothing is known."""
    found = sessions.set_index("external_id").reindex(pd.Index(external_ids, name="external_id"))
    found["interests"] = found["interests"].astype(object).where(found["interests"].notna(), None)
    return found.reset_index()


def _members_of(groups: Iterable[int]) -> dict[int, list[str]]:
    """Return group to the external ids of its members, in order."""
    members: dict[int, list[str]] = {}
    pairs = TravelGroup.members.through.objects.filter(travelgroup__in=list(groups))
    pairs = pairs.order_by("seeduser__external_id")
    for group, member in pairs.values_list("travelgroup_id", "seeduser__external_id"):
        members.setdefault(group, []).append(member)
    return members


def load_profiles(users: QuerySet[SeedUser]) -> pd.DataFrame:
    """Read profiles as a frame with PROFILE_COLUMNS, by external_id; what is not set is None or
    NaN."""
    fields = ["pk", *PROFILE_COLUMNS[1:]]
    rows = users.order_by("external_id").values_list(*fields)
    frame = _frame(rows, PROFILE_COLUMNS)
    for column in ("interests", "languages"):
        frame[column] = _nothing_as_none(frame[column])
    return _as_numbers(frame, ("age", "extraversion", "home_lat", "home_lon"))


def session_frame(rows: Iterable[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """Return trips as a frame; the columns hold external_id and SESSION_COLUMNS."""
    frame = _frame(rows, columns)
    frame["interests"] = _nothing_as_none(frame["interests"])
    for column in ("start_date", "end_date"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    return _as_numbers(frame, ("destination_lat", "destination_lon", "budget"))


def join_trips(sessions: pd.DataFrame, profiles: pd.DataFrame) -> pd.DataFrame:
    """One row per session; what a session says of interests goes before the profile."""
    people = profiles.rename(columns={"interests": "profile_interests"})
    joined = sessions.drop(columns="user_id").merge(people, on="external_id", how="left")
    own = joined["interests"].notna()
    joined["interests"] = joined["interests"].where(own, joined.pop("profile_interests"))
    return joined


def _sessions(sessions: QuerySet[TravelSession], owner: str) -> pd.DataFrame:
    columns = (owner, "external_id", *SESSION_COLUMNS)
    return session_frame(sessions.order_by("external_id").values_list(*columns), columns)


def _users_left_out(with_session: set[str]) -> list[LeftOut]:
    left_out = []
    incomplete = SeedUser.objects.incomplete()
    for user in incomplete.order_by("external_id").only("external_id", *PROFILE_FIELDS):
        left_out.append(LeftOut(user.external_id, INCOMPLETE, tuple(user.missing_fields)))
    complete = SeedUser.objects.complete().order_by("external_id")
    for external_id in complete.values_list("external_id", flat=True):
        if external_id not in with_session:
            left_out.append(LeftOut(external_id, NO_SESSION))
    return left_out


def _load_groups(profiles: pd.DataFrame) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Groups with a live session, described by those of their members whose profile is complete."""
    sessions = _sessions(TravelSession.objects.live().filter(group__isnull=False), "group_id")
    everybody = dict(TravelGroup.objects.order_by("external_id").values_list("external_id", "pk"))
    complete = set(profiles["external_id"])
    everyone = _members_of(everybody.values())
    members = {
        pk: known
        for pk, names in everyone.items()
        if (known := [n for n in names if n in complete])
    }
    with_session = set(sessions["external_id"])
    left_out = []
    for external_id, pk in everybody.items():
        if external_id not in with_session:
            left_out.append(LeftOut(external_id, NO_SESSION))
        elif pk not in members:
            left_out.append(LeftOut(external_id, NO_MEMBERS))
    sessions = sessions[sessions["group_id"].isin(list(members))].reset_index(drop=True)
    sessions["member_ids"] = [members[pk] for pk in sessions["group_id"]]
    sessions["group_size"] = [float(len(everyone[pk])) for pk in sessions["group_id"]]
    return group_travellers(sessions, profiles, taught_lexicon()), left_out


def _frame(rows: Iterable[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame.from_records(list(rows), columns=list(columns))


def _nothing_as_none(words: pd.Series) -> pd.Series:
    return pd.Series([value or None for value in words], index=words.index, dtype=object)


def _as_numbers(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    for column in columns:
        frame[column] = pd.to_numeric(frame[column]).astype("float64")
    return frame
