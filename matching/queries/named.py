"""The six named users and four groups: fixtures that people may edit before the first seeding."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypedDict

from matching.domain.profiles import clean_profile
from matching.models import TravelSession

FIXTURES: Final = Path(__file__).resolve().parent.parent / "fixtures"
USERS_FILE: Final = FIXTURES / "named_users.json"
GROUPS_FILE: Final = FIXTURES / "named_groups.json"


class InvalidFixture(Exception):
    """A fixture was edited into something that cannot be loaded; the message names the place."""


@dataclass(frozen=True)
class Trip:
    """The trip that fits a name, in days from the day it is planned."""

    destination_name: str
    destination_lat: float
    destination_lon: float
    budget: float
    starts_in_days: int
    days: int
    mode: str

    def apply(self, session: TravelSession, today: date) -> None:
        """Plan this trip in the session."""
        session.destination_name = self.destination_name
        session.destination_lat = self.destination_lat
        session.destination_lon = self.destination_lon
        session.budget = float(self.budget)
        session.start_date = today + timedelta(days=self.starts_in_days)
        session.end_date = session.start_date + timedelta(days=self.days)
        session.mode = self.mode


class NamedGroup(TypedDict):
    """A group of named users; `members` are their external ids."""

    external_id: str
    name: str
    members: list[str]


@lru_cache(maxsize=1)
def users() -> tuple[dict[str, Any], ...]:
    """Return the checked profiles of the named users, each with its external_id."""
    profiles = []
    for entry in _entries(USERS_FILE):
        cleaned, errors = clean_profile(entry)
        for name, message in errors.items():
            raise InvalidFixture(f"{USERS_FILE.name}, {entry['external_id']}, {name}: {message}")
        profiles.append({"external_id": entry["external_id"], **cleaned})
    return tuple(profiles)


@lru_cache(maxsize=1)
def groups() -> tuple[NamedGroup, ...]:
    """Return external_id, name and members (external ids) of the named groups."""
    return tuple(
        {"external_id": g["external_id"], "name": g["name"], "members": g["members"]}
        for g in _entries(GROUPS_FILE)
    )


@lru_cache(maxsize=1)
def trips() -> dict[str, Trip]:
    """Return the trips of named users and groups, by external id."""
    found = {}
    for file in (USERS_FILE, GROUPS_FILE):
        for entry in _entries(file):
            try:
                found[entry["external_id"]] = Trip(**entry["trip"])
            except TypeError as error:
                raise InvalidFixture(
                    f"{file.name}, {entry['external_id']}, trip: {error}."
                ) from error
    return found


def _entries(file: Path) -> list[dict[str, Any]]:
    try:
        entries: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        for entry in entries:
            entry["external_id"], entry["name"], entry["trip"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidFixture(
            f"{file.name}: expected a JSON list of objects with external_id, name and trip: "
            f"{error}."
        ) from error
    return entries
