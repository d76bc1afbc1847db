"""Rows out of files whose cells have types: sheets of a workbook, parquet.

Their libraries take what a file asks for: two cells in opposite corners of a sheet, or a long text
that a million rows repeat, are a few bytes on disk and gigabytes in memory, and then the process is
gone. So they run in a process of their own (`typed.py`), with as much memory as the file may need.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from project.tabular.packed import MAX_RATIO, RATIO_APPLIES_FROM
from project.tabular.sniff import FileRefused

MAX_SHEET_BYTES: Final = 512 * 1024**2  # unpacked: a sheet is held as a whole
MAX_PARQUET_BYTES: Final = 4 * 1024**3  # decoded
# Memory of the reader: of its libraries, and for each byte unpacked, up to the most.
READER_BYTES: Final = 384 * 1024**2
READER_TIMES: Final = 6
MAX_READER_BYTES: Final = 3 * 1024**3


def sheet_rows(path: Path, name: str, sheet: str = "") -> Iterator[tuple[int, list[Any]]]:
    """Yield line number and cells of the rows of a sheet; the first one without a name given.

    Whole numbers are whole, moments are ISO 8601 texts without a zone, as a spreadsheet knows none.

    Raises
    ------
    FileRefused
        For a file that is no workbook, is too large unpacked, or has no such sheet.
    """
    yield from _read_apart("xlsx", path, name, sheet, _unpacked_bytes(path, name))


def parquet_rows(path: Path, name: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield number and cells of the rows of a parquet file; the first are the columns' names.

    Raises
    ------
    FileRefused
        For a file that is no parquet, or is too large decoded.
    """
    yield from _read_apart("parquet", path, name, "", _decoded_bytes(path, name))


def _read_apart(
    form: str, path: Path, name: str, sheet: str, size: int
) -> Iterator[tuple[int, list[Any]]]:
    most = min(READER_BYTES + READER_TIMES * size, MAX_READER_BYTES)
    command = [sys.executable, "-m", "project.tabular.typed"]
    with subprocess.Popen(  # noqa: S603 - our own module
        [*command, form, str(path), name, sheet, str(most)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as reader:
        try:
            assert reader.stdout is not None  # noqa: S101 - a pipe was asked for
            for text in reader.stdout:
                if not text.endswith(b"\n"):
                    break  # it ended within a line
                said = json.loads(text)
                if isinstance(said, dict):
                    raise FileRefused(said["unreadable"])
                yield from ((line, cells) for line, cells in said)
            if reader.wait() != 0:
                raise FileRefused(
                    f"{name} cannot be read: its rows are more than the file lets expect, and take "
                    f"more than {most / 2**20:,.0f} MiB of memory. Export it as CSV."
                )
        finally:
            reader.kill()


def _decoded_bytes(path: Path, name: str) -> int:
    """Return what a parquet file says it has decoded; refuses one that is too large."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups = (file.metadata.row_group(n) for n in range(file.metadata.num_row_groups))
            size = int(sum(group.total_byte_size for group in groups))
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(f"{name} is no parquet file that can be read: {error}.") from error
    if size > MAX_PARQUET_BYTES:
        raise FileRefused(
            f"Expected at most {MAX_PARQUET_BYTES / 2**30:.0f} GiB decoded; {name} has "
            f"{size / 2**30:.1f}. Split it."
        )
    return max(size, 0)


def _unpacked_bytes(path: Path, name: str) -> int:
    """Return what a workbook says it has unpacked; refuses one that is more than is held."""
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
    return unpacked
