"""Reads files of profiles, JSON or CSV, into rows with their line numbers."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from matching.domain.profiles import CLEANERS, suggest

MAX_BYTES: Final = 50 * 1024 * 1024
MAX_CELL: Final = 10_000  # characters; a cell of interests has a few hundred

COLUMNS: Final = ("external_id", *CLEANERS)
_ITEM = re.compile(r"[^\s,]")  # where the next item of a list begins
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL takes neither NUL nor half a character


class UnreadableFile(ValueError):
    """Nothing can be taken from the file; the message says where and what was expected."""


@dataclass(frozen=True)
class Row:
    """One profile of a file.

    line : line of the file where it begins, from 1
    values : column to value, as it stands in the file
    problems : column to what is wrong with it already; "row" for the row as a whole
    """

    line: int
    values: Mapping[str, Any]
    problems: Mapping[str, str]


def read_profiles(content: bytes, *, is_csv: bool) -> list[Row]:
    """Read the profiles of a file.

    Parameters
    ----------
    content : the file; UTF-8, a BOM is tolerated
    is_csv : CSV with a header line, separated by ',' or ';'; otherwise a JSON list of objects

    Raises
    ------
    UnreadableFile
        For a wrong encoding, broken JSON, unknown columns, no rows, or too large a file.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableFile(
            f"Expected at most {MAX_BYTES / 2**20:.0f} MiB, got {len(content) / 2**20:.1f} MiB. "
            "Split the file."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            f"Line {line}: expected UTF-8, got byte 0x{content[error.start]:02x}. Save the file "
            "as UTF-8."
        ) from error
    rows = list(_read_csv(text) if is_csv else _read_json(text))
    if not rows:
        raise UnreadableFile("Expected at least one profile, the file has none.")
    return rows


def _read_csv(text: str) -> Iterator[Row]:
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    limit = csv.field_size_limit(MAX_BYTES)  # too long a cell is that row's problem, not the file's
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header: list[str] | None = None
        line = 1
        for cells in reader:
            begins, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                _check_header(header)
            else:
                yield _csv_row(begins, header, cells)
    except csv.Error as error:
        raise UnreadableFile(f"Line {reader.line_num}: {error}.") from error
    finally:
        csv.field_size_limit(limit)


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            hint = suggest(name, COLUMNS) or f"Known are {', '.join(COLUMNS)}."
            raise UnreadableFile(f"Line 1: there is no column {name[:80]!r}; {hint}")
        if header.count(name) > 1:
            raise UnreadableFile(f"Line 1: the column {name!r} stands there twice.")
    if "external_id" not in header:
        raise UnreadableFile("Line 1: expected a column external_id, which names the users.")


def _csv_row(line: int, header: list[str], cells: list[str]) -> Row:
    problems = {}
    if len(cells) != len(header):
        problems["row"] = f"Expected {len(header)} cells, got {len(cells)}."
    values = dict(zip(header, cells, strict=False))
    for name, cell in values.items():
        if len(cell) > MAX_CELL:
            problems[name] = f"Expected at most {MAX_CELL:,} characters, got {len(cell):,}."
    return _storable_row(line, values, problems)


def _read_json(text: str) -> Iterator[Row]:
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    position = _start_of_list(text, decoder)
    line, counted = 1, 0
    while True:
        position = _next_item(text, position)
        if text.startswith("]", position):
            return
        line += text.count("\n", counted, position)
        counted = position
        value, position = _decode(text, position, decoder)
        yield _json_row(line, value)


def _start_of_list(text: str, decoder: json.JSONDecoder) -> int:
    """Where the first item of the list is, after a wholly valid document was seen."""
    position = _next_item(text, 0)
    document, end = _decode(text, position, decoder)
    if text[end:].strip():
        line = text.count("\n", 0, end) + 1
        raise UnreadableFile(f"Line {line}: expected the end of the file after the JSON value.")
    if not isinstance(document, list):
        raise UnreadableFile("Expected a JSON list of profiles.")
    return position + 1


def _next_item(text: str, position: int) -> int:
    found = _ITEM.search(text, position)
    return found.start() if found else len(text)


def _decode(text: str, position: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"Line {error.lineno}: the JSON is broken: {error.msg}.") from error
    except (RecursionError, ValueError) as error:
        raise UnreadableFile(f"The JSON cannot be read: {error}.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _json_row(line: int, value: Any) -> Row:
    if not isinstance(value, dict):
        return Row(line, {}, {"row": "Expected an object with the fields of a profile."})
    problems = {}
    for name, content in value.items():
        if name not in COLUMNS:
            hint = suggest(name, COLUMNS) or f"Known are {', '.join(COLUMNS)}."
            problems[name[:80]] = f"There is no such field; {hint}"
        elif isinstance(content, str) and len(content) > MAX_CELL:
            problems[name] = f"Expected at most {MAX_CELL:,} characters, got {len(content):,}."
    return _storable_row(line, value, problems)


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
