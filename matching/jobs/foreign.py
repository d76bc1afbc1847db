"""Event logs of other shapes: rows of any table, mapped, and then read as lines of the log."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import orjson

from matching.domain.doors import EVENTS
from matching.domain.features.names import LOG_NAMES
from matching.domain.log.account import LogPreview
from matching.domain.log.format import MAX_LINE_BYTES
from matching.domain.log.native import is_native
from matching.domain.log.reader import LogChunk, RejectedLine, read_lines
from matching.jobs.arguments import ImportEvents
from matching.queries.known_events import preview_log
from project import clock
from project.jobs.contract import Run, stored_arguments
from project.mappings.arguments import ASKS_ORIGIN
from project.mappings.door import Decision, MappedChunk, OpenTable, open_table, reopen_table
from project.origin import Origin
from project.outside import one_line
from project.refusal import Refusal
from project.tabular.rows import EvenChunk, Limits, Row, raw_of
from project.uploads.models import Upload
from project.uploads.services import path_of

LIMITS = Limits(row_bytes=MAX_LINE_BYTES, json_bytes=256 * 1024 * 1024, rows=2**31)
CHUNK_ROWS = 16_384


def open_foreign(run: Run, number: int, stored: Upload, asked: ImportEvents) -> OpenTable | None:
    """Decide how a table of events is read; None for a log that is written as ours.

    It is decided once for a job, whoever works on it.
    """
    decided = run.result_of("import.reading", number)
    if decided is None:
        with path_of(stored).open("rb") as stream:
            if not asked.mapping and not asked.columns and is_native(stream):
                run.once("import.reading", lambda: {"is_native": True}, number)
                return None
    elif decided.get("is_native"):
        return None
    else:
        decision = cast(Decision, decided)
        return reopen_table(path_of(stored), stored.name, EVENTS, asked, decision, LIMITS)
    opened = open_table(
        path_of(stored), stored.name, EVENTS, asked, limits=LIMITS, columns=asked.columns,
        kind="matching.import_events", arguments=stored_arguments(asked), by=run.by,
        complete=complete_fields, add_record=run.add_record,
    )  # fmt: skip
    run.once("import.reading", lambda: opened.decision, number)
    return opened


def preview_table(path: Path, name: str, asked: ImportEvents) -> LogPreview | None:
    """Say what an import of a table would find; None for a log that is written as ours.

    Nothing is confirmed or kept, but the proposal that a refusal names.
    """
    with path.open("rb") as stream:
        if not asked.mapping and not asked.columns and is_native(stream):
            return None
    table = open_table(
        path, name, EVENTS, asked, limits=LIMITS, columns=asked.columns, complete=complete_fields,
        is_trial=True,
    )  # fmt: skip
    now = clock.now()
    origin = asked.origin or origin_of_table(table, now)
    chunks = foreign_chunks(table, now=now, origin=origin, skipped=0)
    found = preview_log(path, name, origin=origin, chunks=chunks)
    notes = [*table.decision["notes"], *table.decision["unusable"]]
    return {**found, "is_whole": True, "notes": notes}


def complete_fields(columns: frozenset[str], others: Sequence[str]) -> Mapping[str, Any]:
    """What a table of these fields need not say: whom it is about says the kind of match."""
    constants: dict[str, Any] = {}
    has_features = any(name.startswith("features.") for name in columns)
    unknown = [name.partition(".")[2] for name in others if name.startswith("features.")]
    if unknown and not has_features:
        raise Refusal(
            f"None of the features of the log is known: {one_line(', '.join(unknown[:20]))}.",
            remedy=f"Name them {', '.join(LOG_NAMES[:3])} and so on, or say which is which: "
            f"--column features.{LOG_NAMES[0]}=features.THEIRS.",
        )
    if "matchType" not in columns:
        is_group = "groupId" in columns and "targetId" not in columns
        constants["matchType"] = "user_group" if is_group else "user_user"
    if not has_features and not columns & {"userId", "targetId", "groupId"}:
        raise Refusal(
            "The table has neither features of matches nor people: no column is userId, targetId "
            "or one of the feature names.",
            remedy="Say which column names the person: --column userId=THEIRS --column "
            "targetId=THEIRS.",
        )
    return constants


def origin_of_table(table: OpenTable, now: datetime) -> str:
    """Return what the first rows say that they are: real or synthetic.

    Raises
    ------
    Refusal
        Where they do not say it.
    """
    for chunk in foreign_chunks(table, now=now, origin=None, skipped=0):
        said = chunk.events.source[chunk.events.source > 0]
        if len(said):
            return Origin.of_code(said[0])
        if chunk.rejected and not len(chunk.events):
            first = chunk.rejected[0]
            raise Refusal(
                f"None of the first {len(chunk.rejected):,} rows of {table.file.name} can be "
                f"taken. Line {first.line}: {first.message}",
                remedy="Mend the file, or say how its columns are read.",
            )
        break
    raise Refusal(
        f"{table.file.name} says neither that its events are real nor that they are synthetic.",
        remedy="Say it with --origin real or --origin synthetic.",
        details=ASKS_ORIGIN,
    )


def foreign_chunks(
    table: OpenTable,
    *,
    now: datetime,
    origin: str | None,
    skipped: int,
    told: Callable[[int], None] | None = None,
) -> Iterator[LogChunk]:
    """Yield the rows of a table as chunks of the log, without the first `skipped` ones.

    `next_line` is the line of the last row and one more; `next_offset` says nothing.
    """
    line = 0
    for number, chunk in enumerate(table.chunks(told, CHUNK_ROWS)):
        came = _on_own_lines(chunk.came, line)
        line = came[-1].line
        if number >= skipped:
            yield as_log(chunk._replace(came=came), now=now, origin=origin)


def _on_own_lines(came: Sequence[Row], last: int) -> Sequence[Row]:
    """Rows of which each has a line of its own, after `last`: JSON may have them all on one."""
    if isinstance(came, EvenChunk):
        return came
    lines = [row.line for row in came]
    if lines[0] > last and all(one < two for one, two in pairwise(lines)):
        return came
    found = []
    for row in came:
        last = max(row.line, last + 1)
        found.append(row._replace(line=last))
    return found


def as_log(chunk: MappedChunk, *, now: datetime, origin: str | None) -> LogChunk:
    """Read rows of a table, each on a line of its own, as lines of the log."""
    lines, numbers, originals, refused = [], [], [], []
    for row, mapped in zip(chunk.came, chunk.mapped, strict=True):
        if mapped is None:
            refused.append(_unreadable(row, row.problem))
            continue
        event = {name: value for name, value in mapped.items() if value is not None}
        event.setdefault("features", {})
        try:
            lines.append(orjson.dumps(event))
            originals.append(orjson.dumps(row.values))
        except orjson.JSONEncodeError:
            said = "Expected whole numbers of 64 bits and text without halves of characters."
            refused.append(_unreadable(row, said))
            continue
        numbers.append(row.line)
    log = read_lines(
        lines, now=now, origin=origin, numbers=numbers, originals=originals,
        next_line=chunk.came[-1].line + 1 if chunk.came else 1,
    )  # fmt: skip
    rejected = sorted([*log.rejected, *refused], key=lambda one: one.line)
    return replace(log, rejected=rejected)


def _unreadable(row: Row, said: str) -> RejectedLine:
    """Refuse a row of which it is not clear what is in which column, or that no log can hold."""
    raw, is_cut = raw_of(row)
    return RejectedLine(row.line, "unreadable_row", said, raw, is_cut=is_cut)
