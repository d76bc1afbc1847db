"""The doors that there are, by name: apps declare theirs, pages of mappings look them up."""

from project.tabular.doors import Door

_doors: dict[str, Door] = {}


def add_doors(*doors: Door) -> None:
    """Make doors known by their names."""
    for door in doors:
        _doors[door.name] = door


def door_named(name: str) -> Door | None:
    """Return a door; None where no app declares it any more."""
    return _doors.get(name)
