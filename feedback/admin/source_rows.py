"""Rows of a source's table beside its mapping, fetched when somebody asks for them."""

from collections.abc import Mapping
from typing import Any

from feedback.domain.tables import MissingColumn
from feedback.models import model_of
from feedback.queries.first_rows import first_rows
from feedback.queries.remote import SourceUnreachable, TableMissing
from feedback.queries.schedule import COLLECT_KIND
from feedback.queries.sources import sources_named
from project.mappings.models import ImportMapping
from project.mappings.registry import RowsOfSource, add_rows_of_source
from project.refusal import Refusal


def rows_of(record: ImportMapping, count: int) -> list[Mapping[str, Any]]:
    """Return the first rows of the table that a mapping was proposed for.

    Raises
    ------
    Refusal
        When the source is gone, cannot be reached, or has no such table.
    """
    (source,) = sources_named(record.arguments.get("sources", [])[:1])
    try:
        return first_rows(source, _table_of(record), count)
    except (SourceUnreachable, TableMissing, MissingColumn) as error:
        raise Refusal(
            f"The rows of {source.name} cannot be shown: {error}", remedy="Test the connection."
        ) from error


def _table_of(record: ImportMapping) -> str:
    return record.door.rpartition(".")[2]


add_rows_of_source(
    COLLECT_KIND,
    RowsOfSource(
        rows_of, lambda record: f"feedback.view_{model_of(_table_of(record))._meta.model_name}"
    ),
)
