"""Compares what is stored of a window with what came of it: rows that did not come are gone."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from feedback.models import CollectionRun
from feedback.queries.remote import Remote, RemoteTable
from feedback.services.gone import mark_gone, unseen_rows
from project.jobs.contract import Run

ASKED_IDS = 1_000  # at a time; as many of the longest fit one answer
# At the edges of a window, times without a zone may be read otherwise there than here.
ZONE_DOUBT = timedelta(hours=2)


def mark_unseen(
    remote: Remote,
    table: RemoteTable,
    reading: CollectionRun,
    run: Run | None,
    *,
    seen: Sequence[bytes],
    start: datetime | None,
    end: datetime | None,
) -> int:
    """Mark the stored rows of a window that a whole reading of it did not see; returns how many.

    Where rows have ids the source is asked for those once more: one whose time of creation was
    changed is not in the window any more, and not gone.
    """
    if table.identity is None and table.columns[table.moment] != "timestamp with time zone":
        start, end = start and start + ZONE_DOUBT, end and end - ZONE_DOUBT
    gone = 0
    for unseen in unseen_rows(reading, seen, start, end):
        for begin in range(0, len(unseen), ASKED_IDS):
            chunk = unseen[begin : begin + ASKED_IDS]
            uids = _not_there(remote, table, chunk)
            with nullcontext() if run is None else run.transaction():
                gone += mark_gone(reading, uids)
    return gone


def _not_there(remote: Remote, table: RemoteTable, rows: Sequence[tuple[Any, str]]) -> list[Any]:
    ids = [external_id for _, external_id in rows if external_id]
    there = remote.ids_there(table, ids) if ids else set()
    return [uid for uid, external_id in rows if external_id not in there]
