"""Lands events that an application sends: few at a time, at once, by the rules of a log."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import transaction

from matching.domain.doors import EVENTS
from matching.domain.log.account import Account
from matching.domain.log.native import is_native
from matching.domain.log.reader import LogChunk, RejectedLine, read_lines
from matching.jobs.arguments import ImportEvents
from matching.jobs.foreign import LIMITS, as_log, complete_fields
from matching.jobs.imports import unusable_lines
from matching.models import EventBatch
from matching.services.sent import first_line, land_sent, open_sent_batch
from project import clock
from project.mappings.door import MappedChunk, OpenTable, open_table
from project.mappings.sent import as_file, require_confirmed
from project.origin import Origin

NAME = "this request"  # how the words of a refusal call the rows


@dataclass(frozen=True)
class SentEvents:
    """What became of the rows of one request.

    Attributes
    ----------
    batch : the batch that they joined.
    refused : with their place among the rows that were sent, from 0, and why.
    notes : how they were read, a sentence each.
    """

    batch: EventBatch
    account: Account
    refused: tuple[tuple[int, RejectedLine], ...]
    mapping: str
    notes: tuple[str, ...]


@contextmanager
def open_sent(rows: Sequence[Mapping[str, Any]], asked: ImportEvents) -> Iterator[OpenTable | None]:
    """Decide how rows that were sent are read, as of a file of them; None of those written as ours.

    Raises
    ------
    Refusal
        As for a file, and for a mapping that waits for a person.
    """
    require_confirmed(EVENTS, asked.mapping)
    with as_file(rows) as path:
        with path.open("rb") as stream:
            is_ours = not asked.mapping and not asked.columns and is_native(stream)
        if is_ours:
            yield None
            return
        yield open_table(
            path, NAME.capitalize(), EVENTS, asked, limits=LIMITS, columns=asked.columns,
            complete=complete_fields,
        )  # fmt: skip


@transaction.atomic
def land_rows(
    rows: Sequence[Mapping[str, Any]], opened: OpenTable | None, asked: ImportEvents
) -> SentEvents:
    """Land events that were sent, each once; those that cannot be used are kept with the reason.

    They are real: a row that says otherwise is refused.

    Raises
    ------
    Refusal
        Where too much of a field cannot be used; nothing has landed then.
    """
    first = _read(rows, opened, 1)
    reading = None
    if opened is not None:
        reading = {"mapping": opened.decision["mapping"], "format": opened.file.found.format}
    batch = open_sent_batch(
        feature_set=asked.feature_set,
        on_change=asked.on_change,
        reading=reading,
        has_features=bool(first.events.has_features.any()),
        feature_sets=tuple(sorted(first.feature_sets)),
    )
    line = first_line(batch)
    chunk = first if line == 1 else _read(rows, opened, line)
    account, refused = land_sent(batch, chunk, len(rows))
    refusal = unusable_lines(NAME, account) if opened is None else None
    if refusal is not None and not asked.accept_partial:
        raise refusal
    decision = None if opened is None else opened.decision
    return SentEvents(
        batch=batch,
        account=account,
        refused=tuple((one.line - line, one) for one in sorted(refused, key=lambda one: one.line)),
        mapping="" if decision is None else decision["mapping_name"],
        notes=() if decision is None else (*decision["notes"], *decision["unusable"]),
    )


def _read(rows: Sequence[Mapping[str, Any]], opened: OpenTable | None, line: int) -> LogChunk:
    """Read rows as lines of a log of which the first has this number."""
    now = clock.now()
    if opened is None:
        numbers = range(line, line + len(rows))
        lines = [orjson.dumps(row) for row in rows]
        return read_lines(lines, now=now, origin=Origin.REAL.value, numbers=numbers)
    (chunk,) = opened.chunks()  # a request holds fewer rows than a chunk
    came = [row._replace(line=line + place) for place, row in enumerate(chunk.came)]
    return as_log(MappedChunk(came, chunk.mapped), now=now, origin=Origin.REAL.value)
