"""Imports files of feedback: the good rows land, each once, the bad ones say why not."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC
from itertools import chain, islice
from pathlib import Path
from typing import cast

import numpy as np
from django.utils import timezone

from feedback.domain.changes import OnChange
from feedback.domain.file_rows import FileRow, chunked, read_feedback_rows
from feedback.domain.parsing import parse_rows
from feedback.domain.row_format import MAX_ROW_BYTES
from feedback.domain.tables import (
    TABLES,
    MappingError,
    MissingColumn,
    check_mapping,
    source_columns,
)
from feedback.jobs.arguments import ImportFeedback
from feedback.jobs.landing import land_chunk
from feedback.models import FeedbackSource, RejectedRecord
from feedback.queries.runs import CheckedFile, ImportedFile, RefusedLine
from feedback.services.landing import begin_landing, row_format
from feedback.services.runs import begin_run, complete_run
from feedback.services.shared import mark_shared_rows
from feedback.services.sources import file_source
from project.jobs.contract import Run
from project.refusal import Refusal
from project.tabular.rows import FileRefused
from project.uploads.services import get_upload, release_upload

LOOKED_AT_ROWS = 1_000  # at the head of a file, to learn its columns
SHOWN_ERRORS = 100


def import_file(
    path: Path,
    *,
    table: str,
    source: FeedbackSource,
    name: str = "",
    columns: Mapping[str, str] | None = None,
    on_change: str = OnChange.REPLACE,
    run: Run | None = None,
) -> ImportedFile:
    """Land the rows of a file, each once; returns the counts and the first refused rows.

    `columns` says what the file calls the columns that it calls otherwise; `name` is the name that
    people know the file by. Of a job, `run` is its hold on it.

    Raises
    ------
    Refusal
        When the file is not readable, or lacks a column that cannot be done without.
    """
    name = name or path.name
    with _rows_of(path, name, table, columns or {}, run) as (known, chunks):
        reading = begin_run(
            source, table, job_id=None if run is None else run.job_id, file_name=name[:255]
        )
        landing = begin_landing(reading, known, on_change=on_change)
        done = 0
        for chunk in chunks:
            parsed = landing.parse([one.raw for one in chunk], rows=[one.row for one in chunk])
            land_chunk(run, landing, parsed, lines=[one.line for one in chunk])
            done += len(chunk)
            if run is not None:
                run.report(done, None, f"{name}: {done:,} rows")
    complete_run(reading)
    if reading.new:
        with nullcontext() if run is None else run.transaction():
            mark_shared_rows(reading)
    refused = RejectedRecord.objects.open().filter(run_id=reading.pk).order_by("line_number")
    return {
        "run": reading.pk,
        "found": reading.found,
        "new": reading.new,
        "known": reading.known,
        "changed": reading.changed,
        "rejected": reading.rejected,
        "reasons": reading.reasons,
        "missing": reading.missing,
        "errors": [
            {"line": one.line_number, "reason": one.reason, "detail": one.detail}
            for one in refused[:SHOWN_ERRORS]
        ],
    }


def check_file(
    path: Path,
    *,
    table: str,
    name: str = "",
    columns: Mapping[str, str] | None = None,
    run: Run | None = None,
) -> CheckedFile:
    """Check the rows of a file as `import_file` would, and write nothing."""
    name = name or path.name
    found, accepted = 0, 0
    reasons: Counter[str] = Counter()
    errors: list[RefusedLine] = []
    seen: set[bytes] = set()
    now = np.datetime64(timezone.now().astimezone(UTC).replace(tzinfo=None), "us")
    with _rows_of(path, name, table, columns or {}, run) as (known, chunks):
        form = row_format(FeedbackSource(), table, known)
        for chunk in chunks:
            parsed = parse_rows(
                [one.raw for one in chunk], form, now=now, rows=[one.row for one in chunk]
            )
            found += len(chunk)
            uids = {uid.tobytes() for uid in parsed.columns["uid"]}
            accepted += len(uids - seen)
            seen |= uids
            if run is not None:
                run.report(found, None, f"{name}: {found:,} rows")
                run.check()
            reasons.update(row.reason for row in parsed.rejected)
            errors += [
                {"line": chunk[row.number].line, "reason": row.reason, "detail": row.detail}
                for row in parsed.rejected[: SHOWN_ERRORS - len(errors)]
            ]
    return {
        "dry_run": True,
        "found": found,
        "accepted": accepted,
        "rejected": reasons.total(),
        "reasons": dict(reasons),
        "errors": errors,
    }


@contextmanager
def _rows_of(
    path: Path, name: str, table: str, columns: Mapping[str, str], run: Run | None
) -> Iterator[tuple[dict[str, str], Iterator[list[FileRow]]]]:
    """Give the columns that a file has, by their known names, and its rows in chunks."""
    mapping = {table: {"columns": dict(columns)}}
    header: list[str] = []
    done = 0

    def told(read_bytes: int) -> None:
        # While no row comes too: a file of blank lines is long.
        if run is not None:
            run.report(done, None, f"{name}: {done:,} rows, {read_bytes / 1e6:,.0f} MB read")
            run.check()

    def counted(chunks: Iterator[list[FileRow]]) -> Iterator[list[FileRow]]:
        nonlocal done
        for chunk in chunks:
            yield chunk
            done += len(chunk)

    with closing(read_feedback_rows(path, name=name, on_header=header.extend, told=told)) as rows:
        try:
            check_mapping(mapping)
            head = list(islice(rows, LOOKED_AT_ROWS))
            if all(one.problem for one in head):
                raise _nothing_readable(name, head, header)
            available = {*header, *chain.from_iterable(one.row for one in head if one.row)}
            known = source_columns(TABLES[table], mapping, available)
            yield known, counted(chunked(chain(head, rows)))
        except MissingColumn as error:
            raise Refusal(
                str(error).partition(" Map it:")[0],
                remedy="Say which column it is: --column KNOWN=THEIRS, or in the form.",
            ) from None
        except (FileRefused, MappingError) as error:
            raise Refusal(str(error), remedy="Choose another file, table or mapping.") from None


def _nothing_readable(name: str, head: Sequence[FileRow], header: Sequence[str]) -> Refusal:
    """Say of a file why no row of its beginning can be read; which columns it has is not known."""
    if not head:
        had = f"a first line that names {len(header)} columns, and no rows" if header else "no rows"
        return Refusal(f"{name} has {had}.", remedy="Choose a file with rows, or export it anew.")
    first = head[0]
    many = "The only row" if len(head) == 1 else f"None of the first {len(head):,} rows"
    cannot = "cannot" if len(head) == 1 else "can"
    return Refusal(
        f"{many} of {name} {cannot} be read. Line {first.line}: {first.problem}",
        remedy="Mend the file: UTF-8, one row a line, at most "
        f"{MAX_ROW_BYTES:,} bytes a row; its name says whether it is CSV, JSON or JSONL.",
    )


def import_feedback(run: Run, asked: ImportFeedback) -> ImportedFile | CheckedFile:
    """Land the rows of an uploaded file; rows that are there already are counted as known."""
    done = run.result_of("import_file")
    if done is not None:
        return cast(ImportedFile | CheckedFile, done)
    upload = get_upload(asked.file)
    outcome: ImportedFile | CheckedFile
    if asked.dry_run:
        outcome = check_file(
            upload.path, name=upload.name, table=asked.table, columns=asked.columns, run=run
        )
    else:
        outcome = import_file(
            upload.path,
            name=upload.name,
            table=asked.table,
            columns=asked.columns,
            source=file_source(asked.source, by=run.user),
            on_change=asked.on_change,
            run=run,
        )
    with run.transaction("import_file") as done:
        done.update(outcome)
    release_upload(upload)
    return outcome
