"""Rows of files of profiles, with their line numbers and what is wrong with them already."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

from project.origin import Origin
from project.tabular import rows as tabular
from project.tabular.rows import Limits

MAX_BYTES: Final = 50 * 1024 * 1024
MAX_CELL: Final = 10_000  # characters; a cell of interests has a few hundred
LIMITS: Final = Limits(row_bytes=1024 * 1024, json_bytes=MAX_BYTES, rows=1_000_000)

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL takes neither NUL nor half a character


@dataclass(frozen=True)
class Row:
    """One profile of a file.

    line : line of the file where it begins, from 1
    values : column to value, as it stands in the file
    problems : column to what is wrong with it already; "row" for the row as a whole
    chunk, place : the rows of the file that it came with, and which of them it was
    """

    line: int
    values: Mapping[str, Any]
    problems: Mapping[str, str]
    chunk: Sequence[tabular.Row] = field(default=(), repr=False, compare=False)
    place: int = field(default=0, repr=False, compare=False)

    @property
    def came(self) -> tabular.Row:
        """The row as the file has it."""
        return self.chunk[self.place]


def profile_rows(came: Sequence[tabular.Row], mapped: Sequence[dict[str, Any] | None]) -> list[Row]:
    """Return profiles as they are checked: each as the door has it, None for what it cannot read.

    One without an id is given one made from what it holds: the same profile is the same person.
    """
    return [
        replace(_profile_row(row, values), chunk=came, place=place)
        for place, (row, values) in enumerate(zip(came, mapped, strict=True))
    ]


def id_of(values: Mapping[str, Any]) -> str:
    """Return the external id of a profile, empty where it has none."""
    return str(values.get("external_id") or "").strip()


def first_rows(rows: Sequence[Row]) -> dict[str, Row]:
    """Return external id to the row where a file names it first."""
    seen: dict[str, Row] = {}
    for row in rows:
        seen.setdefault(id_of(row.values), row)
    return seen


def origin_said(values: Mapping[str, Any]) -> str:
    """Return what a profile says that it is, real or synthetic; empty where it says neither.

    A column of that name may hold anything else, such as where somebody comes from.
    """
    said = str(values.get("origin") or "").strip().lower()
    if said.startswith(Origin.SYNTHETIC.value):
        return Origin.SYNTHETIC.value  # "synthetic_v2" must not pass for real
    return said if said == Origin.REAL.value else ""


def _profile_row(found: tabular.Row, mapped: Mapping[str, Any] | None) -> Row:
    if mapped is None:
        return Row(found.line, found.values or {}, {"row": found.problem})
    problems = {}
    for name, content in mapped.items():
        if isinstance(content, str) and len(content) > MAX_CELL:
            problems[name] = f"Expected at most {MAX_CELL:,} characters, got {len(content):,}."
    row = _storable_row(found.line, mapped, problems)
    return row if "external_id" in mapped else replace(row, values=_named(row.values))


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """A profile with an id that is made from what it holds."""
    said = {name: value for name, value in values.items() if name != "origin"}
    written = json.dumps(said, sort_keys=True, default=str).encode()
    return {**values, "external_id": f"row-{blake2b(written, digest_size=8).hexdigest()}"}


def _storable_row(line: int, values: Mapping[str, Any], problems: dict[str, str]) -> Row:
    """A row without what no database can take: its error report is stored as well."""
    broken = dict.fromkeys(
        (name for name, content in values.items() if _is_unstorable(content)),
        "Expected text without NUL and broken characters.",
    )
    return Row(
        line,
        {name: content for name, content in values.items() if name not in broken},
        {
            _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", k): v
            for k, v in (problems | broken).items()
        },
    )


def _is_unstorable(content: Any) -> bool:
    if isinstance(content, list):
        return any(_is_unstorable(item) for item in content)
    return isinstance(content, str) and _UNSTORABLE.search(content) is not None
