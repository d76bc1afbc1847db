"""Refused rows: what is kept of them, how they are corrected, and the file that is mended and
imported again."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from project.tabular.out import csv_lines
from project.tabular.own import MARK

KEPT_BYTES: Final = 64 * 1024  # of a refused row; of a longer one only the beginning is kept
KEPT_TOTAL: Final = 256 * 1024 * 1024  # of refused rows that one import or run keeps whole
EXCERPT_LENGTH: Final = 200  # characters that lists show of a refused row
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
REASON: Final = "refused_because"  # columns that no door reads
LINE: Final = "refused_line"  # of a row that has no columns: how it stands in the file
UNREAD: Final = frozenset({REASON, LINE, MARK})
WHOLE: Final = ""  # in a correction, what the whole row should be where it has no columns

Came = dict[str, Any] | str


def storable(raw: bytes) -> str:
    """A row as text that can be stored; what cannot is a replacement character."""
    return raw.decode("utf-8", "replace").replace("\0", REPLACEMENT)


def excerpt_of(raw: bytes) -> str:
    """The beginning of a row as text that can be stored: no NUL, no broken UTF-8."""
    return storable(raw[: 4 * EXCERPT_LENGTH])[:EXCERPT_LENGTH]


def kept(raw: bytes, *, is_cut: bool, fits: bool = True) -> tuple[str, bool]:
    """Return what is kept of a row, and whether that is all of it, to the letter.

    Parameters
    ----------
    is_cut : whether `raw` is not all that stands in the file
    fits : whether there is room for all of it
    """
    fits = fits and len(raw) <= KEPT_BYTES
    text = storable(raw) if fits else excerpt_of(raw)
    was_replaced = REPLACEMENT in text and text.encode() != raw
    return text, fits and not is_cut and not was_replaced


def row_of(text: str) -> Came:
    """The columns of a row that is kept as JSON, or the text where it is no object.

    A name that stands twice is none: correcting another column would choose one of them.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            raise ValueError("a name stands twice")
        return row

    try:
        row = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return text
    return row if isinstance(row, dict) else text


def columns_of(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """The values of a row by column, those in objects by their path: `features.distanceScore`."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and value and "." not in name:
            found |= columns_of(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def as_text(value: Any) -> str:
    """A value as a person edits it."""
    if value is None or isinstance(value, str):
        return value or ""
    return orjson.dumps(value).decode()


def from_text(text: str, before: Any) -> Any:
    """What a person wrote in place of a value: text for text, else a number, a list and so on."""
    if before is None or isinstance(before, str):
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text or None
    # What the database takes for no JSON stays a text.
    is_storable = "\\u0000" not in text and value not in (math.inf, -math.inf)
    return value if is_storable else text


def corrected(row: Mapping[str, Any], correction: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the values of a correction; a path leads into objects that are there."""
    mended = dict(row)
    for name, value in correction.items():
        put(mended, name, value)
    return mended


def put(row: dict[str, Any], name: str, value: Any) -> None:
    """Set a value at a path of objects; an object on the way is copied, never changed."""
    head, _, rest = name.partition(".")
    if name in row or not rest or not isinstance(row.get(head, {}), dict):
        row[name] = value
        return
    inner = dict(row.get(head) or {})
    put(inner, rest, value)
    row[head] = inner


def mended(came: Came, correction: Mapping[str, Any], *, is_whole: bool) -> Came | None:
    """Return what is tried again of a refused row, None where that takes a correction first.

    Of a row that has no columns, or of which not all was kept, a correction is what it should be.
    """
    if WHOLE in correction:
        return str(correction[WHOLE])
    if not correction:
        return came if is_whole else None
    return corrected(came if isinstance(came, dict) else {}, correction)


def corrected_row(came: Came, correction: Mapping[str, Any], *, is_whole: bool) -> Came:
    """A refused row as it is given away: with its correction, else as it came."""
    found = mended(came, correction, is_whole=is_whole)
    return came if found is None else found


def as_csv(rows: Iterable[tuple[Came, str]], columns: Sequence[str]) -> Iterator[str]:
    """Yield rows and their reasons as lines of CSV; `columns` are all that any of them has.

    A row without columns stands in a column of its own, LINE.
    """
    names = [name for name in columns if name != REASON]
    yield from csv_lines(
        [*names, REASON],
        ([*(_cell(_named(row).get(name)) for name in names), reason] for row, reason in rows),
    )


def as_json_lines(rows: Iterable[tuple[Came, str]]) -> Iterator[str]:
    """Yield rows and their reasons as JSON Lines: objects stay objects."""
    for row, reason in rows:
        yield orjson.dumps({**_named(row), REASON: reason}).decode() + "\n"


def _named(row: Came) -> Mapping[str, Any]:
    return row if isinstance(row, dict) else {LINE: row}


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value
