"""What every job that writes rows is asked, what its command fixes, and what its result says."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from project import words
from project.exports.models import KEPT, Format
from project.jobs.contract import Arguments
from project.jobs.questions import Ask
from project.jobs.said import Figure, Outcome, Said

FORMATS: Final[Mapping[str, str]] = {
    "csv": "for spreadsheets; no cell is taken for a formula",
    "jsonl": "JSON Lines, an object a line",
    "parquet": "columns with their types",
}


class ExportArguments(Arguments):
    """How rows are written."""

    format: Annotated[
        Format,
        Field(description="Of the file; an import reads each of them to the same values."),
        Ask(meanings=FORMATS),
    ] = "csv"


def say_exported(result: Mapping[str, Any]) -> Said:
    """Rows that were written, and how long the file is kept."""
    rows, size = words.counted(result["rows"], "row"), words.size(result["bytes"])
    what = result["what"].replace("-", " ")
    figures = (
        Figure("Rows", words.number(result["rows"]), result["format"]),
        Figure("Size", size, f"kept for {KEPT.days} days"),
    )
    if not result["rows"]:
        return Said(f"There are no rows of {what}: the file is empty.", Outcome.UNCHANGED, figures)
    return Said(f"{rows} of {what} written, {size}.", figures=figures)
