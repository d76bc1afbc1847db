"""The doors that there are, by name: apps declare theirs, pages of mappings look them up.

And who can show rows of a table that is no file, by the kind of job that reads such tables.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from project.mappings.models import ImportMapping
from project.tabular.doors import Door

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class RowsOfSource:
    """First rows of the table that a mapping was proposed for, asked for anew each time.

    Attributes
    ----------
    fetch : returns so many rows as they came; raises a Refusal where they cannot be had.
    permission : of who may see them, beyond that to confirm the mapping.
    """

    fetch: Callable[[ImportMapping, int], Rows]
    permission: Callable[[ImportMapping], str]


_doors: dict[str, Door] = {}
_sources: dict[str, RowsOfSource] = {}


def add_doors(*doors: Door) -> None:
    """Make doors known by their names."""
    for door in doors:
        _doors[door.name] = door


def door_named(name: str) -> Door | None:
    """Return a door; None where no app declares it any more."""
    return _doors.get(name)


def add_rows_of_source(kind: str, rows: RowsOfSource) -> None:
    """Say how rows of tables are shown that a kind of job reads."""
    _sources[kind] = rows


def rows_of_source(kind: str) -> RowsOfSource | None:
    """Return how rows are shown of the tables of a kind; None where they came in a file."""
    return _sources.get(kind)
