"""Rows out of files: one reader for CSV, JSON and JSON Lines, row by row and with its line.

What is wrong with a row stands in the row; what makes the whole file unusable is FileRefused.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, NoReturn

import orjson

from project.tabular.packed import Unpackable, open_unpacked

Format = Literal["csv", "json", "jsonl"]
Told = Callable[[int], None]
Reason = Literal["", "cells", "encoding", "not_an_object", "oversized", "unreadable"]

FORMAT_OF: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
HELD_TIMES: Final = 4  # the longest row, quotes and delimiters included, of which more is not held
TOLD_BYTES: Final = 8 * 1024 * 1024  # between two calls of `told`
BLOCK_BYTES: Final = 256 * 1024
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_ITEM = re.compile(r"[^\s,]")  # where the next item of a JSON list begins


class FileRefused(ValueError):
    """A file cannot be read as rows at all; the message says what would be accepted."""


@dataclass(frozen=True)
class Limits:
    """How much is read.

    row_bytes : of one row as it stands in the file; a longer one is not held, and says its size
    json_bytes : of a file that is one JSON value, which is read whole
    """

    row_bytes: int
    json_bytes: int


@dataclass(frozen=True)
class CsvFormat:
    """What is expected of CSV.

    delimiters : of several the one that the first line has most often
    blank : what a cell stands for in which there is nothing, for CSV knows no NULL
    check_header : raises what it likes for columns that cannot be
    """

    delimiters: str = ","
    blank: str | None = ""
    check_header: Callable[[list[str]], None] | None = None


CSV: Final = CsvFormat()


class Row(NamedTuple):
    """One row of a file.

    line : where it begins, from 1
    values : column to value, None where the row cannot be read
    reason : what kind of problem it has, "" for none
    problem : the problem in words: what was expected and what came
    text : how it stands in the file, where it has a problem
    size : its bytes in the file, where it is too long
    """

    line: int
    values: dict[str, Any] | None
    reason: Reason = ""
    problem: str = ""
    text: bytes = b""
    size: int = 0


def format_of(name: str) -> Format:
    """Return the format that a file's name says, packed or not.

    Raises
    ------
    FileRefused
        When it says none that can be read.
    """
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    suffix = (suffixes[:-1] if suffixes[-1:] == [".gz"] else suffixes)[-1:]
    if not suffix or suffix[0] not in FORMAT_OF:
        raise FileRefused(
            f"{name} should end with {', '.join(FORMAT_OF)}, or one of these and .gz."
        )
    return FORMAT_OF[suffix[0]]


def read_file(
    path: Path,
    *,
    name: str = "",
    limits: Limits,
    csv_format: CsvFormat = CSV,
    told: Told | None = None,
) -> Generator[Row, None, None]:
    """Yield the rows of a file; its name, or `name`, says of which format it is.

    `told` is called with the bytes that were read so far, every TOLD_BYTES of them, whether rows
    came of them or not; what it raises ends the reading.

    Raises
    ------
    FileRefused
        When the format is unknown, or the file is no table of rows.
    """
    name = name or path.name
    kind = format_of(name)
    with path.open("rb") as file:
        try:
            yield from read_rows(
                open_unpacked(file), kind, limits=limits, csv_format=csv_format, told=told
            )
        except (OSError, Unpackable) as error:
            raise FileRefused(f"{name} cannot be read: {error}") from error


def read_rows(
    stream: IO[bytes],
    kind: Format,
    *,
    limits: Limits,
    csv_format: CsvFormat = CSV,
    told: Told | None = None,
) -> Iterator[Row]:
    """Yield the rows of a stream in bounded memory; blank lines are no rows.

    Parameters
    ----------
    kind : csv with a header line, json (a list of objects) or jsonl (an object a line); UTF-8
    told : called while reading, see `read_file`

    Raises
    ------
    FileRefused
        When the stream is no table of rows.
    """
    if told is not None:
        stream = io.BufferedReader(_Counted(stream, told), BLOCK_BYTES)
    if kind == "csv":
        return _csv_rows(stream, limits, csv_format)
    return _json_rows(stream, limits) if kind == "json" else _jsonl_rows(stream, limits)


class _Counted(io.RawIOBase):
    """A stream that tells how much of it was read."""

    def __init__(self, stream: IO[bytes], told: Told) -> None:
        self._stream, self._told = stream, told
        self._read = 0
        self._next = TOLD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        self._read += len(block)
        if self._read >= self._next:
            self._next = self._read + TOLD_BYTES
            self._told(self._read)
        return len(block)


# --- JSON Lines ----------------------------------------------------------------------------------


def _jsonl_rows(stream: IO[bytes], limits: Limits) -> Iterator[Row]:
    line = 0
    while text := stream.readline(limits.row_bytes + 1):
        line += 1
        size = len(text)
        if size > limits.row_bytes and not text.endswith(b"\n"):
            while not text.endswith(b"\n") and (text := stream.readline(limits.row_bytes)):
                size += len(text)
            yield _oversized(line, size, limits)
            continue
        text = text.removeprefix(BYTE_ORDER_MARK).strip() if line == 1 else text.strip()
        if not text:
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield Row(line, None, "unreadable", f"Expected JSON: {error}.", text)
        else:
            yield _json_row(line, value, text)


def _json_row(line: int, value: Any, text: bytes) -> Row:
    if isinstance(value, dict):
        return Row(line, value)
    said = f"Expected an object with values by name, got {type(value).__name__}."
    return Row(line, None, "not_an_object", said, text or json.dumps(value).encode())


# --- JSON ----------------------------------------------------------------------------------------


def _json_rows(stream: IO[bytes], limits: Limits) -> Iterator[Row]:
    content = stream.read(limits.json_bytes + 1).removeprefix(BYTE_ORDER_MARK)
    if len(content) > limits.json_bytes:
        raise FileRefused(
            f"Expected at most {limits.json_bytes / 2**20:.0f} MiB of JSON. "
            "Write one row a line, as .jsonl."
        )
    if not content.strip():
        return
    values, text = _load_json(content)
    if not isinstance(values, list):
        raise FileRefused(f"Expected a JSON list of objects, got {type(values).__name__}.")
    decoder = json.JSONDecoder()
    position = _next_item(text, 0) + 1
    line, counted = 1, 0
    for value in values:
        position = _next_item(text, position)
        line += text.count("\n", counted, position)
        counted = position
        _, end = decoder.raw_decode(text, position)
        size = end - position
        position = end
        if size > limits.row_bytes:
            yield _oversized(line, size, limits)
        else:
            yield _json_row(line, value, b"")


def _load_json(content: bytes) -> tuple[Any, str]:
    """Return the value and the text of a file of JSON; refuses what is none.

    Half a surrogate pair passes: it is a fault of its row, and orjson would refuse the whole file.
    """

    def refuse(constant: str) -> NoReturn:
        raise FileRefused(f"{constant} is no number in JSON. Write null for a missing value.")

    try:
        text = content.decode()
        return json.loads(
            text, parse_constant=refuse, parse_int=_whole_number, parse_float=_number
        ), text
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileRefused(
            f"Line {line}: expected UTF-8, got byte 0x{content[error.start]:02x}. Save the file as "
            "UTF-8."
        ) from None
    except json.JSONDecodeError as error:
        raise FileRefused(f"Line {error.lineno}: the JSON is broken: {error.msg}.") from None
    except RecursionError:
        raise FileRefused("The JSON cannot be read: it is nested too deeply.") from None


def _whole_number(digits: str) -> int | float:
    """Read a whole number as JSON Lines are read: beyond 64 bits it is a float."""
    return int(digits) if len(digits) < 19 else _beyond(digits)


def _beyond(digits: str) -> int | float:
    number = _number(digits)
    return int(digits) if abs(number) < 2**63 else number


def _number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise FileRefused(f"Expected numbers below 1.8e308, got {digits[:40]}.")
    return number


def _next_item(text: str, position: int) -> int:
    found = _ITEM.search(text, position)
    return found.start() if found else len(text)


# --- CSV -----------------------------------------------------------------------------------------


def _csv_rows(stream: IO[bytes], limits: Limits, csv_format: CsvFormat) -> Iterator[Row]:
    # Bytes that are no UTF-8 become surrogates, which mark the row they stand in.
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        lines = _Lines(text, limits.row_bytes * HELD_TIMES)
        first = lines.peek()
        delimiter = max(csv_format.delimiters, key=first.count)
        before = csv.field_size_limit(lines.most)  # the lines end first
        try:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            yield from _csv_lines(reader, lines, limits, csv_format)
        finally:
            csv.field_size_limit(before)


class _TooLong(Exception):
    """A row goes on beyond what is held of one."""


class _Lines:
    """Lines of a text, of which the first can be looked at before it is read.

    A row may go on over lines, in quotes that are closed late or never: after `most` characters of
    one row the rest of the line is skipped, and whoever reads is told that the row is too long.
    """

    def __init__(self, text: io.TextIOWrapper, most: int) -> None:
        self.most = most
        self.number = 0
        self.row_size = 0
        self._text = text
        self._pushed: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._pushed.pop() if self._pushed else self._text.readline(self.most + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.row_size += len(line)
        if self.row_size > self.most:
            while not line.endswith("\n") and (line := self._text.readline(self.most + 1)):
                self.row_size += len(line)
            raise _TooLong
        return line

    def peek(self) -> str:
        """Return the first line, which is read again."""
        line = self._text.readline(self.most + 1)
        if line:
            self._pushed.append(line)
        return line


def _csv_lines(reader: Any, lines: _Lines, limits: Limits, csv_format: CsvFormat) -> Iterator[Row]:
    header: list[str] = []
    while True:
        begins, lines.row_size = lines.number + 1, 0
        try:
            cells = next(reader)
        except StopIteration:
            if not header:
                raise FileRefused(
                    "The file is empty; the first line should name the columns."
                ) from None
            return
        except _TooLong:
            if not header:
                raise FileRefused(
                    f"The first line should name the columns, got one of {lines.row_size:,} "
                    "characters."
                ) from None
            yield _oversized(begins, lines.row_size, limits)
            continue
        except csv.Error as error:
            if not header:
                raise FileRefused(f"The first line cannot be read: {error}.") from None
            said = f"line {lines.number}: {error}"
            yield Row(begins, None, "unreadable", f"{error}.", said.encode())
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = _header(cells)
            if csv_format.check_header is not None:
                csv_format.check_header(header)
        else:
            yield _csv_row(begins, header, cells, limits, csv_format.blank)


def _header(cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    if problem := _not_utf8(",".join(header)):
        raise FileRefused(f"Line 1: {problem} Save the file as UTF-8.")
    for name in header:
        if header.count(name) > 1:
            raise FileRefused(f"Line 1: the column {name[:80]!r} stands there twice.")
    return header


def _csv_row(
    line: int, header: list[str], cells: list[str], limits: Limits, blank: str | None
) -> Row:
    joined = ",".join(cells)
    text = joined.encode("utf-8", "replace")
    if len(text) > limits.row_bytes:
        return _oversized(line, len(text), limits)
    if problem := _not_utf8(joined):
        return Row(line, None, "encoding", problem, text)
    values = {name: cell or blank for name, cell in zip(header, cells, strict=False)}
    if len(cells) != len(header):
        said = f"Expected {len(header)} cells, got {len(cells)}."
        return Row(line, values, "cells", said, text)
    return Row(line, values)


def _not_utf8(text: str) -> str:
    """Say which byte is no UTF-8, or nothing."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"Expected UTF-8, got byte 0x{ord(text[error.start]) - 0xDC00:02x}."
    return ""


def _oversized(line: int, size: int, limits: Limits) -> Row:
    said = f"Expected at most {limits.row_bytes:,} bytes, got {size:,}."
    return Row(line, None, "oversized", said, size=size)
