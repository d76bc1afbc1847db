"""Rows of files of feedback, each with its canonical JSON and as it came."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from feedback.domain.refusals import Problem
from feedback.domain.row_format import MAX_ROW_BYTES, OVERSIZED_KEY
from project.tabular.even import EvenRows
from project.tabular.own import BESIDE
from project.tabular.rows import EvenChunk, Limits, Row

_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\]')  # what JSON writes otherwise than it is
MAX_JSON_BYTES: Final = 256 * 1024 * 1024  # of a file that is one JSON value, which is read whole
LIMITS: Final = Limits(row_bytes=MAX_ROW_BYTES, json_bytes=MAX_JSON_BYTES)


class FileRow(NamedTuple):
    """One row: its canonical JSON, and the row itself, or why there is none.

    `came` is the row as the file has it, which is what is kept of a refused one.
    """

    raw: bytes
    decoded: dict[str, Any] | Problem
    came: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FileRows:
    """Rows as they land.

    Attributes
    ----------
    lines : where each stands in the file.
    raw : the canonical JSON of each: the same whatever the order of its keys was.
    decoded : each as the door takes it, or why it cannot be read.
    came : each as the file has it, which is what is kept of a refused one.
    """

    lines: Sequence[int]
    raw: Sequence[bytes]
    decoded: Sequence[dict[str, Any] | Problem]
    came: Sequence[Mapping[str, Any] | None]


def feedback_rows(
    came: Sequence[Row], mapped: Sequence[dict[str, Any] | None], origin: str = ""
) -> FileRows:
    """Return rows as they land; `mapped` has each in the form of the door, None where it cannot.

    A row that says another `origin` than it is asked for cannot be read.
    """
    if origin and not _are_of(mapped, origin):
        return _of_one_origin(came, mapped, origin)
    if isinstance(came, EvenChunk) and isinstance(mapped, EvenRows):
        raw = _even_json(mapped)
        if raw is not None:
            return FileRows(came.lines, raw, mapped, came.values)
    return _as_file_rows(
        came, [_canonical(row, values) for row, values in zip(came, mapped, strict=True)]
    )


def _are_of(mapped: Sequence[dict[str, Any] | None], origin: str) -> bool:
    if isinstance(mapped, EvenRows):
        return set(mapped.columns.get("origin", ())) <= {origin, None}
    return not any(_contradicts(row, origin) for row in mapped)


def _contradicts(row: Mapping[str, Any] | None, origin: str) -> bool:
    return row is not None and (row.get("origin") or origin) != origin


def _of_one_origin(
    came: Sequence[Row], mapped: Sequence[dict[str, Any] | None], origin: str
) -> FileRows:
    rows = []
    for row, values in zip(came, mapped, strict=True):
        one = _canonical(row, values)
        if values is not None and _contradicts(values, origin):
            said = f"Expected {origin} rows; this one says that it is {values['origin']}."
            one = one._replace(raw=said.encode() + one.raw, decoded=Problem(said))
        rows.append(one)
    return _as_file_rows(came, rows)


def _as_file_rows(came: Sequence[Row], rows: Sequence[FileRow]) -> FileRows:
    return FileRows(
        [row.line for row in came],
        [row.raw for row in rows],
        [row.decoded for row in rows],
        [row.came for row in rows],
    )


def _even_json(rows: EvenRows) -> list[bytes] | None:
    """Return the canonical JSON of rows; None where one needs a closer look.

    It is what orjson writes of each row with its keys in order, joined column by column.
    """
    parts: list[Any] = []  # texts, and arrays of texts
    for name in sorted(rows.columns):
        values = rows.columns[name]
        quote = '"' if _is_plain_text(values) else ""
        cells = values if quote else _as_json(values)
        if cells is None:
            return None
        try:
            column = pa.array(cells, pa.string())
        except UnicodeEncodeError:  # half a surrogate pair
            return None
        key = orjson.dumps(name).decode()
        parts += [f"{'' if parts else '{'}{key}:{quote}", column, f"{quote},"]
    if not parts:
        return None
    parts[-1] = parts[-1].removesuffix(",") + "}"
    joined = pc.binary_join_element_wise(*parts, "")
    longest = pc.max(pc.binary_length(joined)).as_py() or 0
    if longest > MAX_ROW_BYTES:
        return None
    found: list[bytes] = joined.cast(pa.binary()).to_pylist()
    return found


def _is_plain_text(values: Sequence[Any]) -> bool:
    """Whether a column is texts alone, which JSON writes as they are."""
    if set(map(type, values)) != {str}:
        return False
    text = "".join(values)
    # Most texts are known to have nothing to escape without looking at each character twice.
    return (text.isprintable() and '"' not in text and "\\" not in text) or not _ESCAPED.search(
        text
    )


def _as_json(values: Sequence[Any]) -> list[str] | None:
    """Return each value of a column as JSON; None where it holds objects, or what is no JSON."""
    kinds = set(map(type, values))
    if not kinds <= {str, int, float, bool, NoneType}:
        return None
    known: dict[Any, str] = {}
    try:
        # True and 1 are one key, and are not one value.
        for key in set(zip(map(type, values), values, strict=True)):
            known[key] = orjson.dumps(key[1]).decode()
    except orjson.JSONEncodeError:
        return None
    return [known[key] for key in zip(map(type, values), values, strict=True)]


def _canonical(row: Row, mapped: dict[str, Any] | None) -> FileRow:
    """Write a row the same way whatever the order of its keys was."""
    if row.reason == "oversized":
        return _oversized(row.line, row.size)
    if row.reason or row.values is None:
        said = row.text
        if row.reason in ("cells", "encoding"):
            said = f"{row.problem} {row.text.decode(errors='replace')}".encode()
        return FileRow(said[:MAX_ROW_BYTES], Problem(row.problem), row.values)
    values = row.values if mapped is None else mapped
    try:
        raw = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits
        said = repr(row.values).encode(errors="backslashreplace")[:MAX_ROW_BYTES]
        problem = "Expected whole numbers of 64 bits and text without halves of surrogate pairs."
        return FileRow(said, Problem(problem))
    if len(raw) > MAX_ROW_BYTES + (BESIDE if "origin" in values else 0):
        return _oversized(row.line, len(raw))
    return FileRow(raw, values, row.values)


def _oversized(line: int, size: int) -> FileRow:
    row = {OVERSIZED_KEY: size}
    # The line tells two such rows apart.
    return FileRow(orjson.dumps({**row, "line": line}), row)
