"""Who is meant by a name, a present one or a former one, and by the number of an event."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from django.db.models import Q

from matching.models import PersonAlias, SeedUser, TravelGroup

CHUNK: Final = 10_000  # names of one question


def present_names(names: Iterable[str]) -> dict[str, str]:
    """Return former name to present one, of those of the names that are former ones."""
    asked = list(set(names))
    found: dict[str, str] = {}
    for start in range(0, len(asked), CHUNK):
        former = PersonAlias.objects.filter(external_id__in=asked[start : start + CHUNK])
        found.update(former.order_by().values_list("external_id", "person__external_id"))
    return found


def present_name(name: str) -> str:
    """Return the present name of who has, or had, a name; the name itself where nobody had it."""
    return present_names([name]).get(name, name)


def all_names(names: Iterable[str]) -> dict[str, set[str]]:
    """Return of those who ever were renamed or merged each name to all names of the person.

    Only people whom one of `names` finds; of the others nothing is said.
    """
    asked = set(names)
    owners = PersonAlias.objects.filter(external_id__in=asked).values("person")
    by_either = Q(person__in=owners) | Q(person__external_id__in=asked)
    rows = PersonAlias.objects.filter(by_either).order_by()
    of_person: dict[str, set[str]] = {}
    for former, present in rows.values_list("external_id", "person__external_id"):
        of_person.setdefault(present, {present}).add(former)
    return {name: together for together in of_person.values() for name in together}


def find_person(name: str) -> SeedUser | None:
    """Return who has, or had, this name."""
    return SeedUser.objects.filter(external_id=present_name(name)).first()


def numbers_by_name(names: Iterable[str]) -> dict[str, int]:
    """Return the number of the person whom each name, present or former, finds."""
    asked = set(names)
    found = dict(SeedUser.objects.filter(external_id__in=asked).values_list("external_id", "pk"))
    return found | numbers_of_former(asked)


def numbers_of_former(names: Collection[str]) -> dict[str, int]:
    """Return the number of the person whom each former name among these finds."""
    asked = sorted(names)
    found: dict[str, int] = {}
    for start in range(0, len(asked), CHUNK):
        former = PersonAlias.objects.filter(external_id__in=asked[start : start + CHUNK])
        found.update(former.order_by().values_list("external_id", "person_id"))
    return found


def merged_numbers() -> dict[int, int]:
    """Return the number of each record that was merged to that of the person it is now."""
    merged = PersonAlias.objects.filter(number__isnull=False).order_by()
    rows = merged.values_list("number", "person_id")
    return {number: person for number, person in rows if number is not None}


def who_has(name: str) -> str:
    """Say what has a name, in words that go on from “is”; empty where nothing has it."""
    person = find_person(name)
    if person is not None:
        if person.external_id == name:
            return "the name of another person"
        return f"a former name of {person.external_id}"
    has_group = TravelGroup.objects.filter(external_id=name).exists()
    return "the id of a group" if has_group else ""


def numbers_of(person: SeedUser) -> list[int]:
    """Return the numbers by which events know a person: the own one, and those that were merged."""
    own: Any = person.pk
    merged = person.aliases.filter(number__isnull=False).values_list("number", flat=True)
    return [own, *merged]
