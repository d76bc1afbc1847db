"""Lands rows that no database is asked for: files, generated feedback, refused rows tried again."""

import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import numpy as np
import orjson
import pandas as pd
from django.conf import settings
from django.db import transaction as database_transaction
from django.utils import timezone
from psycopg import sql

from feedback.domain.file_rows import chunked, read_feedback_rows
from feedback.domain.parsing import parse_rows
from feedback.domain.synthetic import generate_feedback
from feedback.domain.tables import (
    TABLES,
    MappingError,
    MissingColumn,
    check_mapping,
    source_columns,
    source_table,
)
from feedback.models import CollectionCursor, CollectionRun, FeedbackSource, RejectedRecord
from feedback.queries.remote import (
    RemoteTable,
    SourceUnreachable,
    TableMissing,
    all_of,
    open_source,
)
from feedback.services.landing import (
    LAND_ROWS,
    Landing,
    Transaction,
    finish_run,
    row_format,
)
from feedback.services.sources import synthetic_source
from project.refusal import Refusal
from project.tabular.rows import FileRefused

LOOKED_AT_ROWS = 1_000  # at the head of a file, to learn its columns
SHOWN_ERRORS = 100
SYNTHETIC_COUNT = 3_000
SYNTHETIC_SEED = 7
UPLOADS = "feedback"
RETRY_ROWS = 1_000
# What is kept of such a row is not all of it: only its database or a correction can give the rest.
LOSSY_REASONS = ("nul_character", "oversized_row", "unreadable")

Progress = Callable[[int, int | None, str], None]


def keep_upload(stream: IO[bytes]) -> Path:
    """Copy what was uploaded to where workers find it, under a name of our own."""
    folder = Path(settings.MEDIA_ROOT) / UPLOADS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / uuid.uuid4().hex
    with path.open("wb") as kept:
        shutil.copyfileobj(stream, kept)
    path.chmod(0o600)
    return path


def import_file(
    path: Path,
    *,
    name: str,
    table: str,
    source: FeedbackSource | None,
    columns: Mapping[str, str] | None = None,
    dry_run: bool = False,
    job_id: UUID | None = None,
    transaction: Transaction = database_transaction.atomic,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Land the rows of a file, each once; returns the counts and the first refused rows.

    `source` may only be None for a dry run, which writes nothing.

    Raises
    ------
    Refusal
        When the file is not readable, or lacks a column that cannot be done without.
    """
    mapping = {table: {"columns": dict(columns or {})}}
    with closing(read_feedback_rows(path, name=name)) as rows:
        try:
            check_mapping(mapping)
            head = list(islice(rows, LOOKED_AT_ROWS))
            available = set(chain.from_iterable(one.row for one in head if one.row))
            known = source_columns(TABLES[table], mapping, available)
            chunks = chunked(chain(head, rows))
            if dry_run or source is None:
                return _look_at(chunks, source or FeedbackSource(name="dry run"), table, known)
            run = CollectionRun.objects.create(
                source=source, table=table, job_id=job_id, file_name=name[:255]
            )
            landing = _landing(run, known, transaction)
            done = 0
            for chunk in chunks:
                parsed = landing.parse([one.raw for one in chunk], rows=[one.row for one in chunk])
                landing.land(parsed, lines=[one.line for one in chunk])
                done += len(chunk)
                if progress is not None:
                    progress(done, None, f"{name}: {done:,} rows")
        except MissingColumn as error:
            raise Refusal(
                str(error).partition(" Map it:")[0],
                remedy="Say which column it is: --column KNOWN=THEIRS, or in the form.",
            ) from None
        except (FileRefused, MappingError) as error:
            raise Refusal(str(error), remedy="Choose another file, table or mapping.") from None
    _complete(run)
    refused = RejectedRecord.objects.open().filter(run_id=run.pk).order_by("line_number")
    return {
        "run": run.pk,
        **_counts(run),
        "errors": [
            {"line": one.line_number, "reason": one.reason, "detail": one.detail}
            for one in refused[:SHOWN_ERRORS]
        ],
    }


def _look_at(
    chunks: Any, source: FeedbackSource, table: str, known: dict[str, str]
) -> dict[str, Any]:
    """Check rows without writing any."""
    form = row_format(source, table, known)
    found, accepted = 0, 0
    reasons: Counter[str] = Counter()
    errors: list[dict[str, Any]] = []
    seen: set[bytes] = set()
    for chunk in chunks:
        parsed = parse_rows(
            [one.raw for one in chunk], form, now=_now64(), rows=[one.row for one in chunk]
        )
        found += len(chunk)
        uids = {uid.tobytes() for uid in parsed.columns["uid"]}
        accepted += len(uids - seen)
        seen |= uids
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


def fill_synthetic(
    *,
    count: int = SYNTHETIC_COUNT,
    seed: int = SYNTHETIC_SEED,
    job_id: UUID | None = None,
    transaction: Transaction = database_transaction.atomic,
) -> list[CollectionRun]:
    """Land generated feedback; the same count and seed again add nothing."""
    source = synthetic_source()
    end = np.datetime64(source.created_at.astimezone(UTC).replace(tzinfo=None), "us")
    tables = generate_feedback(np.random.default_rng(seed), count, seed=seed, end=end)
    runs = []
    for table, rows in tables.items():
        known = source_columns(TABLES[table], {}, set(rows.columns))
        run = CollectionRun.objects.create(
            source=source, table=table, job_id=job_id, notes=[f"Generated with seed {seed}."]
        )
        landing = _landing(run, known, transaction)
        for start in range(0, len(rows), LAND_ROWS):
            landing.land(landing.parse(_as_json(rows.iloc[start : start + LAND_ROWS])))
        _complete(run)
        runs.append(run)
    return runs


def retry_rejected(records: Sequence[RejectedRecord]) -> dict[str, int]:
    """Try refused rows again: as their database has them now, with their corrections.

    A row that lands is no longer listed as refused; one that does not gets its new reason.
    """
    groups: dict[tuple[int, str, int], list[RejectedRecord]] = {}
    for record in records:
        is_remote = record.source.kind == FeedbackSource.Kind.POSTGRES
        key = (record.source_id, record.table, 0 if is_remote else record.run_id)
        groups.setdefault(key, []).append(record)
    landed = sum(_retry_group(group) for group in groups.values())
    return {"tried": len(records), "landed": landed}


def _retry_group(group: list[RejectedRecord]) -> int:
    """Try again rows of one table of one source that were read in the same way."""
    source, table = group[0].source, group[0].table
    fresh = _rows_now(source, table, group)
    tried, rows = [], []
    for record in group:
        row = fresh.get(record.external_id)
        if row is None and (record.reason not in LOSSY_REASONS or record.correction):
            row = record.payload if isinstance(record.payload, dict) else {}
        if row is not None and (row or record.correction):
            tried.append(record)
            rows.append({**row, **record.correction})
    if not rows:
        return 0
    run = CollectionRun.objects.create(
        source=source, table=table, notes=["Refused rows were tried again."]
    )
    if source.kind == FeedbackSource.Kind.POSTGRES:
        mapped = source.mapping.get(table, {}).get("columns", {})
        known = {
            column.name: mapped.get(column.name, column.name) for column in TABLES[table].columns
        }
    else:
        known = CollectionRun.objects.get(pk=group[0].run_id).columns
    landing = _landing(run, known, database_transaction.atomic)
    landing.may_move_time = True
    with database_transaction.atomic():
        raw = [orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows]
        landing.land(landing.parse(raw))
        refused = RejectedRecord.objects.filter(run_id=run.pk).values("row_uid")
        # What did not come back is stored now, or refused anew under what the correction made of it.
        RejectedRecord.objects.filter(pk__in=[record.pk for record in tried]).exclude(
            row_uid__in=refused
        ).update(resolved_at=timezone.now())
    _complete(run)
    return run.found - run.rejected


def _rows_now(
    source: FeedbackSource, table: str, group: Sequence[RejectedRecord]
) -> dict[str, dict[str, Any]]:
    """Read refused rows again where their database can find them by id; else what is kept of them."""
    ids = [record.external_id for record in group if record.external_id][:RETRY_ROWS]
    name = source_table(TABLES[table], source.mapping)
    if source.kind != FeedbackSource.Kind.POSTGRES or not ids or not name:
        return {}
    try:
        with open_source(source) as remote:
            columns = remote.columns_of(source.schema, name)
            known = source_columns(TABLES[table], source.mapping, columns)
            if "id" not in known:
                return {}
            remote_table = RemoteTable(
                source.schema,
                name,
                columns,
                known["created_at"],
                known["id"],
                source.naive_timezone,
            )
            where = sql.SQL("{}::text IN ({})").format(
                sql.Identifier(known["id"]), sql.SQL(", ").join(map(sql.Literal, ids))
            )
            fetched = chain.from_iterable(remote.rows(remote_table, all_of([where]), limit=None))
            rows = [orjson.loads(raw) for raw in fetched]
    except (SourceUnreachable, TableMissing, MissingColumn):
        return {}
    return {str(row.get(known["id"])): row for row in rows}


def _landing(
    run: CollectionRun,
    known: dict[str, str],
    transaction: Transaction,
) -> Landing:
    cursor, _ = CollectionCursor.objects.get_or_create(source=run.source, table=run.table)
    return Landing(
        run=run,
        form=row_format(run.source, run.table, known),
        transaction=transaction,
        now=timezone.now(),
        cursor=cursor,
    )


def _complete(run: CollectionRun) -> None:
    finish_run(run, CollectionRun.State.COMPLETE)
    CollectionRun.objects.filter(pk=run.pk).update(source_count=run.found)


def _counts(run: CollectionRun) -> dict[str, Any]:
    names = ("found", "new", "known", "changed", "rejected", "reasons", "missing")
    return {name: getattr(run, name) for name in names}


def _as_json(rows: pd.DataFrame) -> list[bytes]:
    return [orjson.dumps(row) for row in rows.to_dict("records")]


def _now64() -> np.datetime64:
    return np.datetime64(timezone.now().astimezone(UTC).replace(tzinfo=None), "us")
