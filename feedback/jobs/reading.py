"""Reads one table of one source: its window, its chunks, and whether the counts agree."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import orjson
from psycopg import sql

from feedback.domain.door import DOORS, columns_at_source, landing_columns
from feedback.domain.parsing import EARLIEST, FUTURE_TOLERANCE
from feedback.domain.row_format import decode_row
from feedback.domain.tables import TABLES, source_table
from feedback.jobs.comparing import mark_unseen
from feedback.jobs.landing import LAND_ROWS, land_chunk
from feedback.jobs.source_mapping import HowAsked, decide_reading, mapping_of, reads_deeper
from feedback.models import CollectionCursor, CollectionRun, model_of
from feedback.queries.relations import (
    FAR_BELOW,
    RemoteRelation,
    describe_gap,
    describe_relation,
    is_far_below,
    table_of,
)
from feedback.queries.remote import (
    Remote,
    SourceUnreachable,
    all_of,
    moment_literal,
)
from feedback.services.changes import settle_change
from feedback.services.gone import stored_between
from feedback.services.landing import Landing, ParsedChunk, row_format
from feedback.services.runs import note_on_run, open_window, widen_start
from feedback.services.shared import mark_shared_rows
from project import words
from project.jobs.contract import Run
from project.mappings.door import changes_values
from project.tabular.mapping import Mapper

# Of one chunk; three are in memory at once, decoded too. A usual row has some hundred bytes, so
# that the number of rows ends the chunk.
LAND_BYTES = 8 * 1024 * 1024
SLICE_ROWS = 128  # at most 8 MB of the longest rows
EARLIEST_MOMENT: datetime = EARLIEST.item().replace(tzinfo=UTC)
TOLERANCE: timedelta = FUTURE_TOLERANCE.astype("m8[us]").item()

Chunk = TypeVar("Chunk")


@dataclass(frozen=True)
class _Window:
    """Which rows of a table one run reads.

    Attributes
    ----------
    main : condition on rows with a believable time of creation.
    odd : condition on those without: read each time, refused, and never moving the cursor.
    changed : condition on rows before the window whose source says that they were changed.
    start, end : the times that `main` lies between; None: whatever is there.
    """

    main: sql.Composable
    odd: sql.Composable | None
    changed: sql.Composable | None
    moves_cursor: bool
    start: datetime | None = None
    end: datetime | None = None


class TableReading:
    """One reading of one table: `reading` is the run that counts it, `run` the job's, if any."""

    def __init__(
        self,
        remote: Remote,
        reading: CollectionRun,
        run: Run | None,
        *,
        on_change: str,
        is_full: bool,
        how: HowAsked,
    ) -> None:
        self.how = how
        self.mapper: Mapper | None = None
        self.remote, self.reading, self.run, self.is_full = remote, reading, run, is_full
        self.on_change, self.refused_because = settle_change(reading.table, on_change)
        self.returned = 0
        self.spec = TABLES[reading.table]
        self.now = remote.now()
        self.cursor, _ = CollectionCursor.objects.get_or_create(
            source=reading.source, table=reading.table
        )

    def read(self) -> None:
        """Land every row of the window.

        Raises
        ------
        SourceUnreachable
            When not as many rows came as the source counts; what came is kept.
        ColumnsRefused
            When values wait for a person, or too much of a column cannot be used; nothing landed.
        """
        reading, source = self.reading, self.reading.source
        name = source_table(self.spec, source.mapping)
        relation = describe_relation(self.remote, source.schema, name)
        self.known = columns_at_source(self.spec, source.mapping, relation.columns)
        self.table = table_of(relation, source, self.known)
        reading.estimate = relation.estimate
        reading.hidden_by = " ".join(relation.hidden_by)
        reading.save(update_fields=["estimate", "hidden_by"])
        window = self._window()
        self._decide(window)
        main_count = self.remote.count(self.table, window.main)
        beside = [where for where in (window.odd, window.changed) if where is not None]
        beside_counts = [self.remote.count(self.table, where) for where in beside]
        limit = self._limit(window)
        self.expected = main_count if limit is None else min(main_count, limit)
        self.expected += sum(beside_counts)
        CollectionRun.objects.filter(pk=reading.pk).update(
            source_count=main_count + sum(beside_counts)
        )

        self.seen: list[bytes] | None = None
        if not reading.hidden_by and stored_between(reading, window.start, window.end):
            self.seen = []
        for where, count in zip(beside, beside_counts, strict=True):
            if count:
                rows = self.remote.rows(self.table, where, limit=None, counted=count)
                self._land(rows, moves_cursor=False)
        main = self.remote.rows(self.table, window.main, limit=limit, counted=main_count)
        self._land(main, moves_cursor=window.moves_cursor)
        reading.refresh_from_db()
        if limit is not None:
            # Rows of one instant without an id are taken together, beyond the limit if need be.
            beyond = 0 if self.table.identity else max(0, reading.found - self.expected)
            reading.remaining = max(0, main_count - limit - beyond)
            reading.save(update_fields=["remaining"])
        if not reading.counts_agree:
            raise SourceUnreachable(
                f"{words.tally(reading.found, 'row')} came, but the source counts "
                f"{reading.source_count:,} in "
                "the same snapshot. What came was kept; collect again."
            )
        if self.table.is_timed:
            widen_start(reading, self.cursor)
            self._remember_changes(window)
        if self.seen is not None and not reading.remaining:
            self._mark_gone(window, self.seen)
        if self.returned:
            note_on_run(
                reading,
                f"{words.tally(self.returned, 'row')} that "
                f"{words.bend(self.returned, 'was', 'were')} gone "
                f"{words.bend(self.returned, 'is', 'are')} there again.",
            )
        if reading.new or reading.gone or self.returned or self.is_full:
            with nullcontext() if self.run is None else self.run.transaction():
                mark_shared_rows(reading, since=None if window.changed else window.start)
        self._note_gap(relation)

    def _mark_gone(self, window: _Window, seen: list[bytes]) -> None:
        """Mark the stored rows of the window that did not come."""
        gone = mark_unseen(
            self.remote,
            self.table,
            self.reading,
            self.run,
            seen=seen,
            start=window.start,
            end=window.end,
        )
        if gone:
            self.reading.gone = gone
            self.reading.save(update_fields=["gone"])

    def _remember_changes(self, window: _Window) -> None:
        """Remember until when changed rows were read; after a reading of a part, nothing."""
        self.cursor.refresh_from_db()
        if self.is_full:
            self.cursor.starts_at = None
        if self._changed_column and window.end is None and window.moves_cursor:
            whole = window.changed is not None or window.start is None
            self.cursor.changed_at = self.now if whole else self.cursor.changed_at
        self.cursor.save(update_fields=["starts_at", "changed_at", "updated_at"])

    @property
    def _changed_column(self) -> str:
        """The column that says when a row was changed last, empty where there is none."""
        name = self.reading.source.changed_column
        return name if self.table.has_times(name) else ""

    def _note_gap(self, relation: RemoteRelation) -> None:
        """Note where far fewer rows are seen than the source's server believes to have."""
        if relation.hidden_by or relation.estimate is None:
            return
        kept = model_of(self.reading.table).objects.filter(source=self.reading.source).count()
        if not is_far_below(kept, relation.estimate):
            return
        # A count of all is for the few tables of which we do not know more already.
        seen = self.remote.count_up_to(self.table, most=relation.estimate // FAR_BELOW + 1)
        if is_far_below(seen, relation.estimate):
            note_on_run(self.reading, self.remote.masked(describe_gap(seen, relation.estimate)))

    def _window(self) -> _Window:
        reading, moment = self.reading, self.table.moment_expression
        if not self.table.is_timed:
            note_on_run(
                reading,
                f"{self.table.moment} is of type {self.table.columns[self.table.moment]}, so that "
                "the source cannot sort by it: the whole table is read each time, without window "
                "or limit.",
            )
            return _Window(sql.SQL("true"), None, None, moves_cursor=False)
        position = self.cursor.position_at
        start = reading.window_start
        is_usual = start is None and reading.window_end is None and not self.is_full
        goes_on = start is None or (
            reading.row_limit and position is not None and position >= start
        )
        if position is not None and goes_on and not self.is_full:
            start = max(filter(None, [position - reading.source.overlap, reading.window_start]))
        latest = self.now + TOLERANCE
        lower = max(start or EARLIEST_MOMENT, EARLIEST_MOMENT)
        conditions = [
            sql.SQL("{} >= {}").format(moment, moment_literal(lower)),
            sql.SQL("{} <= {}").format(moment, moment_literal(latest)),
        ]
        if reading.window_end is not None:
            conditions.append(sql.SQL("{} < {}").format(moment, moment_literal(reading.window_end)))
        odd = sql.SQL("({moment} IS NULL OR {moment} > {latest} OR {moment} < {earliest})").format(
            moment=moment,
            latest=moment_literal(latest),
            earliest=moment_literal(EARLIEST_MOMENT),
        )
        open_window(reading, self.cursor, start=start, end=reading.window_end or self.now)
        # A window beyond the cursor leaves a gap before it, which the next run has to read.
        leaves_no_gap = position is None or start is None or start <= position
        return _Window(
            all_of(conditions),
            odd,
            self._changed_since(lower) if is_usual and start is not None else None,
            moves_cursor=leaves_no_gap,
            start=start,
            end=reading.window_end,
        )

    def _changed_since(self, before: datetime) -> sql.Composable | None:
        """Return the condition on rows made before a time and changed since they were read."""
        if not self._changed_column:
            return None
        moment = self.table.moment_expression
        earliest = max(self.cursor.starts_at or EARLIEST_MOMENT, EARLIEST_MOMENT)
        conditions = [
            sql.SQL("{} >= {}").format(moment, moment_literal(earliest)),
            sql.SQL("{} < {}").format(moment, moment_literal(before)),
        ]
        if self.cursor.changed_at is not None:
            since = self.cursor.changed_at - self.reading.source.overlap
            changed = self.table.time_expression(self._changed_column)
            conditions.append(sql.SQL("{} >= {}").format(changed, moment_literal(since)))
        return all_of(conditions)

    def _decide(self, window: _Window) -> None:
        """Decide how values are read, over all rows of the window."""
        decision = decide_reading(
            self.remote, self.table, window.main, self.reading, self.known, self.how
        )
        if decision is None:
            return
        reading = self.reading
        reading.mapping, reading.is_partial = dict(decision), decision["partial"]
        reading.save(update_fields=["mapping", "is_partial"])
        mapping = mapping_of(decision)
        if changes_values(mapping) or reads_deeper(mapping, self.known):
            self.mapper = Mapper(DOORS[reading.table], mapping)
            self.known = landing_columns(mapping)

    def _parse(self, landing: Landing, chunk: list[bytes]) -> ParsedChunk:
        """Check a chunk; rows that a mapping changes are kept as they came where they are
        refused."""
        if self.mapper is None:
            return landing.parse(chunk)
        came = [row if isinstance(row := decode_row(one), dict) else {} for one in chunk]
        mapped = self.mapper.apply(came)
        raw = [orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in mapped]
        return landing.parse(raw, rows=mapped, came=came)

    def _limit(self, window: _Window) -> int | None:
        """Return the most rows to read: the limit, and those that only the overlap reads again."""
        if self.reading.row_limit is None or not self.table.is_timed:
            return None
        limit = self.reading.row_limit
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
            run=self.reading,
            form=row_format(self.reading.source, self.reading.table, self.known),
            now=self.now,
            cursor=self.cursor,
            moves_cursor=moves_cursor,
            latest=self.now,
            on_change=self.on_change,
            refused_because=self.refused_because,
            seen=self.seen,
        )
        done = 0
        title = f"{self.reading.source.name}: {self.spec.default_table}"
        # Three at once: the source reads rows, this process checks those before, and the database
        # takes those before them.
        with (
            closing(_work_ahead(_chunks(fetches))) as read,
            closing(_work_ahead(self._parse(landing, chunk) for chunk in read)) as chunks,
        ):
            for chunk in chunks:
                land_chunk(self.run, landing, chunk)
                done += len(chunk.raw)
                if self.run is not None:
                    self.run.report(done, self.expected, title)
        self.returned += landing.returned


def _chunks(fetches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    """Gather rows for one transaction: as many as it takes well, or as memory does."""
    chunk: list[bytes] = []
    size = 0
    for fetched in fetches:
        for begin in range(0, len(fetched), SLICE_ROWS):
            rows = fetched[begin : begin + SLICE_ROWS]
            chunk += rows
            size += sum(map(len, rows))
            if len(chunk) >= LAND_ROWS or size >= LAND_BYTES:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk


def _work_ahead(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    """Make the next chunk ready while this one is worked on; two are in memory at most."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="feedback-reader") as reader:
        following = reader.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = reader.submit(next, chunks, None)
            yield chunk
