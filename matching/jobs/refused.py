"""Tries refused lines of an import again, chunk by chunk."""

from typing import Any, Final

from matching.domain.doors import EVENTS
from matching.domain.log.reader import LogChunk, read_lines
from matching.domain.mending import as_log_line
from matching.jobs.arguments import RetryEvents
from matching.jobs.foreign import as_log
from matching.models import EventBatch, RejectedEvent
from matching.services.refused import (
    Tried,
    land_mended,
    locked_batch,
    open_lines,
    settle_feature_set,
)
from project import clock, words
from project.jobs.contract import Run
from project.mappings.door import MappedChunk
from project.mappings.refused import reading_with
from project.origin import Origin
from project.refusal import Refusal
from project.tabular.mapping import Mapper
from project.tabular.rows import Row

CHUNK_LINES: Final = 1_024  # each may have 64 KiB


def retry_events(run: Run, asked: RetryEvents) -> dict[str, Any]:
    """Land refused lines with their corrections; those that cannot say why, under their line."""

    def begin() -> dict[str, Any]:
        batch = locked_batch(asked.batch)
        return {"batch": batch.pk, "total": open_lines(batch.pk, asked.lines).count()}

    # The step names the batch, which nobody deletes while it is tried again.
    begun = run.once("retry.begin", begin)
    pk, total = begun["batch"], begun["total"]
    if not total:
        raise Refusal(
            f"Batch {pk} has none of these lines any more: they have landed.",
            remedy="Choose lines that are still refused.",
        )
    counts = dict.fromkeys(("tried", "landed", "new", "known", "changed", "untried"), 0)
    left: dict[str, int] = {}
    number = last = 0
    while True:
        done = run.result_of("retry.chunk", number)
        if done is None:
            with run.transaction("retry.chunk", number) as done:
                done.update(_retry_chunk(run, pk, asked, after=last))
        for name in counts:
            counts[name] += done[name]
        for reason, count in done["left"].items():
            left[reason] = left.get(reason, 0) + count
        if done["last"] is None:
            break
        last = done["last"]
        number += 1
        run.report(counts["tried"] + counts["untried"], total, "Trying refused lines again")
    with run.transaction():
        batch = locked_batch(pk)
        settle_feature_set(batch)
    run.add_record(batch)
    still_open = open_lines(pk, None).count()
    result = {
        "batch": pk,
        **counts,
        "left_by_reason": left,
        "still_refused": still_open,
    }
    if not counts["landed"]:
        raise Refusal(
            f"None of the {words.tally(total, 'line')} landed.",
            remedy="Each says why: correct them, and try them again.",
            details=result,
        )
    return result


def _retry_chunk(run: Run, pk: int, asked: RetryEvents, *, after: int) -> dict[str, Any]:
    batch = locked_batch(pk)
    found = open_lines(pk, asked.lines).filter(line__gt=after).order_by("line")
    rows = list(found[:CHUNK_LINES])
    for row in rows:
        row.batch = batch
    tried = [row for row in rows if _is_mendable(row)]
    told: Tried = {
        "tried": 0, "landed": 0, "new": 0, "known": 0, "changed": 0, "left": {}, "untried": 0
    }  # fmt: skip
    if tried:
        told = land_mended(batch, tried, _read(batch, tried), actor=run.by)
    told["untried"] = len(rows) - len(tried)
    return {**told, "last": rows[-1].line if len(rows) == CHUNK_LINES else None}


def _is_mendable(row: RejectedEvent) -> bool:
    mended = row.mended
    if mended is None:
        return False
    # A row of a table has columns; a line of the log is anything but blank.
    return isinstance(mended, dict) if row.batch.reading else bool(mended)


def _read(batch: EventBatch, rows: list[RejectedEvent]) -> LogChunk:
    now, origin = clock.now(), Origin.of_code(batch.origin)
    mapping = batch.reading
    if mapping is None:
        return read_lines(
            [as_log_line(row.mended or "", row.correction) for row in rows],
            now=now,
            origin=origin,
            numbers=[row.line for row in rows],
        )
    mapping = reading_with(mapping, EVENTS, [row.correction for row in rows])
    came = [Row(row.line, mended) for row in rows if isinstance(mended := row.mended, dict)]
    mapped = Mapper(EVENTS, mapping).apply([row.values or {} for row in came])
    return as_log(MappedChunk(came, mapped), now=now, origin=origin)
