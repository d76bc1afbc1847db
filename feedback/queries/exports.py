"""Feedback as it is taken away, chunk by chunk."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
import pyarrow as pa

from feedback.domain.tables import TABLES
from feedback.models import FeedbackSource, RejectedRecord, model_of
from feedback.models.records import BEGINNING
from project.bulk import read_arrow
from project.exports.writing import json_field
from project.tabular.mend import Came, corrected_row

RECORD_ROWS: Final = 8_192  # of a chunk: a row may have 64 KiB
REFUSED_ROWS: Final = 1_024
FIRST: Final = UUID(int=0)


def count_records(table: str, sources: Sequence[FeedbackSource]) -> int:
    """Return how many records there are that are not gone at their source."""
    kept = model_of(table)._default_manager.filter(source__in=sources, gone_at=None)
    return kept.count()


def record_chunk(
    table: str, sources: Sequence[FeedbackSource], after: str
) -> tuple[pa.Table, str | None]:
    """Read records behind a uid, as the door of their table takes them.

    Those that are gone at their source are left out, as reports leave them out. A record without an
    id has its uid beside it, by which an import knows it again.
    """
    names = [one.name for one in TABLES[table].columns]
    columns = ", ".join(_column(name) for name in names)
    rows = read_arrow(
        f"SELECT {columns}, extra::text AS extra, uid, external_id = '' AS is_nameless, "  # noqa: S608 - our own names
        f"source_id FROM {model_of(table)._meta.db_table} WHERE uid > %s AND source_id = ANY(%s) "
        "AND gone_at IS NULL ORDER BY uid LIMIT %s",
        [UUID(after) if after else FIRST, [source.pk for source in sources], RECORD_ROWS],
    )
    uids = [uid.hex() for uid in rows.column("uid").to_pylist()]
    following = uids[-1] if rows.num_rows == RECORD_ROWS else None
    nameless = rows.column("is_nameless").to_pylist()
    origins = {source.pk: source.origin.value for source in sources}
    beside = {
        "row_uid": [uid if one else None for uid, one in zip(uids, nameless, strict=True)],
        "origin": [origins[pk] for pk in rows.column("source_id").to_pylist()],
    }
    rows = rows.drop_columns(["uid", "is_nameless", "source_id"])
    for name, values in beside.items():
        rows = rows.append_column(name, pa.array(values, pa.string()))
    for name in ("extra", "metadata"):
        if name in rows.column_names:
            texts = pa.array(map(_compact, rows.column(name).to_pylist()), pa.string())
            rows = rows.set_column(rows.column_names.index(name), name, texts)
    fields = [
        json_field(field.name) if field.name in ("extra", "metadata") else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields)), following


def refused_chunk(
    table: str, sources: Sequence[FeedbackSource], after: int
) -> tuple[list[tuple[Came, str]], int | None]:
    """Read rows of a table that are still refused, behind an id.

    Each is as it came, with its correction, and why it was refused.
    """
    rows = read_arrow(
        "SELECT id, payload::text AS payload, correction::text AS correction, detail, reason "  # noqa: S608 - our own name
        f'FROM {RejectedRecord._meta.db_table} WHERE "table" = %s AND source_id = ANY(%s) '
        "AND resolved_at IS NULL AND id > %s ORDER BY id LIMIT %s",
        [table, [source.pk for source in sources], after, REFUSED_ROWS],
    )
    found = []
    for row in rows.to_pylist():
        came = _came(orjson.loads(row["payload"]))
        correction = orjson.loads(row["correction"])
        is_whole = isinstance(came, dict)
        found.append((corrected_row(came, correction, is_whole=is_whole), row["detail"]))
    full = rows.num_rows == REFUSED_ROWS
    return found, rows.column("id")[-1].as_py() if full else None


def _came(payload: Any) -> Came:
    if not isinstance(payload, dict):
        return str(payload)
    return str(payload[BEGINNING]) if BEGINNING in payload else payload


def _compact(text: str | None) -> str | None:
    """JSON without the spaces in which PostgreSQL writes it: a row stays as long as it came."""
    return None if text is None else orjson.dumps(orjson.loads(text)).decode()


def _column(name: str) -> str:
    if name == "id":
        return "external_id AS id"
    return "metadata::text AS metadata" if name == "metadata" else f'"{name}"'
