"""Features of a log that says only who, about whom, what and when: of the people as they are now.

Who is known is found by id. Profiles are those of this moment. A trip is the one that the history
of the session has for the time of the event; where that history begins later, nothing is known of
then and the trip of this moment stands in. Where there is no trip its inputs are missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.features.compute import compute_features
from matching.domain.features.names import FEATURE_NAMES
from matching.domain.groups import group_travellers
from matching.domain.log.format import EventColumns
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import MatchType
from matching.models import SeedUser, TravelGroup, TravelSession
from matching.queries.identity import all_names, present_names
from matching.queries.travellers import SESSION_COLUMNS, join_trips, load_profiles, session_frame
from project import clock

OF_THEN: Final = "of the time of the event"
OF_NOW: Final = "of the day of the import"
NONE: Final = "not known"
# By how little is known: that of a pair is the least of its two sides.
TRIPS: Final = (OF_THEN, OF_NOW, NONE)

_MS_BITS: Final = 43  # of a moment in milliseconds since 1970, until the year 2248


@dataclass(frozen=True)
class ComputedFeatures:
    """What is known of n events without features.

    features : float32 (n, 13), columns as FEATURE_NAMES; NaN missing, and all of a stranger's
    is_known : bool (n,), True where both are known by id
    trips : int8 (n,), places in TRIPS; of strangers the last
    """

    features: npt.NDArray[np.float32]
    is_known: npt.NDArray[np.bool_]
    trips: npt.NDArray[np.int8]

    def count_trips(self, rows: npt.NDArray[np.int64]) -> dict[str, int]:
        """Count the trips of known people among some rows."""
        rows = rows[self.is_known[rows]]
        counts = np.bincount(self.trips[rows], minlength=len(TRIPS))
        return {name: int(count) for name, count in zip(TRIPS, counts, strict=True) if count}


def compute_logged(events: EventColumns, feature_set: str) -> ComputedFeatures:
    """Compute the features of events from the people they name, as of this moment."""
    users, partners, groups = (events.ids[name] for name in ("userId", "targetId", "groupId"))
    is_group = events.match_type == MatchType.USER_GROUP.code
    people = _People({*users, *partners} - {None}, set(groups) - {None})
    moments = events.occurred_ms
    left = people.find_users(users, moments)
    features = np.full((len(events), len(FEATURE_NAMES)), np.nan, np.float32)
    is_known = np.zeros(len(events), np.bool_)
    trips = np.full(len(events), len(TRIPS) - 1, np.int8)
    for match_type, mask in ((MatchType.USER_USER, ~is_group), (MatchType.USER_GROUP, is_group)):
        if not mask.any():
            continue
        right = (
            people.find_users(partners, moments)
            if match_type is MatchType.USER_USER
            else people.find_groups(groups, moments)
        )
        rows = np.flatnonzero(mask & left.is_known & right.is_known)
        if not len(rows):
            continue
        is_known[rows] = True
        trips[rows] = np.maximum(left.trips[rows], right.trips[rows])
        a, a_index = left.frame_of(rows)
        b, b_index = right.frame_of(rows)
        vocabulary = Vocabulary.of(a, b)
        block = compute_features(
            Travellers.from_frame(a, vocabulary),
            Travellers.from_frame(b, vocabulary),
            feature_set,
            match_type,
            left_index=a_index,
            right_index=b_index,
        )
        features[rows] = np.where(block.missing, np.float32(np.nan), block.values)
    return ComputedFeatures(features, is_known, trips)


class _Side:
    """One side of the events: which traveller on which trip each row has."""

    def __init__(
        self,
        people: "_People",
        *,
        is_group: bool,
        owners: npt.NDArray[np.int64],
        versions: npt.NDArray[np.int64],
        trips: npt.NDArray[np.int8],
    ) -> None:
        self._people, self._is_group = people, is_group
        self._owners, self._versions = owners, versions
        self.is_known = owners >= 0
        self.trips = trips

    def frame_of(self, rows: npt.NDArray[np.int64]) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
        """Return a travellers frame of those that some rows have, and the place of each row."""
        both = np.column_stack([self._owners[rows], self._versions[rows]])
        used, places = np.unique(both, axis=0, return_inverse=True)
        make = self._people.group_frame if self._is_group else self._people.user_frame
        return make(used[:, 0], used[:, 1]), places.reshape(-1)


class _Trips:
    """Every trip that travellers are known to have had, and when each was planned.

    A trip is planned from the moment its version was written until the next one was, or it ran out.
    """

    def __init__(self, names: Iterable[str]) -> None:
        travellers = sorted(names)
        self.names = {name: place for place, name in enumerate(travellers)}
        # The history of a trip has the name that its traveller had when it was written.
        for together in all_names(travellers).values():
            place = next(self.names[name] for name in together if name in self.names)
            self.names |= dict.fromkeys(together, place)
        wanted = sorted(self.names)
        now = clock.now()
        rows: list[tuple[Any, ...]] = []
        columns = ("external_id", "history_date", "history_type", "expires_at", *SESSION_COLUMNS)
        history = TravelSession.history.filter(external_id__in=wanted)
        written = history.order_by("external_id", "history_date", "history_id")
        rows = list(written.values_list(*columns))
        with_history = {row[0] for row in rows}
        present = TravelSession.objects.filter(external_id__in=wanted)
        columns = ("external_id", "created_at", "expires_at", "expires_at", *SESSION_COLUMNS)
        live: dict[str, tuple[Any, ...]] = {}
        for row in present.order_by("external_id").values_list(*columns):
            version = (row[0], row[1], "+", *row[3:])
            if row[0] not in with_history:
                rows.append(version)
            if row[3] > now:
                live[row[0]] = version
        rows.sort(key=lambda row: (self.names[row[0]], row[1]))  # stable: as they were written
        rows += live.values()
        own = len(rows) - len(live)
        self.frame = session_frame(
            [("", row[0], *row[4:]) for row in rows], ("owner", "external_id", *SESSION_COLUMNS)
        )
        codes = np.array([self.names[row[0]] for row in rows], np.int64)
        since = np.array([_milliseconds(row[1]) for row in rows], np.int64)
        until = np.array([_milliseconds(row[3]) if row[2] != "-" else 0 for row in rows], np.int64)
        self._codes, self._until = codes[:own], until[:own]
        self._keys = (codes[:own] << _MS_BITS) | since[:own]
        self._live = np.full(len(travellers) + 1, -1, np.int64)
        self._live[codes[own:]] = np.arange(own, len(rows))

    def at(
        self, owners: npt.NDArray[np.int64], moments: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
        """Return the row of `frame` that each owner had at a moment (-1: none), and what it is."""
        count = len(owners)
        if not len(self._keys):
            versions = self._live[owners]
            return versions, np.where(versions >= 0, 1, 2).astype(np.int8)
        found = np.searchsorted(self._keys, (owners << _MS_BITS) | moments, side="right") - 1
        place = np.maximum(found, 0)
        is_told = (found >= 0) & (self._codes[place] == owners)
        is_planned = is_told & (moments < self._until[place])
        versions = np.where(is_planned, place, -1)
        versions = np.where(is_told, versions, self._live[owners])
        trips = np.full(count, 2, np.int8)
        trips[versions >= 0] = 1
        trips[is_planned] = 0
        return versions, trips


class _People:
    """The users and groups that a stretch of a log names, and their trips."""

    def __init__(self, users: set[Any], groups: set[Any]) -> None:
        found = TravelGroup.objects.filter(external_id__in=groups)
        self._groups = dict(found.order_by("external_id").values_list("external_id", "pk"))
        members = TravelGroup.members.through.objects.filter(
            travelgroup_id__in=self._groups.values()
        ).order_by("seeduser__external_id")
        self._members: dict[int, list[str]] = {}
        for group, member in members.values_list("travelgroup_id", "seeduser__external_id"):
            self._members.setdefault(group, []).append(member)
        former = present_names(users)
        users = {former.get(name, name) for name in users}
        named = users.union(*self._members.values()) if self._members else users
        self._profiles = load_profiles(SeedUser.objects.filter(external_id__in=named))
        self._user_names: list[str] = self._profiles["external_id"].tolist()
        self._users = {name: place for place, name in enumerate(self._user_names)}
        self._users |= {name: self._users[now] for name, now in former.items()}
        self._group_names = list(self._groups)
        self._group_places = {name: place for place, name in enumerate(self._group_names)}
        self._user_trips = _Trips(self._user_names)
        self._group_trips = _Trips(self._group_names)

    def find_users(self, names: list[str | None], moments: npt.NDArray[np.int64]) -> _Side:
        """Return the users of a column."""
        return self._find(self._users, self._user_trips, names, moments, is_group=False)

    def find_groups(self, names: list[str | None], moments: npt.NDArray[np.int64]) -> _Side:
        """Return the groups of a column."""
        return self._find(self._group_places, self._group_trips, names, moments, is_group=True)

    def _find(
        self,
        places: dict[str, int],
        planned: _Trips,
        names: list[str | None],
        moments: npt.NDArray[np.int64],
        *,
        is_group: bool,
    ) -> _Side:
        owners = np.array([-1 if n is None else places.get(n, -1) for n in names], np.int64)
        rows = np.flatnonzero(owners >= 0)
        versions = np.full(len(names), -1, np.int64)
        trips = np.full(len(names), 2, np.int8)
        if len(rows):
            versions[rows], trips[rows] = planned.at(owners[rows], moments[rows])
        return _Side(self, is_group=is_group, owners=owners, versions=versions, trips=trips)

    def user_frame(
        self, owners: npt.NDArray[np.int64], versions: npt.NDArray[np.int64]
    ) -> pd.DataFrame:
        """Return a travellers frame with a row for each owner on a trip."""
        names = [self._user_names[owner] for owner in owners]
        return join_trips(_planned(self._user_trips, versions, names), self._profiles)

    def group_frame(
        self, owners: npt.NDArray[np.int64], versions: npt.NDArray[np.int64]
    ) -> pd.DataFrame:
        """Return a travellers frame with a row for each group on a trip; members are as now."""
        names = [self._group_names[owner] for owner in owners]
        sessions = _planned(self._group_trips, versions, names)
        members = [self._members.get(self._groups[name], []) for name in names]
        sessions["member_ids"] = members
        sessions["group_size"] = [float(len(one)) for one in members]
        live = TravelSession.objects.live().filter(user__external_id__in=self._user_names)
        budgets = dict(live.values_list("external_id", "budget"))
        profiles = self._profiles.assign(
            budget=self._profiles["external_id"].map(budgets).astype("float64")
        )
        return group_travellers(sessions, profiles)


def _planned(trips: _Trips, versions: npt.NDArray[np.int64], names: list[str]) -> pd.DataFrame:
    """Return a row of trips for each name; of -1 nothing is known."""
    frame = trips.frame.reindex(versions).reset_index(drop=True)
    frame["interests"] = frame["interests"].astype(object).where(frame["interests"].notna(), None)
    return frame.drop(columns="owner").assign(external_id=names, user_id=None)


def _milliseconds(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
