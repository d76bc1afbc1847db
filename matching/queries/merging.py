"""What comes of it when two records of one person become one."""

from typing import Any, Final, TypedDict

from django.db.models import Q

from matching.models import PROFILE_FIELDS, SeedUser, TravelGroup
from matching.queries.identity import numbers_of
from matching.queries.person import newest_events
from project.origin import Origin
from project.refusal import Refusal

# What is taken together or not at all: each says what the others mean.
TOGETHER: Final = (("personality", "extraversion"), ("home_city", "home_lat", "home_lon"))
UNITS: Final = (
    ("name",),
    ("archetype",),
    *TOGETHER,
    *((name,) for name in PROFILE_FIELDS if not any(name in unit for unit in TOGETHER)),
)
_EMPTY: Final[tuple[Any, ...]] = (None, "", [])


class Side(TypedDict):
    """What one of the two has."""

    number: int
    external_id: str
    title: str
    origin: str
    set: int
    trip: str
    groups: list[str]
    former_names: list[str]


class Field(TypedDict):
    """A field of the profile in which the two differ: what each says, and whose stays."""

    name: str
    keep: Any
    gone: Any
    taken: bool


class MergePlan(TypedDict):
    """What a merge would do.

    fields : those in which the two differ; `taken` of those that are filled from who goes
    trip : kept, moved (who stays has none), or none; `trip_ends` where that of who goes ends
    groups_joined : groups in which who stays takes the place of who goes
    groups_shared : groups in which both are members; who stays remains one
    former_names : names that find who stays from then on
    events : events that name who goes, among the newest `events_looked_at`
    events_of_both : events of the pair of the two, which stay in their batches and in no dataset
    events_are_all : whether these are all that there are
    """

    keep: Side
    gone: Side
    fields: list[Field]
    trip: str
    trip_ends: bool
    groups_joined: list[str]
    groups_shared: list[str]
    former_names: list[str]
    events: int
    events_of_both: int
    events_looked_at: int
    events_are_all: bool


def plan_merge(keep: SeedUser, gone: SeedUser) -> MergePlan:
    """Return what a merge would do; nothing is done.

    Raises
    ------
    Refusal
        For one person twice, and for a real person and a synthetic one.
    """
    require_mergeable(keep, gone)
    sides = _side(keep), _side(gone)
    shared = sorted(set(sides[0]["groups"]) & set(sides[1]["groups"]))
    has_trip = [bool(side["trip"]) for side in sides]
    taken = taken_fields(keep, gone)
    return {
        "keep": sides[0],
        "gone": sides[1],
        "fields": [
            {
                "name": name,
                "keep": getattr(keep, name),
                "gone": getattr(gone, name),
                "taken": name in taken,
            }
            for unit in UNITS
            for name in unit
            if getattr(keep, name) != getattr(gone, name)
        ],
        "trip": "kept" if has_trip[0] else "moved" if has_trip[1] else "none",
        "trip_ends": all(has_trip),
        "groups_joined": [name for name in sides[1]["groups"] if name not in shared],
        "groups_shared": shared,
        "former_names": sorted([gone.external_id, *sides[1]["former_names"]]),
        **_events(keep, gone),  # type: ignore[typeddict-item]
    }


def require_mergeable(keep: SeedUser, gone: SeedUser) -> None:
    """Refuse one person twice, and a real person with a synthetic one."""
    if keep.pk == gone.pk:
        raise Refusal(
            f"{keep.external_id} is one person already.", remedy="Name two different people."
        )
    if keep.origin != gone.origin:
        real, drawn = (keep, gone) if keep.origin == Origin.REAL.code else (gone, keep)
        raise Refusal(
            f"{real.external_id} is a real person and {drawn.external_id} a synthetic one: they "
            "are never merged, because what was drawn would stand there as real.",
            remedy="Rename the real person, or delete the synthetic one.",
        )


def taken_fields(keep: SeedUser, gone: SeedUser) -> dict[str, Any]:
    """Return the fields that who stays lacks and who goes has; what is set stays."""
    taken: dict[str, Any] = {}
    for unit in UNITS:
        given = {name: getattr(gone, name) for name in unit}
        if any(value in _EMPTY for name, value in given.items() if name != "home_city"):
            continue
        own = {name: getattr(keep, name) for name in unit}
        # A city without coordinates is no home yet; another city's are none of it.
        is_free = all(
            value in _EMPTY or (name == "home_city" and value == given[name])
            for name, value in own.items()
        )
        if is_free:
            taken |= {name: value for name, value in given.items() if value != own[name]}
    return taken


def _side(user: SeedUser) -> Side:
    session = getattr(user, "session", None)
    groups = TravelGroup.objects.filter(members=user).order_by("external_id")
    return {
        "number": user.pk,
        "external_id": user.external_id,
        "title": user.title,
        "origin": user.get_origin_display(),
        "set": len(PROFILE_FIELDS) - len(user.missing_fields),
        "trip": "" if session is None else session.place,
        "groups": list(groups.values_list("external_id", flat=True)),
        "former_names": list(user.aliases.values_list("external_id", flat=True)),
    }


def _events(keep: SeedUser, gone: SeedUser) -> dict[str, Any]:
    """Count the events of who goes in the newest complete batches, in bounded time."""
    events, looked_at, is_all = newest_events()
    ours, theirs = numbers_of(keep), numbers_of(gone)
    of_both = Q(user_id__in=ours, target_id__in=theirs) | Q(user_id__in=theirs, target_id__in=ours)
    return {
        "events": events.filter(Q(user_id__in=theirs) | Q(target_id__in=theirs)).count(),
        "events_of_both": events.filter(of_both).count(),
        "events_looked_at": looked_at,
        "events_are_all": is_all,
    }
