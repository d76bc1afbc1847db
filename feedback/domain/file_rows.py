"""Rows of files of feedback, each with its canonical JSON."""

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from feedback.domain.row_format import MAX_ROW_BYTES, OVERSIZED_KEY
from project.tabular.rows import CsvFormat, Limits, Row, Told, read_file

MAX_JSON_BYTES: Final = 256 * 1024 * 1024  # of a file that is one JSON value, which is read whole
LIMITS: Final = Limits(row_bytes=MAX_ROW_BYTES, json_bytes=MAX_JSON_BYTES)
CHUNK_ROWS: Final = 16_384


class FileRow(NamedTuple):
    """One row: where it stands, its canonical JSON, and the row itself, None when unreadable.

    `problem` says why it is unreadable: what was expected and what came.
    """

    line: int
    raw: bytes
    row: dict[str, Any] | None
    problem: str = ""


def read_feedback_rows(
    path: Path,
    *,
    name: str = "",
    on_header: Callable[[list[str]], None] | None = None,
    told: Told | None = None,
) -> Generator[FileRow, None, None]:
    """Yield the rows of a file; its name, or `name`, says of which format it is.

    CSV knows no NULL: nothing between two commas is a missing value. Its columns are separated by
    commas, semicolons or tabs, whichever its first line has most of; `on_header` is given their
    names. `told` is called while reading, see `read_file`.

    Raises
    ------
    FileRefused
        When the format is unknown, or the file is no list of rows.
    """
    csv_format = CsvFormat(delimiters=",;\t", blank=None, check_header=on_header)
    for row in read_file(path, name=name, limits=LIMITS, csv_format=csv_format, told=told):
        yield _canonical(row)


def chunked(rows: Iterable[FileRow], size: int = CHUNK_ROWS) -> Iterator[list[FileRow]]:
    """Yield rows in lists of at most `size`."""
    chunk: list[FileRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _canonical(row: Row) -> FileRow:
    """Write a row the same way whatever the order of its keys was."""
    if row.reason == "oversized":
        return _oversized(row.line, row.size, row.problem)
    if row.reason or row.values is None:
        said = row.text
        if row.reason in ("cells", "encoding"):
            said = f"{row.problem} {row.text.decode(errors='replace')}".encode()
        return FileRow(row.line, said[:MAX_ROW_BYTES], None, row.problem)
    try:
        raw = orjson.dumps(row.values, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits
        said = repr(row.values).encode(errors="backslashreplace")[:MAX_ROW_BYTES]
        problem = "Expected whole numbers of 64 bits and text without halves of surrogate pairs."
        return FileRow(row.line, said, None, problem)
    if len(raw) > MAX_ROW_BYTES:
        problem = f"Expected at most {MAX_ROW_BYTES:,} bytes, got {len(raw):,}."
        return _oversized(row.line, len(raw), problem)
    return FileRow(row.line, raw, row.values)


def _oversized(line: int, size: int, problem: str) -> FileRow:
    row = {OVERSIZED_KEY: size}
    # The line tells two such rows apart.
    return FileRow(line, orjson.dumps({**row, "line": line}), row, problem)
