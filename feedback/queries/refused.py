"""Refused rows as their database has them now."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from psycopg import sql

from feedback.domain.door import columns_at_source
from feedback.domain.row_format import decode_row
from feedback.domain.tables import TABLES, MissingColumn, source_table
from feedback.models import FeedbackSource, RejectedRecord
from feedback.queries.relations import describe_relation, table_of
from feedback.queries.remote import SourceUnreachable, TableMissing, all_of, open_source

RETRY_ROWS = 1_000  # at once
RETRIED_TOGETHER = 10_000  # by one press of a page, chunk by chunk


def rows_now(
    source: FeedbackSource, table: str, refused: Sequence[RejectedRecord]
) -> dict[str, dict[str, Any]]:
    """Read refused rows of one table again, by id; none where their database cannot find them."""
    ids = [record.external_id for record in refused if record.external_id][:RETRY_ROWS]
    name = source_table(TABLES[table], source.mapping)
    if source.kind != FeedbackSource.Kind.POSTGRES or not ids or not name:
        return {}
    try:
        with open_source(source) as remote:
            relation = describe_relation(remote, source.schema, name)
            known = columns_at_source(TABLES[table], source.mapping, relation.columns)
            if "id" not in known:
                return {}
            remote_table = table_of(relation, source, known)
            where = sql.SQL("{}::text IN ({})").format(
                sql.Identifier(known["id"]), sql.SQL(", ").join(map(sql.Literal, ids))
            )
            condition = all_of([where])
            # An id need not be a key; what is beyond is not what was asked for.
            counted = min(remote.count(remote_table, condition), RETRY_ROWS)
            fetched = chain.from_iterable(
                remote.rows(remote_table, condition, limit=counted, counted=counted)
            )
            rows = [row for row in map(decode_row, fetched) if isinstance(row, dict)]
    except (SourceUnreachable, TableMissing, MissingColumn):
        return {}
    return {str(row.get(known["id"])): row for row in rows}
