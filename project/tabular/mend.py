"""Refused rows as a file of the kind that they came in, each with its reason: it is mended and
imported again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from project.tabular.out import csv_lines

REASON: Final = "refused_because"  # a column that no door reads


def as_csv(rows: Iterable[tuple[Mapping[str, Any], str]], columns: Sequence[str]) -> Iterator[str]:
    """Yield rows and their reasons as lines of CSV; `columns` are all that any of them has."""
    names = [name for name in columns if name != REASON]
    yield from csv_lines(
        [*names, REASON],
        ([*(_cell(row.get(name)) for name in names), reason] for row, reason in rows),
    )


def as_json_lines(rows: Iterable[tuple[Mapping[str, Any], str]]) -> Iterator[str]:
    """Yield rows and their reasons as JSON Lines: objects stay objects."""
    for row, reason in rows:
        yield orjson.dumps({**row, REASON: reason}).decode() + "\n"


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value
