"""The work of jobs that write people, groups, trips, events and refused rows into files."""

from functools import partial
from typing import Any

from matching.domain.log.writer import write_log
from matching.jobs.arguments import ExportEvents, ExportPeople
from matching.models import EventBatch, ProfileImport, SeedUser, TravelGroup, TravelSession
from matching.queries.exports import (
    EventRows,
    event_rows,
    events_table,
    people_chunk,
    refused_chunk,
)
from project.exporting.making import Chunk, Rows, write_export
from project.exporting.refused import refused_rows
from project.exports.models import Format
from project.jobs.contract import Run
from project.refusal import Refusal

PEOPLE_PERMISSION = "matching.export_people"
EVENTS_PERMISSION = "matching.export_events"
_MODELS = {"people": SeedUser, "groups": TravelGroup, "sessions": TravelSession}


def export_people(run: Run, asked: ExportPeople) -> dict[str, Any]:
    """Write people, groups or sessions, or the refused rows of one file of them."""
    if asked.what == "refused":
        file = ProfileImport.objects.filter(pk=asked.of_import or 0).first()
        if file is None:
            raise Refusal(
                f"There is no import {asked.of_import} with refused rows.",
                remedy="The list of refused rows in the admin names the file of each.",
            )
        read = partial(refused_chunk, "people", [file.pk])
        what = f"refused-{file.holds}"
        rows = refused_rows(run, what, PEOPLE_PERMISSION, read, asked.format)
        return write_export(run, rows, asked.format)

    def chunk(after: Any) -> Chunk:
        table, following = people_chunk(asked.what, after or 0)
        return Chunk(table, table.num_rows, following)

    total = _MODELS[asked.what]._default_manager.count()
    return write_export(run, Rows(asked.what, PEOPLE_PERMISSION, chunk, total), asked.format)


def export_events(run: Run, asked: ExportEvents) -> dict[str, Any]:
    """Write the events of batches, or the lines of their logs that are still refused."""
    found = EventBatch.objects.in_bulk(asked.batches)
    absent = [str(pk) for pk in asked.batches if pk not in found]
    if absent:
        raise Refusal(
            f"There is no batch {', '.join(absent)}.",
            remedy="`manage.py status` shows the batches.",
        )
    if asked.what == "refused":
        read = partial(refused_chunk, "events", asked.batches)
        rows = refused_rows(run, "refused-events", EVENTS_PERMISSION, read, asked.format)
        return write_export(run, rows, asked.format)
    events = event_rows([found[pk] for pk in asked.batches])
    rows = Rows("events", EVENTS_PERMISSION, _chunks_of(events, asked.format), events.total)
    return write_export(run, rows, asked.format)


def _chunks_of(events: EventRows, form: Format) -> Any:
    def chunk(after: Any) -> Chunk:
        rows, batch, following = events.chunk(*(after or (0, 0)))
        feature_set = batch.feature_set
        # Lines are those of the event log, the same that `export_events` writes.
        content = (
            write_log(rows, feature_set) if form == "jsonl" else events_table(rows, feature_set)
        )
        return Chunk(content, len(rows), following)

    return chunk
