"""Imports files of feedback: how they are read is decided first, then the good rows land, each
once, and the bad ones say why not."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC
from pathlib import Path
from typing import cast

import numpy as np

from feedback.domain.changes import OnChange
from feedback.domain.door import DOORS, landing_columns
from feedback.domain.file_rows import LIMITS, FileRows, feedback_rows
from feedback.domain.parsing import parse_rows
from feedback.domain.tables import TABLES
from feedback.jobs.arguments import DEFAULT_SOURCE, ImportFeedback
from feedback.jobs.counting import count_landed
from feedback.jobs.landing import LAND_ROWS, land_chunk
from feedback.models import CollectionRun, FeedbackSource, RejectedRecord
from feedback.queries.runs import CheckedFile, ImportedFile, RefusedLine
from feedback.services.landing import Landing, ParsedChunk, begin_landing, row_format
from feedback.services.runs import begin_run, complete_run
from feedback.services.shared import mark_shared_rows
from feedback.services.sources import SYNTHETIC_NAME, file_source, synthetic_source
from project import clock, words
from project.ahead import Reins, ahead
from project.jobs.contract import Run, stored_arguments
from project.mappings.door import Decision, OpenTable, open_table, reopen_table
from project.origin import Origin
from project.refusal import Refusal
from project.uploads.services import get_upload, path_of, release_upload

SHOWN_ERRORS = 100
KIND = "feedback.import_feedback"


def import_file(
    path: Path,
    *,
    table: str,
    source: FeedbackSource,
    name: str = "",
    columns: Mapping[str, str] | None = None,
    on_change: str = OnChange.REPLACE,
    asked: ImportFeedback | None = None,
    opened: OpenTable | None = None,
    run: Run | None = None,
) -> ImportedFile:
    """Land the rows of a file, each once; returns the counts and the first refused rows.

    `columns` says what the file calls the columns that it calls otherwise; `name` is the name that
    people know the file by; `asked` says how the file is read, `opened` is one of which that was
    decided. Of a job, `run` is its hold on it.

    Raises
    ------
    Refusal
        When the file is not readable, or lacks a column that cannot be done without; when what
        would change values waits for a person; when too much of a column cannot be used; when no
        row of it could land.
    """
    if opened is None:
        opened = _open(path, table, name, columns or {}, asked, source, run)
    reading = begin_run(
        source, table, job_id=None if run is None else run.job_id, file_name=opened.file.name[:255]
    )
    CollectionRun.objects.filter(pk=reading.pk).update(
        mapping=opened.decision, is_partial=opened.decision["partial"]
    )
    landing = begin_landing(reading, landing_columns(opened.mapping), on_change=on_change)
    done = 0
    # The next chunk is read and parsed while the database takes this one.
    reins = None if run is None else Reins(run.check)
    for lines, parsed in ahead(_parsed(opened, landing, reins), reins):
        land_chunk(run, landing, parsed, lines=lines)
        done += len(lines)
        if run is not None:
            run.report(done, None, f"{opened.file.name}: {words.tally(done, 'row')}")
    complete_run(reading)
    if reading.new:
        with nullcontext() if run is None else run.transaction():
            mark_shared_rows(reading)
    refused = RejectedRecord.objects.open().filter(run_id=reading.pk).order_by("line_number")
    outcome: ImportedFile = {
        "run": reading.pk,
        "found": reading.found,
        "new": reading.new,
        "known": reading.known,
        "changed": reading.changed,
        "rejected": reading.rejected,
        "reasons": reading.reasons,
        "missing": reading.missing,
        "mapping": opened.decision["mapping_name"],
        "notes": [*opened.decision["notes"], *opened.decision["unusable"]],
        "partial": opened.decision["partial"],
        "errors": [
            {"line": one.line_number, "reason": one.reason, "detail": one.detail}
            for one in refused[:SHOWN_ERRORS]
        ],
    }
    if reading.found == reading.rejected:
        first = outcome["errors"][0]
        raise Refusal(
            f"None of the {words.tally(reading.found, 'row')} of {opened.file.name} landed. Line "
            f"{first['line']}: {first['detail']}",
            remedy="Mend the file and import it again, or correct the refused rows in the admin.",
            details=dict(outcome),
        )
    return outcome


def check_file(
    path: Path,
    *,
    table: str,
    name: str = "",
    columns: Mapping[str, str] | None = None,
    asked: ImportFeedback | None = None,
    run: Run | None = None,
) -> CheckedFile:
    """Check the rows of a file as `import_file` would, and write nothing."""
    found, accepted = 0, 0
    reasons: Counter[str] = Counter()
    errors: list[RefusedLine] = []
    seen: set[bytes] = set()
    now = np.datetime64(clock.now().astimezone(UTC).replace(tzinfo=None), "us")
    opened = _open(path, table, name, columns or {}, asked, FeedbackSource(), run)
    form = row_format(FeedbackSource(), table, landing_columns(opened.mapping))
    for chunk in _chunks(opened, run):
        parsed = parse_rows(chunk.raw, form, now=now, rows=chunk.decoded)
        found += len(chunk.raw)
        uids = {uid.tobytes() for uid in parsed.columns["uid"]}
        accepted += len(uids - seen)
        seen |= uids
        if run is not None:
            run.check()
        reasons.update(row.reason for row in parsed.rejected)
        errors += [
            {"line": chunk.lines[row.number], "reason": row.reason, "detail": row.detail}
            for row in parsed.rejected[: SHOWN_ERRORS - len(errors)]
        ]
    return {
        "dry_run": True,
        "found": found,
        "accepted": accepted,
        "rejected": reasons.total(),
        "reasons": dict(reasons),
        "mapping": opened.decision["mapping_name"],
        "notes": [*opened.decision["notes"], *opened.decision["unusable"]],
        "errors": errors,
    }


def _parsed(
    opened: OpenTable, landing: Landing, reins: Reins | None
) -> Iterator[tuple[Sequence[int], ParsedChunk]]:
    # Only rows that were exported here say in a column of ours what they are.
    origin = landing.run.source.origin.value if opened.mapping.is_exact else ""
    for came, mapped in opened.chunks(None if reins is None else reins.told, LAND_ROWS):
        chunk = feedback_rows(came, mapped, origin)
        parsed = landing.parse(chunk.raw, rows=chunk.decoded, came=chunk.came)
        yield chunk.lines, parsed


def _open(
    path: Path,
    table: str,
    name: str,
    columns: Mapping[str, str],
    asked: ImportFeedback | None,
    source: FeedbackSource,
    run: Run | None,
) -> OpenTable:
    """Decide how a file is read, once for a job, whoever works on it."""
    name = name or path.name
    known = {column.name for column in TABLES[table].columns}
    unknown = sorted(set(columns) - known)
    if unknown:
        raise Refusal(
            f"There is no column {unknown[0]!r}; there are {', '.join(sorted(known))}.",
            remedy="Choose another file, table or mapping.",
        )
    if asked is None:
        asked = ImportFeedback.model_construct(table=table)
    if not asked.time_zone and source.naive_timezone:
        asked = asked.model_copy(update={"time_zone": source.naive_timezone})
    door = DOORS[table]

    def told(read_bytes: int) -> None:
        if run is not None:
            run.report(0, None, f"{name}: looking at it, {read_bytes / 1e6:,.0f} MB read")
            run.check()

    if run is None:
        return open_table(path, name, door, asked, limits=LIMITS, columns=columns, told=told)
    decided = run.result_of("import_file.reading")
    if decided is not None:
        return reopen_table(path, name, door, asked, cast(Decision, decided), LIMITS)
    opened = open_table(
        path, name, door, asked, limits=LIMITS, columns=columns, told=told,
        kind=KIND, arguments=stored_arguments(asked), by=run.by, add_record=run.add_record,
        is_trial=asked.dry_run,
    )  # fmt: skip
    run.once("import_file.reading", lambda: opened.decision)
    return opened


def _chunks(opened: OpenTable, run: Run | None) -> Iterator[FileRows]:
    """Yield the rows of a file as they land, and say how far that is."""
    done = 0
    name = opened.file.name

    def told(read_bytes: int) -> None:
        # While no row comes too: a file of blank lines is long.
        if run is not None:
            run.report(
                done, None, f"{name}: {words.tally(done, 'row')}, {read_bytes / 1e6:,.0f} MB read"
            )
            run.check()

    for chunk in opened.chunks(told):
        yield feedback_rows(chunk.came, chunk.mapped)
        done += len(chunk.came)
        if run is not None:
            run.report(done, None, f"{name}: {words.tally(done, 'row')}")


def _source_for(opened: OpenTable, asked: ImportFeedback, run: Run) -> FeedbackSource:
    """The source that keeps the rows: generated ones that were exported stay labelled so."""
    if asked.source in (DEFAULT_SOURCE, SYNTHETIC_NAME) and _is_synthetic(opened):
        return synthetic_source(by=run.user)
    return file_source(asked.source, by=run.user)


def _is_synthetic(opened: OpenTable) -> bool:
    if not opened.mapping.is_exact:
        return False
    for chunk in opened.chunks(size=1):
        for row in chunk.mapped:
            return row is not None and row.get("origin") == Origin.SYNTHETIC
    return False


def import_feedback(run: Run, asked: ImportFeedback) -> ImportedFile | CheckedFile:
    """Land the rows of an uploaded file; rows that are there already are counted as known."""
    done = run.result_of("import_file")
    if done is not None:
        return cast(ImportedFile | CheckedFile, done)
    upload = get_upload(asked.file)
    outcome: ImportedFile | CheckedFile
    if asked.dry_run:
        outcome = check_file(
            path_of(upload),
            name=upload.name,
            table=asked.table,
            columns=asked.columns,
            asked=asked,
            run=run,
        )
    else:
        # A source is made once it is known that rows can come from the file.
        known = FeedbackSource.objects.filter(name=asked.source).first()
        opened = _open(
            path_of(upload),
            asked.table,
            upload.name,
            asked.columns,
            asked,
            known or FeedbackSource(),
            run,
        )
        outcome = import_file(
            path_of(upload),
            name=upload.name,
            table=asked.table,
            asked=asked,
            opened=opened,
            source=_source_for(opened, asked, run),
            on_change=asked.on_change,
            run=run,
        )
    with run.transaction("import_file") as done:
        done.update(outcome)
    if not asked.dry_run:
        count_landed(run)
    release_upload(upload)
    return outcome
