"""Reads files of profiles, JSON or CSV, into rows with their line numbers."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matching.domain.profiles import CLEANERS, suggest
from project.tabular import rows as tabular
from project.tabular.rows import CsvFormat, FileRefused, Limits, read_rows

MAX_BYTES: Final = 50 * 1024 * 1024
MAX_CELL: Final = 10_000  # characters; a cell of interests has a few hundred
LIMITS: Final = Limits(row_bytes=MAX_BYTES, json_bytes=MAX_BYTES)  # too long a cell is named itself

COLUMNS: Final = ("external_id", *CLEANERS)
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
    rows = []
    try:
        for found in read_rows(
            io.BytesIO(content), "csv" if is_csv else "json", limits=LIMITS, csv_format=CSV
        ):
            if found.reason in ("encoding", "unreadable"):
                problem = found.problem[0].lower() + found.problem[1:]
                raise UnreadableFile(
                    f"Line {found.line}: {problem} Mend that line, or save the file as UTF-8."
                )
            rows.append(_profile_row(found))
    except FileRefused as error:
        raise UnreadableFile(str(error)) from error
    if not rows:
        raise UnreadableFile("Expected at least one profile, the file has none.")
    return rows


def first_lines(rows: Sequence[Row]) -> dict[str, int]:
    """Return external id to the line where a file names it first."""
    seen: dict[str, int] = {}
    for row in rows:
        seen.setdefault(str(row.values.get("external_id") or "").strip(), row.line)
    return seen


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            hint = suggest(name, COLUMNS) or f"Known are {', '.join(COLUMNS)}."
            raise UnreadableFile(f"Line 1: there is no column {name[:80]!r}; {hint}")
    if "external_id" not in header:
        raise UnreadableFile("Line 1: expected a column external_id, which names the users.")


CSV: Final = CsvFormat(delimiters=",;", check_header=_check_header)


def _profile_row(found: tabular.Row) -> Row:
    if found.values is None:
        return Row(found.line, {}, {"row": found.problem})
    problems = {"row": found.problem} if found.reason else {}
    for name, content in found.values.items():
        if name not in COLUMNS:
            hint = suggest(name, COLUMNS) or f"Known are {', '.join(COLUMNS)}."
            problems[name[:80]] = f"There is no such field; {hint}"
        elif isinstance(content, str) and len(content) > MAX_CELL:
            problems[name] = f"Expected at most {MAX_CELL:,} characters, got {len(content):,}."
    return _storable_row(found.line, found.values, problems)


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
