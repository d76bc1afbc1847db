"""Marks rows that are gone at their source, and those that are there again."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from feedback.models import CollectionRun, FeedbackChange, model_of
from feedback.services.changes import note_action
from project import clock

COMPARED_ROWS = 50_000  # at a time
UID_BYTES = 16

Uids = npt.NDArray[np.bytes_]


def stored_between(run: CollectionRun, start: datetime | None, end: datetime | None) -> bool:
    """Tell whether rows of earlier runs lie in a window, that could be gone."""
    return bool(_stored(run, start, end).exists())


def unseen_rows(
    run: CollectionRun, seen: Sequence[bytes], start: datetime | None, end: datetime | None
) -> Iterator[list[tuple[Any, str]]]:
    """Yield uid and id of stored rows of a window that a run did not see, in lists.

    Parameters
    ----------
    seen : uids of known rows that came, 16 bytes each, any number of them in one element.
    """
    known = np.sort(np.frombuffer(b"".join(seen), f"S{UID_BYTES}"))
    rows = _stored(run, start, end).order_by().values_list("uid", "external_id")
    chunk: list[tuple[Any, str]] = []
    for row in rows.iterator(chunk_size=COMPARED_ROWS):
        chunk.append(row)
        if len(chunk) >= COMPARED_ROWS:
            yield _not_in(chunk, known)
            chunk = []
    yield _not_in(chunk, known)


def mark_gone(run: CollectionRun, uids: Sequence[Any]) -> int:
    """Mark rows as gone at their source; reports and datasets leave them out."""
    return _mark(run, uids, "NULL", FeedbackChange.Action.GONE, clock.now())


def mark_returned(run: CollectionRun, uids: Sequence[Any]) -> int:
    """Mark rows that were gone as there again."""
    return _mark(run, uids, "NOT NULL", FeedbackChange.Action.RETURNED, None)


def _mark(
    run: CollectionRun, uids: Sequence[Any], before: str, action: str, gone_at: datetime | None
) -> int:
    if not uids:
        return 0
    table = connection.ops.quote_name(model_of(run.table)._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET gone_at = %s WHERE uid = ANY(%s) AND gone_at IS {before} "  # noqa: S608 - names of our own
            "RETURNING uid",
            [gone_at, list(uids)],
        )
        marked = [row[0] for row in cursor.fetchall()]
        note_action(cursor, run, table, action, marked)
    return len(marked)


def _stored(run: CollectionRun, start: datetime | None, end: datetime | None) -> Any:
    rows = model_of(run.table).objects.filter(source=run.source_id, gone_at__isnull=True)
    rows = rows.exclude(run=run.pk)
    if start is not None:
        rows = rows.filter(created_at__gte=start)
    if end is not None:
        rows = rows.filter(created_at__lt=end)
    return rows


def _not_in(chunk: list[tuple[Any, str]], known: Uids) -> list[tuple[Any, str]]:
    if not chunk:
        return []
    uids = np.frombuffer(b"".join(uid.bytes for uid, _ in chunk), known.dtype)
    return [row for row, is_there in zip(chunk, np.isin(uids, known), strict=True) if not is_there]
