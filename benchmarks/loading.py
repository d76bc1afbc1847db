"""Events into PostgreSQL: crash-safe chunks with COPY against Django's bulk_create."""

import statistics
from typing import Any

from benchmarks.figures import Figure
from benchmarks.measure import alternate, rate, ratio
from benchmarks.servers import clean, connect

TARGET_RATIO = 10.0
PEER_SHARE = 8  # the peer writes an eighth of the rows, or one run would take minutes
PEER_BATCH = 2_000  # rows a statement; 1,000 and 5,000 are no faster


def run(rows: int, runs: int) -> list[Figure]:
    """Return rows a second of both ways into the same table, with its indexes, and their ratio.

    Both start from rows in memory and end with the commit. The peer gets its model instances ready
    made, and one transaction for all of them.
    """
    connect()
    from django.db import connection, transaction

    from matching.jobs.arguments import GenerateEvents
    from matching.jobs.generation import generate
    from matching.models import EventBatch, MatchEvent
    from matching.queries.generations import load_generation
    from matching.services.generation import as_rows
    from project.bulk import copy_rows
    from project.jobs.models import Job
    from project.jobs.run import JobRun

    clean()

    def begin() -> JobRun:
        job = Job.objects.create(kind="matching.generate_events", state="running", fence=1)
        return JobRun(job, 1)

    made = EventBatch.objects.get(pk=generate(begin(), GenerateEvents(count=rows))["batch"])
    generation = load_generation(made)
    chunks = [generation.make_chunk(number) for number in range(generation.chunk_count)]
    template = {
        "method": made.method,
        "origin": made.origin,
        "feature_set": made.feature_set,
        "asked": rows,
    }
    peer_rows = rows // PEER_SHARE

    def next_batch() -> EventBatch:
        from uuid import uuid4

        return EventBatch.objects.create(uid=uuid4(), **template)

    def with_copy() -> float:
        work, batch = begin(), next_batch()

        def load() -> None:
            for number, columns in enumerate(chunks):
                with work.transaction("generate.chunk", number) as result:
                    table = MatchEvent._meta.db_table
                    result["rows"] = copy_rows(connection, table, as_rows(columns, batch))

        return rate(rows, load)

    def with_bulk_create() -> float:
        events = _instances(chunks, next_batch(), peer_rows)

        def load() -> None:
            with transaction.atomic():
                MatchEvent.objects.bulk_create(events, batch_size=PEER_BATCH)

        return rate(peer_rows, load)

    ours, theirs = alternate(runs, with_copy, with_bulk_create)
    return [
        Figure(
            "events into PostgreSQL, rows/s",
            statistics.median(ours),
            rows,
            note=f"bulk_create {statistics.median(theirs):,.0f}",
            runs=ours,
        ),
        Figure(
            "events into PostgreSQL, times bulk_create",
            ratio(ours, theirs),
            rows,
            TARGET_RATIO,
            at_least=True,
            runs=[mine / other for mine, other in zip(ours, theirs, strict=True)],
        ),
    ]


def _instances(chunks: list[dict[str, Any]], batch: Any, count: int) -> list[Any]:
    """Make the same rows as objects, the way a program without COPY has them."""
    import numpy as np

    from matching.models import MatchEvent
    from matching.services.generation import as_rows

    events: list[Any] = []
    for columns in chunks:
        rows = as_rows(columns, batch)
        left = count - len(events)
        values: list[list[Any]] = []
        for name, column in rows.items():
            taken = column[:left]
            if name == "occurred_at":
                values.append([f"{moment}Z" for moment in np.datetime_as_string(taken)])
            elif taken.dtype.kind == "f":
                values.append([None if value != value else value for value in taken.tolist()])
            else:
                values.append(taken.tolist())
        events += [
            MatchEvent(**dict(zip(rows, row, strict=True))) for row in zip(*values, strict=True)
        ]
        if len(events) >= count:
            break
    return events
