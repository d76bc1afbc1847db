"""Records for tests, valid by default; each call makes one, keywords change it."""

from datetime import timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from matching.models import SeedUser, Source, TravelGroup, TravelSession

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
    values = {**COMPLETE_PROFILE, "source": Source.SYNTHETIC, **fields}
    user = SeedUser(external_id=external_id or f"seed_test_{next(_numbers):05d}", **values)
    user.save()
    user.refresh_from_db()  # completeness is the database's to compute
    return user


def make_group(external_id: str = "", members: list[SeedUser] | None = None) -> TravelGroup:
    """Make a group, of two new users unless members are given."""
    group = TravelGroup.objects.create(
        external_id=external_id or f"group_test_{next(_numbers):04d}",
        name="A test group",
        source=Source.SYNTHETIC,
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
        "source": Source.SYNTHETIC,
        **LISBON,
        "budget": 1500.0,
        "start_date": start,
        "end_date": start + timedelta(days=7),
        "mode": TravelSession.Mode.GROUP if is_group else TravelSession.Mode.SOLO,
        "interests": ["food", "museums"],
        "expires_at": timezone.now() + timedelta(days=7),
    }
    return TravelSession.objects.create(**{**values, **fields})


def make_staff(*permissions: str, name: str = "") -> User:
    """Make somebody who may enter the admin, with these permissions (`app.codename`)."""
    user = User.objects.create_user(
        name or f"staff_{next(_numbers)}", password="a long test password", is_staff=True
    )
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def make_admin() -> User:
    """Make somebody who may do everything."""
    return User.objects.create_superuser(f"admin_{next(_numbers)}", password="a long test password")
