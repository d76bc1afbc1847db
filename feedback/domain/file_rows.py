"""Rows of files of feedback, each with its canonical JSON and as it came."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from feedback.domain.refusals import Problem
from feedback.domain.row_format import MAX_ROW_BYTES, OVERSIZED_KEY
from project.tabular.rows import Limits, Row

MAX_JSON_BYTES: Final = 256 * 1024 * 1024  # of a file that is one JSON value, which is read whole
LIMITS: Final = Limits(row_bytes=MAX_ROW_BYTES, json_bytes=MAX_JSON_BYTES)


class FileRow(NamedTuple):
    """One row: where it stands, its canonical JSON, and the row itself, None when unreadable.

    `problem` says why it is unreadable: what was expected and what came. `came` is the row as the
    file has it, which is what is kept of a refused one.
    """

    line: int
    raw: bytes
    row: dict[str, Any] | None
    problem: str = ""
    came: Mapping[str, Any] | None = None

    @property
    def decoded(self) -> dict[str, Any] | Problem:
        """The row, or why there is none."""
        return Problem(self.problem) if self.row is None else self.row


def feedback_rows(came: Sequence[Row], mapped: Mapping[int, dict[str, Any]]) -> list[FileRow]:
    """Return rows as they land: those in `mapped`, by their place, in the form of the door."""
    return [_canonical(row, mapped.get(place)) for place, row in enumerate(came)]


def _canonical(row: Row, mapped: dict[str, Any] | None) -> FileRow:
    """Write a row the same way whatever the order of its keys was."""
    if row.reason == "oversized":
        return _oversized(row.line, row.size, row.problem)
    if row.reason or row.values is None:
        said = row.text
        if row.reason in ("cells", "encoding"):
            said = f"{row.problem} {row.text.decode(errors='replace')}".encode()
        return FileRow(row.line, said[:MAX_ROW_BYTES], None, row.problem, row.values)
    values = row.values if mapped is None else mapped
    try:
        raw = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits
        said = repr(row.values).encode(errors="backslashreplace")[:MAX_ROW_BYTES]
        problem = "Expected whole numbers of 64 bits and text without halves of surrogate pairs."
        return FileRow(row.line, said, None, problem)
    if len(raw) > MAX_ROW_BYTES:
        problem = f"Expected at most {MAX_ROW_BYTES:,} bytes, got {len(raw):,}."
        return _oversized(row.line, len(raw), problem)
    return FileRow(row.line, raw, values, came=row.values)


def _oversized(line: int, size: int, problem: str) -> FileRow:
    row = {OVERSIZED_KEY: size}
    # The line tells two such rows apart.
    return FileRow(line, orjson.dumps({**row, "line": line}), row, problem)
