"""Records for tests, valid by default; each call makes one, keywords change it."""

import json
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from feedback.domain.door import DOORS
from matching.models import (
    ProfileImport,
    RefusedProfile,
    SeedUser,
    TravelGroup,
    TravelSession,
    Word,
)
from project import clock
from project.mappings.models import ImportMapping
from project.mappings.services import keep_proposal
from project.origin import Origin
from project.removal.models import Receipt
from project.tabular.mapping import ColumnMap, Mapper, TableMapping
from project.tabular.proposing import Asked, propose
from project.tabular.survey import Survey
from serving.models import Alarm, ApiKey
from serving.services.keys import issue_key

_numbers = count(1)

COMPLETE_PROFILE: dict[str, Any] = {
    "age": 29,
    "gender": "female",
    "personality": "extrovert",
    "extraversion": 0.8,
    "interests": ["food", "hiking", "history"],
    "languages": ["english", "german"],
    "home_city": "Berlin",
    "home_lat": 52.52,
    "home_lon": 13.4,
    "smoking": "no",
    "drinking": "occasionally",
    "religion": "none",
    "nationality": "german",
    "profession": "engineer",
}
LISBON = {"destination_name": "Lisbon", "destination_lat": 38.72, "destination_lon": -9.13}


def make_seed_user(external_id: str = "", **fields: Any) -> SeedUser:
    """Make a user with a complete profile."""
    values = {**COMPLETE_PROFILE, "origin": Origin.SYNTHETIC.code, **fields}
    user = SeedUser(external_id=external_id or f"seed_test_{next(_numbers):05d}", **values)
    user.save()
    user.refresh_from_db()  # completeness is the database's to compute
    return user


def make_group(external_id: str = "", members: list[SeedUser] | None = None) -> TravelGroup:
    """Make a group, of two new users unless members are given."""
    group = TravelGroup.objects.create(
        external_id=external_id or f"group_test_{next(_numbers):04d}",
        name="A test group",
        origin=Origin.SYNTHETIC.code,
    )
    group.members.set([make_seed_user(), make_seed_user()] if members is None else members)
    return group


def make_session(owner: SeedUser | TravelGroup | None = None, **fields: Any) -> TravelSession:
    """Make a record of a live session; nothing is written to Valkey."""
    owner = owner or make_seed_user()
    is_group = isinstance(owner, TravelGroup)
    start = timezone.localdate() + timedelta(days=10)
    values: dict[str, Any] = {
        "external_id": owner.external_id,
        "user": None if is_group else owner,
        "group": owner if is_group else None,
        "origin": Origin.SYNTHETIC.code,
        **LISBON,
        "budget": 1500.0,
        "start_date": start,
        "end_date": start + timedelta(days=7),
        "mode": TravelSession.Mode.GROUP if is_group else TravelSession.Mode.SOLO,
        "interests": ["food", "museums"],
        "expires_at": timezone.now() + timedelta(days=7),
    }
    return TravelSession.objects.create(**{**values, **fields})


def make_word(word: str = "parkour", meaning: str = "", *, kind: str = "interest") -> Word:
    """Teach a word, of its own unless it means another."""
    return Word.objects.create(kind=kind, word=word, meaning=meaning)


def make_api_key(name: str = "shop") -> ApiKey:
    """Make the key of an application; nobody has its token."""
    key = ApiKey(name=name, scopes=["score"])
    issue_key(key)
    return key


def make_mapping(*, is_confirmed: bool = False, table: str = "quality_feedback") -> ImportMapping:
    """Propose how a table of stars is read, from three of its rows."""
    door = DOORS[table]
    rows = [
        {"id": f"r{stars}", "stars": stars, "comment": "so so", "created_at": "2026-05-01T10:00Z"}
        for stars in (1, 3, 5)
    ]
    survey = Survey(door)
    survey.add(rows)
    proposal = propose(door, survey, Asked())
    after = Mapper(door, proposal.mapping).apply(rows)
    preview = [{"before": one, "after": two} for one, two in zip(rows, after, strict=True)]
    return keep_proposal(
        door, list(survey.columns), proposal, preview=preview, file_name="stars.csv",
        kind="feedback.import_feedback", arguments={"table": table}, is_confirmed=is_confirmed,
    )  # fmt: skip


def make_refused_profile(file_name: str = "people.csv", **values: str) -> RefusedProfile:
    """Refuse a row of a file of people, of which the age is at fault."""
    row = {"id": "user7", "age": "old", "hobbies": "food, hiking", **values}
    fields = ("external_id", "age", "interests")
    columns = tuple(ColumnMap(*pair) for pair in zip(fields, row, strict=False))
    file = ProfileImport.objects.create(
        upload=uuid4(), file_name=file_name, is_csv=True, origin=Origin.REAL.value,
        mapping=TableMapping("matching.people", columns).as_dict(),
    )  # fmt: skip
    return RefusedProfile.objects.create(
        source=file, line=3, external_id=row["id"], reason="unusable", field="age",
        message=f"age: Expected a whole number of years from 18 to 100, got {row['age']!r}.",
        text=json.dumps(row), is_whole=True,
    )  # fmt: skip


def make_staff(*permissions: str, name: str = "") -> User:
    """Make somebody who may enter the admin (`force_login`), with permissions `app.codename`."""
    user = User.objects.create_user(name or f"staff_{next(_numbers)}", is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def make_admin() -> User:
    """Make somebody who may do everything."""
    return User.objects.create_superuser(f"admin_{next(_numbers)}")


def write_poor_log(path: Path, *, events: int = 232, distinct: int = 113) -> Path:
    """Write a log as production wrote them: distinct events, few distinct vectors, many 0.5.

    With the defaults 119 of 232 rows (51 %) are copies: the same two people and feature vector as
    an earlier one. Every event has its own time, so that all of them are different events. Labels
    go with the features, but for every fifth event.
    """
    tiers = {
        "distanceScore": (1.0, 0.95, 0.85),
        "dateOverlapScore": (1.0, 0.9, 0.8),
        "budgetScore": (1.0, 0.8, 0.6),
        "interestScore": (0.5, 0.53, 0.7),
    }
    lines = []
    for number in range(events):
        pair = vector = number % distinct
        features = {}
        for name, scores in tiers.items():
            vector, digit = divmod(vector, 3)
            features[name] = scores[digit]
        features["languageScore"] = (1.0, 0.7)[vector % 2]
        features["ageScore"] = features["personalityScore"] = features["lifestyleScore"] = 0.5
        features["destination_interest"] = round(
            features["distanceScore"] * features["interestScore"], 4
        )
        features["date_budget"] = round(features["dateOverlapScore"] * features["budgetScore"], 4)
        likes = (features["date_budget"] > 0.7) != (number % 5 == 0)
        outcome = ("accept", "chat")[number % 2] if likes else ("ignore", "unmatch")[number % 2]
        event = {
            "matchType": "user_user",
            "features": features,
            "outcome": outcome,
            "label": int(likes),
            "preset": "balanced",
            "timestamp": 1_735_689_600_000 + 61_000 * number,
            "source": "real",
            "userId": f"app_user_{pair % 40}",
            "targetId": f"app_user_{40 + pair % 57}",
        }
        lines.append(f"[ML_MATCH_EVENT] {json.dumps(event)}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def make_receipt(**fields: Any) -> Receipt:
    """What is left of a batch that was removed."""
    told = {
        "thing": "batch",
        "number": 7,
        "title": "Batch 7",
        "counts": {"batch": 1, "match event": 4_000, "rejected line": 12},
        "digests": {"log": "0" * 64, "people": "1" * 64},
        "stale": ["Dataset match_compatibility/2 keeps its own rows and cannot be built again."],
        "why": "the wrong export",
        "actor": "somebody",
        "asked_at": clock.now(),
    }
    return Receipt.objects.create(**{**told, **fields})


def make_alarm(subject: str = "age_score", **fields: Any) -> Alarm:
    """An input that is missing more often than in training, with what to do."""
    told = {
        "text": f"{subject} is missing in 60.0 % of the last 50 visits.",
        "remedy": "See what production has with `manage.py monitor_scores`.",
        "numbers": {"share": 0.6, "visits": 50, "expected": 0.05},
    }
    known = {"kind": Alarm.Kind.MISSING, "subject": subject}
    return Alarm.objects.create(**{**known, **told, **fields})
