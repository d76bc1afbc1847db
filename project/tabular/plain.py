"""Any table as a plain CSV file, for readers that take nothing else."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from project.tabular.doors import Door
from project.tabular.mapping import read_number, value_at
from project.tabular.mend import LINE, REASON
from project.tabular.out import csv_lines
from project.tabular.rows import AGAIN, Limits, TableFile
from project.tabular.sniff import FileRefused, Reading
from project.tabular.survey import Survey

LIMITS: Final = Limits(row_bytes=1024 * 1024, json_bytes=256 * 1024 * 1024)
LEFT_OUT: Final = frozenset({LINE, REASON})  # the mark of an export stays: it says what is empty
CHUNK_ROWS: Final = 16_384
AS_FOUND: Final = Reading()
_ANYTHING: Final = Door("any.table", "rows of any table", ())


@contextmanager
def as_plain_csv(
    path: Path, name: str = "", reading: Reading = AS_FOUND
) -> Generator[Path, None, None]:
    """Give a file of UTF-8, commas and decimal points: the file itself where it is one.

    Objects become columns, `a.b` for what stands in them; a row that cannot be read is an error,
    for nobody would see that it is gone.

    Raises
    ------
    FileRefused
        When the file is no table, or a row of it cannot be read.
    """
    table = TableFile(path, name=name, limits=LIMITS, reading=reading)
    found = table.found
    is_plain = found.format == "csv" and found.delimiter == "," and not found.skipped_lines
    is_plain = is_plain and not (found.is_spaced or found.is_escaped or found.is_own)
    if is_plain and found.encoding in ("utf-8", "utf-8-sig") and path.suffix != ".gz":
        yield path
        return
    survey = Survey(_ANYTHING)
    for rows in _chunks(table):
        survey.add(rows)
    found_columns = survey.columns.items()
    columns = [name for name, known in found_columns if not known.objects and name not in LEFT_OUT]
    commas = {name for name in columns if survey.columns[name].decimal == ","}
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "table.csv"
        names = [column.partition(AGAIN)[0] for column in columns]
        cells = (
            [_cell(row, one, commas) for one in columns] for rows in _chunks(table) for row in rows
        )
        with plain.open("w", encoding="utf-8", newline="") as file:
            file.writelines(csv_lines(names, cells, is_shown=False))
        yield plain


def _cell(row: Mapping[str, Any], column: str, commas: set[str]) -> Any:
    value = value_at(row, column)
    if column in commas and isinstance(value, str):
        number = read_number(value, ",")
        return value if number is None else number
    if isinstance(value, bool):
        return int(value)
    return value


def _chunks(table: TableFile) -> Generator[Sequence[Mapping[str, Any]], None, None]:
    with closing(table.rows()) as rows:
        while chunk := list(islice(rows, CHUNK_ROWS)):
            bad = next((row for row in chunk if row.reason), None)
            if bad is not None:
                raise FileRefused(f"Line {bad.line}: {bad.problem}")
            yield [row.values or {} for row in chunk]
