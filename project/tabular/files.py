"""Reads CSV, JSON and JSONL files of feedback row by row, in bounded memory."""

import csv
import gzip
import io
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from feedback.domain.parsing import MAX_ROW_BYTES, OVERSIZED_KEY

FORMATS = (".csv", ".json", ".jsonl", ".ndjson")
MAX_JSON_BYTES = 256 * 1024 * 1024  # of a file that is one JSON value, which is read whole
CHUNK_ROWS = 16_384


class FileRefused(ValueError):
    """A file cannot be read as rows at all; the message says what would be accepted."""


class FileRow(NamedTuple):
    """One row: where it stands, its canonical JSON, and the row itself, None when unreadable."""

    line: int
    raw: bytes
    row: dict[str, Any] | None


def read_rows(path: Path, *, name: str = "") -> Generator[FileRow, None, None]:
    """Yield the rows of a file; its name, or `name`, says of which format it is.

    Raises
    ------
    FileRefused
        When the format is unknown, or the file is no list of rows.
    """
    suffixes = [suffix.lower() for suffix in Path(name or path.name).suffixes]
    is_packed = bool(suffixes) and suffixes[-1] == ".gz"
    suffix = (suffixes[:-1] if is_packed else suffixes)[-1:]
    if not suffix or suffix[0] not in FORMATS:
        raise FileRefused(
            f"{name or path.name} should end with {', '.join(FORMATS)}, or one of these and .gz."
        )
    with path.open("rb") as file:
        stream = cast("IO[bytes]", gzip.open(file)) if is_packed else file  # noqa: SIM115 - the file is closed
        try:
            if suffix[0] == ".csv":
                yield from _csv_rows(stream)
            elif suffix[0] == ".json":
                yield from _json_rows(stream)
            else:
                yield from _jsonl_rows(stream)
        except (OSError, EOFError) as error:
            raise FileRefused(f"{name or path.name} cannot be read: {error}") from error


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


def _canonical(line: int, row: Any, raw: bytes) -> FileRow:
    """Write a row the same way whatever the order of its keys was."""
    if not isinstance(row, dict):
        return FileRow(line, raw[:MAX_ROW_BYTES], None)
    return FileRow(line, orjson.dumps(row, option=orjson.OPT_SORT_KEYS), row)


def _oversized(line: int, size: int) -> FileRow:
    row = {OVERSIZED_KEY: size}
    # The line tells two such rows apart.
    return FileRow(line, orjson.dumps({**row, "line": line}), row)


def _jsonl_rows(stream: IO[bytes]) -> Iterator[FileRow]:
    line = 0
    while text := stream.readline(MAX_ROW_BYTES + 1):
        line += 1
        size = len(text)
        if size > MAX_ROW_BYTES and not text.endswith(b"\n"):
            while not text.endswith(b"\n") and (text := stream.readline(MAX_ROW_BYTES)):
                size += len(text)
            yield _oversized(line, size)
            continue
        text = text.removeprefix(b"\xef\xbb\xbf").strip() if line == 1 else text.strip()
        if not text:
            continue
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError:
            yield FileRow(line, text, None)
        else:
            yield _canonical(line, row, text)


def _json_rows(stream: IO[bytes]) -> Iterator[FileRow]:
    text = stream.read(MAX_JSON_BYTES + 1).removeprefix(b"\xef\xbb\xbf")
    if len(text) > MAX_JSON_BYTES:
        raise FileRefused(
            f"A JSON file may have {MAX_JSON_BYTES // 2**20} MiB. Write one row a line, as .jsonl."
        )
    try:
        rows = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FileRefused(f"The file is no JSON: {error}.") from None
    if not isinstance(rows, list):
        raise FileRefused(f"Expected a list of objects, got {type(rows).__name__}.")
    for number, row in enumerate(rows, start=1):
        one = _canonical(number, row, b"" if isinstance(row, dict) else orjson.dumps(row))
        yield one if len(one.raw) <= MAX_ROW_BYTES else _oversized(number, len(one.raw))


def _csv_rows(stream: IO[bytes]) -> Iterator[FileRow]:
    # Bytes that are no UTF-8 become surrogates, which mark the row they stand in.
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        yield from _csv_lines(csv.reader(text, strict=True))


def _csv_lines(reader: Any) -> Iterator[FileRow]:
    try:
        header = next(reader)
    except StopIteration:
        raise FileRefused("The file is empty; the first line should name the columns.") from None
    except csv.Error as error:
        raise FileRefused(f"The first line cannot be read: {error}.") from None
    if len(set(header)) != len(header):
        raise FileRefused("Two columns of the first line have the same name.")
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield FileRow(reader.line_num, f"line {reader.line_num}: {error}".encode(), None)
            continue
        if not values:
            continue
        line = reader.line_num
        joined = ",".join(values)
        if len(values) != len(header):
            said = f"{len(values)} values for {len(header)} columns: {joined}"
            yield FileRow(line, said.encode("utf-8", "replace")[:MAX_ROW_BYTES], None)
            continue
        try:
            joined.encode()
        except UnicodeEncodeError:
            yield FileRow(line, joined.encode("utf-8", "replace")[:MAX_ROW_BYTES], None)
            continue
        # CSV knows no NULL: nothing between two commas is a missing value.
        row = {key: value or None for key, value in zip(header, values, strict=True)}
        one = _canonical(line, row, b"")
        yield one if len(one.raw) <= MAX_ROW_BYTES else _oversized(line, len(one.raw))
