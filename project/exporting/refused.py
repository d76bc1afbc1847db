"""Refused rows as files: as they came, each with its reason in a column that no import reads."""

import io
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from project import words
from project.exporting.making import Chunk, Rows
from project.exports.models import Format
from project.jobs.contract import Run
from project.tabular.mend import LINE, REASON, Came, as_csv, as_json_lines, as_text

Refused = Sequence[tuple[Came, str]]
Read = Callable[[int], tuple[Refused, int | None]]

_STEP: Final = "export.columns"


def refused_rows(run: Run, what: str, permission: str, read: Read, form: Format) -> Rows:
    """Prepare to write refused rows; all of them are looked at first, for the columns they have.

    Parameters
    ----------
    read : gives the rows behind an id, 0 at first, and the id to go on behind; None at the end.
    """
    known = run.result_of(_STEP)
    if known is None:
        columns, count = _look(run, read)
        with run.transaction(_STEP) as known:
            known.update(columns=columns, rows=count)
    names: list[str] = known["columns"]

    def chunk(after: Any) -> Chunk:
        rows, following = read(after or 0)
        content = _WRITERS[form](rows, names, after is None)
        return Chunk(content, len(rows), following)

    return Rows(what, permission, chunk, known["rows"])


def _look(run: Run, read: Read) -> tuple[list[str], int]:
    columns: dict[str, None] = {}
    count, after = 0, 0
    while True:
        rows, following = read(after)
        for came, _ in rows:
            columns.update(dict.fromkeys(came if isinstance(came, dict) else [LINE]))
        count += len(rows)
        run.report(0, None, f"{words.tally(count, 'row')} looked at")
        if following is None:
            return [name for name in columns if name != REASON], count
        run.check()
        after = following


def _csv(rows: Refused, names: Sequence[str], is_first: bool) -> bytes:
    lines = as_csv(rows, names)
    return "".join(lines if is_first else islice(lines, 1, None)).encode()


def _json_lines(rows: Refused, names: Sequence[str], is_first: bool) -> bytes:
    return "".join(as_json_lines(rows)).encode()


def _parquet(rows: Refused, names: Sequence[str], is_first: bool) -> bytes:
    """Every cell as text: of rows that came from elsewhere no column has one type."""
    named = [came if isinstance(came, dict) else {LINE: came} for came, _ in rows]
    columns = {
        name: pa.array([_text(row.get(name)) for row in named], pa.string()) for name in names
    }
    columns[REASON] = pa.array([reason for _, reason in rows], pa.string())
    kept = io.BytesIO()
    pq.write_table(pa.table(columns), kept)
    return kept.getvalue()


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)


_WRITERS: Final[dict[Format, Callable[[Refused, Sequence[str], bool], bytes]]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
}
