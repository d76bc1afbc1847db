"""Reads a workbook or a parquet file in a process of its own, whose memory is limited.

`python -m project.tabular.typed FORMAT PATH NAME SHEET BYTES`: lines of JSON, each some rows.
"""

import json
import math
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

BATCH_ROWS: Final = 4_096
LINE_LENGTH: Final = 64 * 1024  # characters, from which a line of rows is written
ROW_LENGTH: Final = 16 * 1024**2  # characters of a row; no door takes a tenth of it


class Unreadable(Exception):
    """The file cannot be read; the message says why."""


def sheet_rows(path: str, name: str, sheet: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield line number and cells of the rows of a sheet; the first one without a name given."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(path)
        if sheet and sheet not in book.sheet_names:
            raise Unreadable(
                f"{name} has no sheet {sheet[:80]!r}; it has {', '.join(book.sheet_names)[:300]}."
            )
        filled = book.get_sheet_by_name(sheet or _first_filled(book))
        first = filled.start[0] + 1 if filled.start else 1
        rows = filled.iter_rows()
    except (CalamineError, ValueError, OSError) as error:
        raise Unreadable(f"{name} is no workbook (xlsx) that can be read: {error}.") from error
    names_seen = False
    for line, row in enumerate(rows, start=first):
        cells = [_plain(cell) for cell in row]
        if names_seen or any(cell is not None for cell in cells):
            names_seen = True
            yield line, cells


def parquet_rows(path: str, name: str, _: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield number and cells of the rows of a parquet file; the first are the columns' names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_memory_pool(pa.system_memory_pool())  # others reserve more than they use
    try:
        with pq.ParquetFile(path) as file:
            yield 0, list(file.schema_arrow.names)
            line = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                columns = [
                    [_plain(cell) for cell in column.to_pylist()] for column in batch.columns
                ]
                for cells in zip(*columns, strict=True):
                    line += 1
                    yield line, list(cells)
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"{name} is no parquet file that can be read: {error}.") from error


READERS: Final = {"xlsx": sheet_rows, "parquet": parquet_rows}


def main(form: str, path: str, name: str, sheet: str, most_bytes: str) -> None:
    """Write the rows to standard output, or what is wrong with the file."""
    # What is asked for beyond it is not given, and the library gives up or aborts.
    resource.setrlimit(resource.RLIMIT_DATA, (int(most_bytes), int(most_bytes)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        for rows in _lines(READERS[form](path, name, sheet), name):
            sys.stdout.write(f"[{','.join(rows)}]\n")
    except Unreadable as error:
        sys.stdout.write(f"{json.dumps({'unreadable': str(error)})}\n")


def _lines(rows: Iterator[tuple[int, list[Any]]], name: str) -> Iterator[list[str]]:
    held: list[str] = []
    length = 0
    for row in rows:
        text = json.dumps(row, default=_plain)
        if len(text) > ROW_LENGTH:
            raise Unreadable(
                f"{name} has a row of {len(text):,} characters; expected at most {ROW_LENGTH:,}."
            )
        held.append(text)
        length += len(text)
        if length > LINE_LENGTH:
            yield held
            held, length = [], 0
    if held:
        yield held


def _first_filled(book: Any) -> str:
    for name in book.sheet_names:
        if book.get_sheet_by_name(name).height > 1:
            return str(name)
    return str(book.sheet_names[0])


def _plain(cell: Any) -> Any:
    """A cell as JSON could hold it; None where nothing stands in it."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float):
        is_whole = cell.is_integer() and abs(cell) < 2**53
        return int(cell) if is_whole and (cell or math.copysign(1.0, cell) > 0) else cell
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if isinstance(cell, bool | int | str | list | dict | tuple):
        return cell
    return str(cell)


if __name__ == "__main__":
    main(*sys.argv[1:])
