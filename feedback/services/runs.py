"""Begins and ends the runs that read a table, and remembers how a source fared."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q

from feedback.models import CollectionCursor, CollectionRun, FeedbackSource, model_of
from project import clock
from project.jobs.models import Job

# From so many new rows on, the planner's idea of the table is out of date.
ANALYZE_ROWS = 1_000
# After failures a scheduled collection waits 5 minutes, 10, 20 ... and at most 6 hours.
FIRST_BACKOFF = timedelta(minutes=5)
LONGEST_BACKOFF = timedelta(hours=6)


def begin_run(
    source: FeedbackSource, table: str, *, job_id: UUID | None = None, **fields: Any
) -> CollectionRun:
    """Write a run that works from now on, for a job where there is one."""
    return CollectionRun.objects.create(source=source, table=table, job_id=job_id, **fields)


def finish_run(run: CollectionRun, state: str, *, error: str = "") -> None:
    """Say how a run ended, and let the planner know of the rows: reports join these tables."""
    run.refresh_from_db()
    run.state, run.error, run.finished_at = state, error, clock.now()
    run.save(update_fields=["state", "error", "finished_at"])
    if run.table and run.new + run.changed >= ANALYZE_ROWS:
        table = connection.ops.quote_name(model_of(run.table)._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {table}")


@transaction.atomic
def complete_run(run: CollectionRun) -> None:
    """End a run whose rows are all the rows there are: of a file, of the generator, tried again."""
    finish_run(run, CollectionRun.State.COMPLETE)
    run.source_count = run.found
    run.save(update_fields=["source_count"])


def note_on_run(run: CollectionRun, text: str) -> None:
    """Add a remark for people to a run."""
    run.notes = [*run.notes, text]
    run.save(update_fields=["notes"])


def interrupt_stale_runs(source: FeedbackSource, job_id: UUID | None) -> int:
    """Mark runs that nobody works on any more: of finished jobs, of this job's earlier attempts."""
    stale = Q(job=job_id) if job_id is not None else Q(job__isnull=True)
    finished = ~Q(job__state__in=Job.ACTIVE) & Q(job__isnull=False)
    return (
        CollectionRun.objects.filter(stale | finished, source=source)
        .filter(state=CollectionRun.State.RUNNING)
        .update(
            state=CollectionRun.State.INTERRUPTED,
            finished_at=clock.now(),
            error="Its worker was stopped; what it had landed stays, the next run goes on.",
        )
    )


@transaction.atomic
def open_window(
    run: CollectionRun, cursor: CollectionCursor, *, start: datetime | None, end: datetime
) -> None:
    """Write which rows a run reads; the first window of a table says where its rows begin."""
    if cursor.position_at is None and run.window_start is not None:
        cursor.starts_at = run.window_start
        cursor.save(update_fields=["starts_at", "updated_at"])
    # By update: the run itself goes on with the window that was asked for.
    CollectionRun.objects.filter(pk=run.pk).update(window_start=start, window_end=end)


def widen_start(run: CollectionRun, cursor: CollectionCursor) -> None:
    """Remember that earlier rows were asked for, when the window reaches what is known."""
    cursor.refresh_from_db()
    if cursor.starts_at is None or run.window_start is None:
        return
    reaches = run.window_end is None or run.window_end >= cursor.starts_at
    if run.window_start < cursor.starts_at and reaches:
        cursor.starts_at = run.window_start
        cursor.save(update_fields=["starts_at", "updated_at"])


def remember_outcome(source: FeedbackSource, runs: Sequence[CollectionRun]) -> None:
    """Keep what hid rows, and let a source that failed wait before the next scheduled collection.

    It waits longer each time.
    """
    errors = [run.error for run in runs if run.state == CollectionRun.State.FAILED]
    # By update: a failure is no edit that the history of the source should show.
    these = FeedbackSource.objects.filter(pk=source.pk)
    read = {run.table: run.hidden_by for run in runs if run.state != CollectionRun.State.FAILED}
    hidden_by = {table: text for table, text in (source.hidden_by | read).items() if text}
    these.update(hidden_by=hidden_by)
    if not errors:
        these.update(failures=0, retry_after=None, last_error="")
        return
    failures = source.failures + 1
    wait = min(FIRST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
    these.update(failures=F("failures") + 1, retry_after=clock.now() + wait, last_error=errors[0])
