"""Rows out of files: one reader for CSV, JSON, JSON Lines, xlsx and parquet, row by row and with
its line.

What is wrong with a row stands in the row; what makes the whole file unusable is FileRefused.
"""

import codecs
import csv
import io
import json
import math
import re
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, NoReturn, overload

import orjson

from project import words
from project.outside import as_it_was
from project.tabular.even import EvenRows
from project.tabular.mend import REASON
from project.tabular.own import BESIDE, MARK
from project.tabular.packed import Unpackable, open_unpacked
from project.tabular.sniff import (
    MAX_TITLES,
    MIN_TITLED_COLUMNS,
    FileRefused,
    Found,
    Reading,
    Wrapping,
    not_so_encoded,
    sniff,
    titles_in_words,
)
from project.tabular.workbooks import parquet_rows, sheet_rows

Told = Callable[[int], None]
Reason = Literal["", "cells", "encoding", "not_an_object", "oversized", "unreadable"]

HELD_TIMES: Final = 4  # the longest row, quotes and delimiters included, of which more is not held
CHUNK_ROWS: Final = 16_384
BLOCK_CHARACTERS: Final = 256 * 1024
TOLD_BYTES: Final = 8 * 1024 * 1024  # between two calls of `told`
BLOCK_BYTES: Final = 256 * 1024
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
AGAIN: Final = " \N{MULTIPLICATION SIGN}"  # marks a column whose name stood there before
_ITEM = re.compile(r"[^\s,]")  # where the next item of a JSON list begins


@dataclass(frozen=True)
class Limits:
    """How much is read.

    row_bytes : of one row as it stands in the file; a longer one is not held, and says its size
    json_bytes : of a file that is one JSON value, which is read whole
    columns : names that the first line may have
    rows : of a whole file
    """

    row_bytes: int
    json_bytes: int
    columns: int = 1_000
    rows: int = 200_000_000


class Row(NamedTuple):
    """One row of a file.

    line : where it begins, from 1
    values : column to value, None where the row cannot be read; a cell of CSV in which nothing
        stands is an empty text
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


class EvenChunk(Sequence[Row]):
    """Rows without a problem, one after another, each on a line of its own.

    Attributes
    ----------
    lines : where each begins.
    values : what stands in them.
    """

    def __init__(self, lines: range, values: EvenRows) -> None:
        self.lines, self.values = lines, values

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> "EvenChunk": ...
    def __getitem__(self, place: int | slice) -> "Row | EvenChunk":
        if isinstance(place, slice):
            return EvenChunk(self.lines[place], self.values[place])
        return Row(self.lines[place], self.values[place])

    def __iter__(self) -> Iterator[Row]:
        return map(Row, self.lines, self.values)


def values_of(rows: Sequence[Row]) -> Sequence[Mapping[str, Any]]:
    """What stands in those rows of a chunk that have no problem."""
    if isinstance(rows, EvenChunk):
        return rows.values
    return [row.values or {} for row in rows if is_readable(row)]


def raw_of(row: Row) -> tuple[bytes, bool]:
    """Return what is kept of a row that is refused, and whether that is not all that stands there.

    Of cells in excess, or too few, it is not clear what is in which column.
    """
    if row.values is None:
        return row.text, bool(row.size)
    try:
        return orjson.dumps(row.values, default=str), bool(row.reason)
    except orjson.JSONEncodeError:
        return repr(row.values).encode(errors="backslashreplace"), True


def is_readable(row: Row) -> bool:
    """Whether something stands in a row, and it has no problem."""
    return not row.reason and bool(row.values)


class TableFile:
    """A file as a table, which can be read as often as somebody likes.

    Attributes
    ----------
    found : what the file was found to be
    header : the names of its columns, where it has a line for them; known once it is read
    skipped : lines of a log that hold no row
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str = "",
        limits: Limits,
        reading: Reading = Reading(),  # noqa: B008 - frozen
    ) -> None:
        """Look at a file; its name is shown, and `reading` says what is known of it.

        Raises
        ------
        FileRefused
            When the file is no table of rows.
        """
        self.path, self.name, self.limits = path, name or path.name, limits
        self.found = sniff(path, self.name, reading)
        if self.found.is_own:
            self.limits = replace(limits, row_bytes=limits.row_bytes + BESIDE)
        self.header: list[str] = []
        self.skipped = 0

    def rows(self, told: Told | None = None) -> Generator[Row, None, None]:
        """Yield the rows one by one, as `chunks` has them."""
        with closing(self.chunks(told)) as chunks:
            for chunk in chunks:
                yield from chunk

    def chunks(
        self, told: Told | None = None, size: int = CHUNK_ROWS
    ) -> Generator[Sequence[Row], None, None]:
        """Yield the rows, `size` of them at a time, in bounded memory; blank lines are no rows.

        `told` is called with the bytes that were read so far, every TOLD_BYTES of them, whether
        rows came of them or not; what it raises ends the reading.

        Raises
        ------
        FileRefused
            When the file is no table of rows, or holds more than the limits.
        """
        self.header, self.skipped = [], 0
        count = 0
        try:
            for chunk in self._chunks(told, size):
                count += len(chunk)
                if count > self.limits.rows:
                    raise FileRefused(
                        f"Expected at most {self.limits.rows:,} rows; {self.name} has more. Split "
                        "it."
                    )
                yield chunk
        except (OSError, Unpackable) as error:
            raise FileRefused(f"{self.name} cannot be read: {error}") from error
        except UnicodeError as error:
            raise not_so_encoded(self.name, self.found.encoding, error) from error

    def _chunks(self, told: Told | None, size: int) -> Iterator[Sequence[Row]]:
        found, limits = self.found, self.limits
        if found.format == "xlsx":
            yield from _chunked(
                self._typed(sheet_rows(self.path, self.name, found.sheet), told), size
            )
            return
        if found.format == "parquet":
            yield from _chunked(self._typed(parquet_rows(self.path, self.name), told), size)
            return
        with self.path.open("rb") as file:
            stream: IO[bytes] = open_unpacked(file)
            if told is not None:
                stream = io.BufferedReader(_Counted(stream, told), BLOCK_BYTES)
            if found.encoding not in ("utf-8", "utf-8-sig"):
                stream = io.BufferedReader(_Recoded(stream, found.encoding), BLOCK_BYTES)
            if found.format == "csv":
                yield from _csv_chunks(stream, limits, found, self.header, size)
            elif found.format == "json":
                yield from _chunked(_json_rows(stream, limits), size)
            else:
                yield from _chunked(_jsonl_rows(stream, limits, found.wrapping, self), size)

    def _typed(self, rows: Iterator[tuple[int, list[Any]]], told: Told | None) -> Iterator[Row]:
        """Rows of a format whose cells have types; the first names the columns."""
        _, names = next(rows, (0, []))
        names, rows = self._without_titles(names, rows)
        self.header += _header([str(name or "") for name in names], self.limits)
        for number, (line, cells) in enumerate(rows):
            if told is not None and number % 16_384 == 0:
                told(number)
            values = dict(zip(self.header, cells, strict=False))
            size = sum(len(cell) for cell in cells if isinstance(cell, str))
            if size > self.limits.row_bytes:
                yield _oversized(line, size, self.limits)
            elif any(cell is not None for cell in cells):
                yield Row(line, values)

    def _without_titles(
        self, names: list[Any], rows: Iterator[tuple[int, list[Any]]]
    ) -> tuple[list[Any], Iterator[tuple[int, list[Any]]]]:
        """Leave out lines before the one that names the columns: a title, a remark, blank ones."""
        if self.found.format == "parquet" or _filled(names) > 1:
            return names, rows
        ahead = list(islice(rows, MAX_TITLES + 1))
        for count, (_, cells) in enumerate(ahead):
            there = [cells[: _last_filled(cells)] for _, cells in ahead[count:]]
            if there[0] and _filled(there[0]) == len(there[0]) >= MIN_TITLED_COLUMNS:
                if not all(isinstance(cell, str) for cell in there[0]):
                    break
                note = titles_in_words(count + 1)
                if note not in self.found.notes:
                    self.found = replace(self.found, notes=(*self.found.notes, note))
                return there[0], chain(ahead[count + 1 :], rows)
            if _filled(there[0]) > 1:
                break
        return names, chain(ahead, rows)


def _filled(cells: Sequence[Any]) -> int:
    return sum(cell is not None and cell != "" for cell in cells)


def _last_filled(cells: Sequence[Any]) -> int:
    """How many cells there are up to the last in which something stands."""
    return max((n for n, cell in enumerate(cells, start=1) if cell not in (None, "")), default=0)


def _chunked(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, size)):
        yield chunk


class _Recoded(io.RawIOBase):
    """A stream of text in some encoding, as UTF-8; what is none of its characters stays a byte."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        errors = "replace" if encoding.startswith("utf") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors=errors)
        self._rest = b""
        self._is_done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and not self._is_done:
            block = self._stream.read(BLOCK_BYTES)
            self._is_done = not block
            text = self._decoder.decode(block, final=self._is_done)
            self._rest = text.encode("utf-8", "surrogateescape")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


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


def _jsonl_rows(
    stream: IO[bytes], limits: Limits, wrapping: Wrapping, table: TableFile
) -> Iterator[Row]:
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
        row = _unwrapped(text, wrapping) if wrapping else text
        if row is None:
            table.skipped += 1
            continue
        try:
            value = orjson.loads(row)
        except orjson.JSONDecodeError as error:
            yield Row(line, None, "unreadable", f"Expected JSON: {error}.", text)
        else:
            yield _json_row(line, value, row)


def _unwrapped(text: bytes, wrapping: Wrapping) -> bytes | None:
    """Return the object that stands in a line of a log, or None where there is none."""
    if wrapping == "docker":
        try:
            said = orjson.loads(text)["log"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return text  # which says what is wrong with it
        text = said.encode("utf-8", "surrogatepass").strip() if isinstance(said, str) else b""
    at = text.find(b"{")
    return text[at:] if at >= 0 else None


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
    decoder = json.JSONDecoder()
    begins = _next_item(text, 0)
    if isinstance(values, dict):
        values, begins = _only_list(values, text, decoder)
    if not isinstance(values, list):
        raise FileRefused(f"Expected a JSON list of objects, got {type(values).__name__}.")
    position = begins + 1
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


def _only_list(values: dict[str, Any], text: str, decoder: json.JSONDecoder) -> tuple[Any, int]:
    """Return the one list that an object holds, and where it begins."""
    lists = [value for value in values.values() if isinstance(value, list)]
    if len(lists) != 1:
        raise FileRefused(
            "Expected a JSON list of objects, or an object that holds one list; got an object with "
            f"{words.tally(len(lists), 'list')}."
        )
    at = text.find("[")
    while at >= 0:
        try:
            found, _ = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            found = None
        if found == lists[0]:
            return lists[0], at
        at = text.find("[", at + 1)
    return None, 0


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


def _csv_chunks(
    stream: IO[bytes], limits: Limits, found: Found, header: list[str], size: int
) -> Iterator[Sequence[Row]]:
    # Bytes that are no UTF-8 become surrogates, which mark the row they stand in.
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        lines = _Lines(text, limits.row_bytes * HELD_TIMES)
        for _ in range(found.skipped_lines):
            next(lines)
        before = csv.field_size_limit(lines.most)  # the lines end first
        try:
            reader = csv.reader(
                lines,
                delimiter=found.delimiter,
                skipinitialspace=found.is_spaced,
                escapechar="\\" if found.is_escaped else None,
                strict=True,
            )
            header += _first_line(reader, lines, limits)
            careful = _csv_lines(reader, lines, limits, header)
            while chunk := (
                _even_chunk(lines, found, limits, header, size) or list(islice(careful, size))
            ):
                yield chunk
        finally:
            csv.field_size_limit(before)


class _TooLong(Exception):
    """A row goes on beyond what is held of one."""


class _Lines:
    """Lines of a text.

    A row may go on over lines, in quotes that are closed late or never: after `most` characters of
    one row the rest of the line is skipped, and whoever reads is told that the row is too long.
    """

    def __init__(self, text: io.TextIOWrapper, most: int) -> None:
        self.most = most
        self.number = 0
        self.row_size = 0
        self.is_ascii = True  # of the row so far
        self._text = text
        self._held: deque[str] = deque()  # lines that were read and not taken

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._held.popleft() if self._held else self._text.readline(self.most + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.row_size += len(line)
        self.is_ascii = self.is_ascii and line.isascii()
        if self.row_size > self.most:
            while not line.endswith("\n") and (line := self._text.readline(self.most + 1)):
                self.row_size += len(line)
            raise _TooLong
        return line

    def ahead(self, count: int) -> list[str]:
        """Return the next lines without taking them; fewer of them where the text ends.

        Behind the beginning of a line that is too long nothing is read ahead: its rest would look
        like lines of its own.
        """
        while (
            len(self._held) < count
            and not (self._held and not self._held[-1].endswith("\n"))
            and (block := self._text.read(BLOCK_CHARACTERS))
        ):
            if not block.endswith("\n"):
                block += self._text.readline(self.most + 1)
            self._held.extend(io.StringIO(block, newline=""))
        return list(islice(self._held, count))

    def take(self, count: int) -> range:
        """Take so many of the lines that were read ahead; returns their numbers."""
        for _ in range(count):
            self._held.popleft()
        first, self.number = self.number + 1, self.number + count
        return range(first, self.number + 1)


def _first_line(reader: Any, lines: _Lines, limits: Limits) -> list[str]:
    """The names of columns: the first line in which something stands."""
    cells: list[str] = []
    while not any(cell.strip() for cell in cells):
        lines.row_size = 0
        try:
            cells = next(reader)
        except StopIteration:
            raise FileRefused(
                "The file is empty; the first line should name the columns."
            ) from None
        except _TooLong:
            raise FileRefused(
                f"The first line should name the columns, got one of {lines.row_size:,} characters."
            ) from None
        except csv.Error as error:
            raise FileRefused(f"The first line cannot be read: {error}.") from None
    return _header(cells, limits)


def _even_chunk(
    lines: _Lines, found: Found, limits: Limits, header: list[str], size: int
) -> EvenChunk | None:
    """Read the next lines as columns; None where one of them needs a closer look, or none is left.

    What it reads is what `_csv_lines` would.
    """
    if found.is_spaced or found.is_escaped:
        return None
    delimiter = found.delimiter
    given = lines.ahead(size)
    if not given or max(map(len, given)) > limits.row_bytes // 4:  # characters, of 4 bytes at most
        return None
    text = "".join(given)
    if "'" in text and _is_ours(header):  # cells are taken back for what they were
        return None
    if not text.isascii() and _not_utf8(text):
        return None
    width = len(header)
    if '"' in text:
        try:
            rows = list(csv.reader(given, delimiter=delimiter, strict=True))
        except csv.Error:
            return None
        if len(rows) != len(given) or set(map(len, rows)) != {width}:
            return None
        columns = [list(cells) for cells in zip(*rows, strict=True)]
    else:
        if text.count("\r") != text.count("\r\n"):
            return None
        text = text.replace("\r\n", "\n").removesuffix("\n")
        if {line.count(delimiter) for line in given} != {width - 1}:
            return None
        cells = text.replace("\n", delimiter).split(delimiter)
        columns = [cells[at::width] for at in range(width)]
    if not all(map(str.strip, columns[0])):  # perhaps a blank line
        return None
    values = EvenRows(dict(zip(header, columns, strict=True)), len(given))
    return EvenChunk(lines.take(len(given)), values)


def _is_ours(header: Sequence[str]) -> bool:
    """Whether a file was written here, where no cell is taken for a formula."""
    return header[-1] == REASON or MARK in header


def _csv_lines(reader: Any, lines: _Lines, limits: Limits, header: list[str]) -> Iterator[Row]:
    is_ours = _is_ours(header)
    small = limits.row_bytes // 4  # so many characters are at most as many bytes as a row may have
    while True:
        begins, lines.row_size, lines.is_ascii = lines.number + 1, 0, True
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            yield _oversized(begins, lines.row_size, limits)
            continue
        except csv.Error as error:
            said = f"line {lines.number}: {error}"
            yield Row(begins, None, "unreadable", f"{error}.", said.encode())
            continue
        if not cells or not (cells[0].strip() or any(cell.strip() for cell in cells)):
            continue
        if is_ours:
            yield _csv_row(begins, header, [as_it_was(cell) for cell in cells], limits)
        elif len(cells) == len(header) and lines.is_ascii and lines.row_size <= small:
            yield Row(begins, dict(zip(header, cells, strict=True)))
        else:
            yield _csv_row(begins, header, cells, limits)


def _header(cells: list[str], limits: Limits) -> list[str]:
    """The names of columns, each once: a column that has none, or another's, is numbered."""
    if len(cells) > limits.columns:
        raise FileRefused(f"Expected at most {limits.columns:,} columns, got {len(cells):,}.")
    names: list[str] = []
    known = set()
    for number, cell in enumerate(cells, start=1):
        name = cell.strip().replace("\0", "") or f"column {number}"
        if problem := _not_utf8(name):
            raise FileRefused(f"Line 1: {problem} Save the file as UTF-8, or say its encoding.")
        if name in known:
            name = f"{name}{AGAIN}{number}"
        names.append(name)
        known.add(name)
    return names


def _csv_row(line: int, header: list[str], cells: list[str], limits: Limits) -> Row:
    joined = ",".join(cells)
    text = joined.encode("utf-8", "replace")
    if len(text) > limits.row_bytes:
        return _oversized(line, len(text), limits)
    if problem := _not_utf8(joined):
        return Row(line, None, "encoding", problem, text)
    values = dict(zip(header, cells, strict=False))
    if len(cells) != len(header):
        if not any(cells[len(header) :]) and len(cells) > len(header):
            return Row(line, values)  # a spreadsheet fills its rows up
        said = f"Expected {words.tally(len(header), 'cell')}, got {len(cells)}."
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
