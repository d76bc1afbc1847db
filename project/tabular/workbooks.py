"""Rows out of files whose cells have types: sheets of a workbook, parquet."""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from project.tabular.packed import MAX_RATIO, RATIO_APPLIES_FROM
from project.tabular.sniff import FileRefused

MAX_SHEET_BYTES: Final = 512 * 1024**2  # unpacked: a sheet is held as a whole
BATCH_ROWS: Final = 4_096
MAX_PARQUET_BYTES: Final = 4 * 1024**3  # decoded


def sheet_rows(path: Path, name: str, sheet: str = "") -> Iterator[tuple[int, list[Any]]]:
    """Yield line number and cells of the rows of a sheet; the first one without a name given.

    Whole numbers are whole, moments are ISO 8601 texts without a zone, as a spreadsheet knows none.

    Raises
    ------
    FileRefused
        For a file that is no workbook, is too large unpacked, or has no such sheet.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    _require_small(path, name)
    try:
        book = CalamineWorkbook.from_path(str(path))
        if sheet and sheet not in book.sheet_names:
            raise FileRefused(
                f"{name} has no sheet {sheet[:80]!r}; it has {', '.join(book.sheet_names)[:300]}."
            )
        filled = book.get_sheet_by_name(sheet or _first_filled(book))
        first = filled.start[0] + 1 if filled.start else 1
        rows = filled.iter_rows()
    except (CalamineError, ValueError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, FileRefused):
            raise
        raise FileRefused(f"{name} is no workbook (xlsx) that can be read: {error}.") from error
    names_seen = False
    for line, row in enumerate(rows, start=first):
        cells = [_plain(cell) for cell in row]
        if names_seen or any(cell is not None for cell in cells):
            names_seen = True
            yield line, cells


def parquet_rows(path: Path, name: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield number and cells of the rows of a parquet file; the first are the columns' names.

    Raises
    ------
    FileRefused
        For a file that is no parquet, or is too large decoded.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
            size = sum(
                metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups)
            )
            if size > MAX_PARQUET_BYTES:
                raise FileRefused(
                    f"Expected at most {MAX_PARQUET_BYTES / 2**30:.0f} GiB decoded; {name} has "
                    f"{size / 2**30:.1f}. Split it."
                )
            yield 0, list(file.schema_arrow.names)
            line = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                columns = [
                    [_plain(cell) for cell in column.to_pylist()] for column in batch.columns
                ]
                for cells in zip(*columns, strict=True):
                    line += 1
                    yield line, list(cells)
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(f"{name} is no parquet file that can be read: {error}.") from error


def _first_filled(book: Any) -> str:
    for name in book.sheet_names:
        if book.get_sheet_by_name(name).height > 1:
            return str(name)
    return str(book.sheet_names[0])


def _require_small(path: Path, name: str) -> None:
    """Refuse a workbook that unpacks to more than is held, before any of it is unpacked."""
    try:
        with zipfile.ZipFile(path) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
            names = set(packed.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise FileRefused(f"{name} is no workbook (xlsx): {error}. Save it anew.") from error
    if "xl/workbook.xml" not in names and "xl/workbook.bin" not in names:
        raise FileRefused(
            f"Expected rows as CSV, JSON, JSON Lines, xlsx or parquet; {name} is a ZIP archive. "
            "Unpack it and import the files."
        )
    ratio = unpacked / max(path.stat().st_size, 1)
    is_bomb = unpacked > RATIO_APPLIES_FROM and ratio > MAX_RATIO
    if unpacked > MAX_SHEET_BYTES or is_bomb:
        raise FileRefused(
            f"Expected a workbook of at most {MAX_SHEET_BYTES / 2**20:.0f} MiB unpacked; {name} "
            f"has {unpacked / 2**20:,.0f} MiB. Export the sheet as CSV."
        )


def _plain(cell: Any) -> Any:
    """A cell as JSON could hold it; None where nothing stands in it."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 2**53 else cell
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    return cell
