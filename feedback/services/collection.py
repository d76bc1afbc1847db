"""Collects the feedback of a source: every row once, every row accounted for."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction as database_transaction
from django.db.models import F, Q
from django.utils import timezone
from psycopg import sql

from feedback.domain.parsing import EARLIEST, FUTURE_TOLERANCE
from feedback.domain.tables import TABLES, MissingColumn, source_columns, source_table
from feedback.models import CollectionCursor, CollectionRun, FeedbackSource, Table
from feedback.queries.remote import (
    Remote,
    RemoteTable,
    SourceDown,
    SourceUnreachable,
    TableMissing,
    all_of,
    moment_literal,
    open_source,
)
from feedback.services.landing import (
    LAND_ROWS,
    Landing,
    Transaction,
    finish_run,
    row_format,
)
from project.jobs.models import Job
from project.refusal import Refusal

# After failures a scheduled collection waits 5 minutes, 10, 20 ... and at most 6 hours.
FIRST_BACKOFF = timedelta(minutes=5)
LONGEST_BACKOFF = timedelta(hours=6)

EARLIEST_MOMENT: datetime = EARLIEST.item().replace(tzinfo=UTC)
TOLERANCE: timedelta = FUTURE_TOLERANCE.astype("m8[us]").item()

Progress = Callable[[int, int, str], None]
Chunk = TypeVar("Chunk")


def collect(
    source: FeedbackSource,
    *,
    limit: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    tables: Sequence[str] = tuple(Table.values),
    job_id: UUID | None = None,
    transaction: Transaction = database_transaction.atomic,
    progress: Progress | None = None,
) -> list[CollectionRun]:
    """Read what is new at a database and keep it; returns one run for each table.

    Without `start` a table is read from where the last collection came to, less the overlap.
    `limit` is the most rows of each table to go forward; the next collection goes on there. A table
    or source that cannot be read gives a run that failed, and the others go on.

    Raises
    ------
    Refusal
        When the source is not a database, or the window is empty.
    """
    if source.kind != FeedbackSource.Kind.POSTGRES:
        raise Refusal(
            f"{source.name} is of kind {source.kind}; only databases are collected from.",
            remedy="Give a PostgreSQL source, or import files with `manage.py import_feedback`.",
        )
    if start is not None and end is not None and start >= end:
        raise Refusal(
            f"The window from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is empty.",
            remedy="Give a beginning before the end.",
        )
    interrupt_stale_runs(source, job_id)
    runs = []
    for table in tables:
        if not source_table(TABLES[table], source.mapping):
            continue
        run = CollectionRun.objects.create(
            source=source,
            table=table,
            job_id=job_id,
            row_limit=limit,
            window_start=start,
            window_end=end,
        )
        runs.append(run)
        try:
            with open_source(source) as remote:
                _TableCollection(remote, run, transaction, progress).collect()
        except (SourceUnreachable, TableMissing, MissingColumn) as error:
            finish_run(run, CollectionRun.State.FAILED, error=str(error))
            if isinstance(error, SourceDown):
                break
        else:
            finish_run(run, CollectionRun.State.COMPLETE)
    _remember_outcome(source, runs)
    return runs


def interrupt_stale_runs(source: FeedbackSource, job_id: UUID | None) -> int:
    """Mark runs that nobody works on any more: of finished jobs, of this job's earlier attempts."""
    stale = Q(job=job_id) if job_id is not None else Q(job__isnull=True)
    finished = ~Q(job__state__in=Job.ACTIVE) & Q(job__isnull=False)
    return (
        CollectionRun.objects.filter(stale | finished, source=source)
        .filter(state=CollectionRun.State.RUNNING)
        .update(
            state=CollectionRun.State.INTERRUPTED,
            finished_at=timezone.now(),
            error="Its worker was stopped; what it had landed stays, the next run goes on.",
        )
    )


def collect_sources(
    sources: Iterable[FeedbackSource], **options: Any
) -> dict[FeedbackSource, list[CollectionRun]]:
    """Collect from each source; one that fails does not keep the others from being read."""
    return {source: collect(source, **options) for source in sources}


@dataclass(frozen=True)
class _Window:
    """Which rows of a table one run reads.

    Attributes
    ----------
    main : condition on rows with a believable time of creation.
    odd : condition on those without: read each time, refused, and never moving the cursor.
    """

    main: sql.Composable
    odd: sql.Composable | None
    moves_cursor: bool


class _TableCollection:
    """One reading of one table."""

    def __init__(
        self,
        remote: Remote,
        run: CollectionRun,
        transaction: Transaction,
        progress: Progress | None,
    ) -> None:
        self.remote, self.run = remote, run
        self.transaction, self.progress = transaction, progress
        self.spec = TABLES[run.table]
        self.now = remote.now()
        self.cursor, _ = CollectionCursor.objects.get_or_create(source=run.source, table=run.table)

    def collect(self) -> None:
        source = self.run.source
        name = source_table(self.spec, source.mapping)
        columns = self.remote.columns_of(source.schema, name)
        self.known = source_columns(self.spec, source.mapping, columns)
        self.table = RemoteTable(
            source.schema,
            name,
            columns,
            self.known["created_at"],
            self.known.get("id"),
            source.naive_timezone,
        )
        window = self._window()
        main_count = self.remote.count(self.table, window.main)
        odd_count = self.remote.count(self.table, window.odd) if window.odd else 0
        limit = self._limit(window)
        self.expected = main_count if limit is None else min(main_count, limit)
        self.expected += odd_count
        CollectionRun.objects.filter(pk=self.run.pk).update(source_count=main_count + odd_count)

        if window.odd and odd_count:
            self._land(self.remote.rows(self.table, window.odd, limit=None), moves_cursor=False)
        self._land(
            self.remote.rows(self.table, window.main, limit=limit), moves_cursor=window.moves_cursor
        )
        self.run.refresh_from_db()
        if limit is not None:
            # Rows of one instant without an id are taken together, beyond the limit if need be.
            beyond = 0 if self.table.identity else max(0, self.run.found - self.expected)
            self.run.remaining = max(0, main_count - limit - beyond)
            self.run.save(update_fields=["remaining"])
        if not self.run.is_reconciled:
            raise SourceUnreachable(
                f"{self.run.found:,} rows came, but the source counts {self.run.source_count:,} in the "
                "same snapshot. What came was kept; collect again."
            )
        self._widen_start()

    def _window(self) -> _Window:
        run, moment = self.run, self.table.moment_expression
        if not self.table.is_timed:
            self._note(
                f"{self.table.moment} is of type {self.table.columns[self.table.moment]}, so that the "
                "source cannot sort by it: the whole table is read each time, without window or limit."
            )
            return _Window(sql.SQL("true"), None, moves_cursor=False)
        position = self.cursor.position_at
        start = run.window_start
        if position is not None and (start is None or (run.row_limit and position >= start)):
            start = max(filter(None, [position - run.source.overlap, run.window_start]))
        latest = self.now + TOLERANCE
        lower = max(start or EARLIEST_MOMENT, EARLIEST_MOMENT)
        conditions = [
            sql.SQL("{} >= {}").format(moment, moment_literal(lower)),
            sql.SQL("{} <= {}").format(moment, moment_literal(latest)),
        ]
        if run.window_end is not None:
            conditions.append(sql.SQL("{} < {}").format(moment, moment_literal(run.window_end)))
        odd = sql.SQL("({moment} IS NULL OR {moment} > {latest} OR {moment} < {earliest})").format(
            moment=moment,
            latest=moment_literal(latest),
            earliest=moment_literal(EARLIEST_MOMENT),
        )
        CollectionRun.objects.filter(pk=run.pk).update(
            window_start=start, window_end=run.window_end or self.now
        )
        if position is None and run.window_start is not None:
            self.cursor.starts_at = run.window_start
            self.cursor.save(update_fields=["starts_at", "updated_at"])
        # A window beyond the cursor leaves a gap before it, which the next run has to read.
        leaves_no_gap = position is None or start is None or start <= position
        return _Window(all_of(conditions), odd, moves_cursor=leaves_no_gap)

    def _limit(self, window: _Window) -> int | None:
        """Return the most rows to read: the limit, and those that only the overlap reads again."""
        if self.run.row_limit is None or not self.table.is_timed:
            return None
        limit = self.run.row_limit
        if self.cursor.position_at is None:
            return limit
        moment = self.table.moment_expression
        at = moment_literal(self.cursor.position_at)
        behind = sql.SQL("{} <= {}").format(moment, at)
        if self.table.identity is not None and self.cursor.position_id:
            behind = sql.SQL("({m} < {at} OR ({m} = {at} AND {id} <= {last}))").format(
                m=moment,
                at=at,
                id=sql.Identifier(self.table.identity),
                last=sql.Literal(self.cursor.position_id),
            )
        return limit + self.remote.count(self.table, all_of([window.main, behind]))

    def _land(self, fetches: Iterator[list[bytes]], *, moves_cursor: bool) -> None:
        landing = Landing(
            run=self.run,
            form=row_format(self.run.source, self.run.table, self.known),
            transaction=self.transaction,
            now=self.now,
            cursor=self.cursor,
            moves_cursor=moves_cursor,
            latest=self.now,
        )
        done = 0
        title = f"{self.run.source.name}: {self.spec.default_table}"
        # Three at once: the source reads rows, this process checks those before, and the database
        # takes those before them.
        with (
            closing(_work_ahead(_chunks(fetches))) as read,
            closing(_work_ahead(landing.parse(chunk) for chunk in read)) as chunks,
        ):
            for chunk in chunks:
                landing.land(chunk)
                done += len(chunk.raw)
                if self.progress is not None:
                    self.progress(done, self.expected, title)

    def _widen_start(self) -> None:
        """Remember that earlier rows were asked for, when the window reaches what is known."""
        self.cursor.refresh_from_db()
        starts_at = self.cursor.starts_at
        if starts_at is None or not self.table.is_timed or self.run.window_start is None:
            return
        if self.run.window_start < starts_at and (
            self.run.window_end is None or self.run.window_end >= starts_at
        ):
            self.cursor.starts_at = self.run.window_start
            self.cursor.save(update_fields=["starts_at", "updated_at"])

    def _note(self, text: str) -> None:
        self.run.notes = [*self.run.notes, text]
        CollectionRun.objects.filter(pk=self.run.pk).update(notes=self.run.notes)


def _chunks(fetches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for fetched in fetches:
        chunk += fetched
        if len(chunk) >= LAND_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _work_ahead(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    """Make the next chunk ready while this one is worked on; two are in memory at most."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="feedback-reader") as reader:
        following = reader.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = reader.submit(next, chunks, None)
            yield chunk


def _remember_outcome(source: FeedbackSource, runs: Sequence[CollectionRun]) -> None:
    """Let a source that failed wait before the next scheduled collection; longer each time."""
    errors = [run.error for run in runs if run.state == CollectionRun.State.FAILED]
    # By update: a failure is no edit that the history of the source should show.
    these = FeedbackSource.objects.filter(pk=source.pk)
    if not errors:
        these.update(failures=0, retry_after=None, last_error="")
        return
    failures = source.failures + 1
    wait = min(FIRST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
    these.update(
        failures=F("failures") + 1, retry_after=timezone.now() + wait, last_error=errors[0]
    )
