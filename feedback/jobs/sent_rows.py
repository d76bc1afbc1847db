"""Lands rows that an application sends: few at a time, at once, by the rules of a file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import F

from feedback.domain.door import DOORS, landing_columns
from feedback.domain.file_rows import LIMITS, feedback_rows
from feedback.domain.refusals import RejectedRow
from feedback.jobs.arguments import ImportFeedback
from feedback.jobs.landing import LAND_ROWS
from feedback.models import CollectionCursor, CollectionRun, FeedbackSource
from feedback.services.landing import begin_landing
from feedback.services.shared import mark_shared_rows
from feedback.services.sources import file_source
from project import clock
from project.acting import current_actor
from project.mappings.arguments import AS_IS
from project.mappings.door import OpenTable, open_table
from project.mappings.sent import as_file, require_confirmed
from project.refusal import Refusal


@dataclass(frozen=True)
class SentRows:
    """What became of the rows of one request.

    Attributes
    ----------
    run : the run that they stand in: one for each sender, table and way of reading a day.
    found : new, known, changed and refused ones together.
    refused : those that were, with their place among the rows that were sent, from 0.
    notes : how they were read, a sentence each.
    """

    run: CollectionRun
    found: int
    new: int
    known: int
    changed: int
    refused: tuple[RejectedRow, ...]
    mapping: str
    notes: tuple[str, ...]


@contextmanager
def open_sent(rows: Sequence[Mapping[str, Any]], asked: ImportFeedback) -> Iterator[OpenTable]:
    """Decide how rows that were sent are read, as of a file of them; nothing has landed then.

    Raises
    ------
    Refusal
        As for a file; for a mapping that waits for a person; and for ratings under another name,
        of which nobody has said what they mean: a few rows do not tell a scale.
    """
    door = DOORS[asked.table]
    require_confirmed(door, asked.mapping)
    with as_file(rows) as path:
        opened = open_table(path, "This request", door, asked, limits=LIMITS, columns=asked.columns)
        if not opened.decision["mapping_name"] and asked.mapping != AS_IS:
            for column in opened.mapping.columns:
                field = door.field(column.field)
                if field.is_rating and column.column != column.field:
                    raise Refusal(
                        f"{column.column} is likely to be {column.field}, and of so few rows "
                        "nobody can say on which scale it is.",
                        remedy=f"Send {column.field} from 0 to 1; or name a saved mapping as "
                        f"`mapping`; or say with `mapping` {AS_IS!r} that it is from 0 to 1.",
                    )
        yield opened


@transaction.atomic
def land_sent(
    opened: OpenTable, asked: ImportFeedback, *, since: datetime | None = None
) -> SentRows:
    """Land rows that were sent, each once; those that cannot be used are kept with the reason.

    They stand in the run of this day, unless one was begun before `since`, when somebody read its
    rows last: what is known of a run that was read does not change afterwards.
    """
    source = file_source(asked.source)
    CollectionCursor.objects.get_or_create(source=source, table=asked.table)
    # The lock under which rows land, of every source, in the order in which all take them.
    cursors = CollectionCursor.objects.select_for_update().filter(table=asked.table)
    list(cursors.order_by("pk"))
    run = _run_of_today(source, asked.table, opened, since)
    before = (run.found, run.new, run.known, run.changed)
    landing = begin_landing(run, landing_columns(opened.mapping), on_change=asked.on_change)
    refused: list[RejectedRow] = []
    first: datetime | None = None
    origin = source.origin.value if opened.mapping.is_exact else ""
    for came, mapped in opened.chunks(None, LAND_ROWS):
        chunk = feedback_rows(came, mapped, origin)
        parsed = landing.parse(chunk.raw, rows=chunk.decoded, came=chunk.came)
        refused += landing.land(
            parsed, lines=[before[0] + place + 1 for place in range(len(chunk.raw))]
        )
        if parsed.parsed.accepted:
            moment = np.min(parsed.parsed.columns["created_at"])
            first = moment.astype("M8[us]").item().replace(tzinfo=UTC)
    CollectionRun.objects.filter(pk=run.pk).update(
        state=CollectionRun.State.COMPLETE, finished_at=clock.now(), source_count=F("found")
    )
    run.refresh_from_db()
    if run.new > before[1] and first is not None:
        mark_shared_rows(run, since=first)
    return SentRows(
        run=run,
        found=run.found - before[0],
        new=run.new - before[1],
        known=run.known - before[2],
        changed=run.changed - before[3],
        refused=tuple(refused),
        mapping=opened.decision["mapping_name"],
        notes=(*opened.decision["notes"], *opened.decision["unusable"]),
    )


def _run_of_today(
    source: FeedbackSource, table: str, opened: OpenTable, since: datetime | None
) -> CollectionRun:
    """Return the run that takes further rows of this sender; the caller holds the lock."""
    begins = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    decision = {**opened.decision, "notes": [], "unusable": []}
    fields = {"file_name": f"sent by {current_actor()}"[:255], "mapping": decision}
    partial = opened.decision["partial"]
    run = (
        CollectionRun.objects.complete()
        .filter(source=source, table=table, job=None, is_partial=partial, **fields)
        .filter(started_at__gte=max(begins, since or begins))
        .first()
    )
    return run or CollectionRun.objects.create(
        source=source, table=table, is_partial=partial, **fields
    )
