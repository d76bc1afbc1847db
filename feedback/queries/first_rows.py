"""A few rows of a source's table as they stand there, for who says how they are read."""

from collections.abc import Mapping
from typing import Any

from feedback.domain.door import columns_at_source
from feedback.domain.row_format import decode_row
from feedback.domain.tables import TABLES, source_table
from feedback.models import FeedbackSource
from feedback.queries.relations import describe_relation, table_of
from feedback.queries.remote import open_source


def first_rows(source: FeedbackSource, table: str, count: int) -> list[Mapping[str, Any]]:
    """Return some rows of one of the three tables, by the source's own names of columns.

    Raises
    ------
    SourceUnreachable, TableMissing, MissingColumn
        When they cannot be read.
    """
    spec = TABLES[table]
    with open_source(source) as remote:
        name = source_table(spec, source.mapping)
        relation = describe_relation(remote, source.schema, name)
        known = columns_at_source(spec, source.mapping, relation.columns)
        rows = remote.first_rows(table_of(relation, source, known), count)
    found = [decode_row(row) for row in rows]
    return [row for row in found if isinstance(row, dict)]
