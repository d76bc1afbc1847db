"""Tables out as CSV that no spreadsheet takes for anything but text."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from project.outside import csv_cell


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(
    header: Sequence[str], rows: Iterable[Sequence[Any]], *, is_shown: bool = True
) -> Iterator[str]:
    """Yield a table as lines of CSV, one row at a time; texts from outside stay harmless.

    A file that no person sees (`is_shown` false) has its texts as they are.
    """
    writer = csv.writer(_Echo())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([csv_cell(value) for value in row] if is_shown else row)
