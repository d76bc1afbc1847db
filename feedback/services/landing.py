"""Puts rows into their table, each exactly once, and what is refused beside them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.db import IntegrityError, connection, transaction
from django.db.models import BigIntegerField, F, Func, Sum
from psycopg.errors import UniqueViolation

from feedback.domain.changes import REFUSED_AS_ASKED, OnChange, describe_change
from feedback.domain.parsing import ParsedRows, parse_rows
from feedback.domain.refusals import (
    RejectedRow,
    changed_content,
    changed_uid,
    duplicate_of_stored,
)
from feedback.domain.row_format import RowFormat, decode_row
from feedback.domain.tables import TABLES
from feedback.models import (
    CollectionCursor,
    CollectionRun,
    FeedbackSource,
    RejectedRecord,
    model_of,
)
from feedback.models.records import BEGINNING
from feedback.services.changes import correct_rows, settle_change
from feedback.services.gone import mark_returned
from project import clock
from project.bulk import copy_rows
from project.tabular.mend import EXCERPT_LENGTH, KEPT_TOTAL, as_text

REJECTED_BATCH = 1_000


def row_format(source: FeedbackSource, table: str, columns: dict[str, str]) -> RowFormat:
    """Say how the rows of one table of one source are read."""
    return RowFormat(
        table=TABLES[table],
        columns=columns,
        identity_prefix=f"{source.pk}\0{table}",
        naive_timezone=source.naive_timezone,
    )


@dataclass(frozen=True)
class ParsedChunk:
    """Rows as they came, at least one, and what became of them."""

    raw: Sequence[bytes]
    parsed: ParsedRows


@dataclass
class Landing:
    """Lands rows of one run: those, their counts and the cursor in one transaction.

    Attributes
    ----------
    cursor : the lock of the table; moved to the last row of each chunk where rows come in order.
    latest : the cursor never goes beyond this, so that rows dated ahead cannot hide later ones.
    may_move_time : whether a known row may come with another time of creation.
    on_change : what is done about known rows with other content.
    refused_because : why such rows are refused, where they are.
    seen : collects the uids of known rows that come, where rows that do not are looked for.
    kept : characters of refused rows that this run has kept so far; None while that is not known.
    meets_known : whether the chunk before held rows that are there already, or none came yet. Only
        then are the rows of a chunk looked up before they are copied.
    """

    run: CollectionRun
    form: RowFormat
    now: datetime
    cursor: CollectionCursor
    moves_cursor: bool = False
    latest: datetime | None = None
    may_move_time: bool = False
    on_change: str = OnChange.REPLACE
    refused_because: str = REFUSED_AS_ASKED
    seen: list[bytes] | None = None
    returned: int = 0
    kept: int | None = None
    meets_known: bool = True

    def parse(
        self,
        raw: Sequence[bytes],
        *,
        rows: Sequence[Any] | None = None,
        came: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> ParsedChunk:
        """Check one chunk; `rows` are the same rows decoded, `came` as their file has them.

        Any thread may do it.
        """
        now = np.datetime64(self.now.astimezone(UTC).replace(tzinfo=None), "us")
        return ParsedChunk(raw, parse_rows(raw, self.form, now=now, rows=rows, came=came))

    @transaction.atomic
    def land(
        self, chunk: ParsedChunk, *, lines: Sequence[int | None] | None = None
    ) -> list[RejectedRow]:
        """Land one chunk and return what of it was refused; `lines` say where its rows stand in a
        file."""
        raw, parsed = chunk.raw, chunk.parsed
        # Two runs over one table at once take turns here, and do not meet.
        self.cursor = CollectionCursor.objects.select_for_update().get(pk=self.cursor.pk)
        self._find_own(parsed)
        new, changed, refused = self._write(parsed, raw)
        if self.seen is not None:
            self.seen += [row.uid for row in parsed.rejected]
        rejected = [*parsed.rejected, *refused]
        self._write_rejected(rejected, lines)
        self._count(parsed, new, changed, rejected)
        self._move_cursor(parsed, raw[-1])
        return rejected

    def _find_own(self, parsed: ParsedRows) -> None:
        """Give rows that were exported from this source the uid under which they are still here."""
        asked = [uid for uid in parsed.own if uid is not None]
        if not asked:
            return
        kept = model_of(self.run.table)._default_manager.filter(
            source=self.run.source_id, uid__in=[UUID(bytes=uid) for uid in asked]
        )
        here = {uid.bytes for uid in kept.values_list("uid", flat=True)}
        if here:
            uids: list[bytes] = [
                own if own is not None and own in here else uid
                for own, uid in zip(parsed.own, parsed.columns["uid"].tolist(), strict=True)
            ]
            parsed.columns["uid"] = np.frombuffer(b"".join(uids), "V16")
            self.meets_known = True

    def _write(
        self, parsed: ParsedRows, raw: Sequence[bytes]
    ) -> tuple[int, int, list[RejectedRow]]:
        """Copy new rows straight into their table; the lock keeps others from adding them."""
        if not parsed.accepted:
            return 0, 0, []
        table = model_of(self.run.table)._meta.db_table
        uids = parsed.columns["uid"].tolist()
        with connection.cursor() as cursor:
            is_copied = not self.meets_known and self._copy_new(table, parsed.columns)
            stored = {} if is_copied else _stored(cursor, table, parsed.columns["uid"])
            self.meets_known = bool(stored)
            is_new, is_changed = np.ones(len(uids), bool), np.zeros(len(uids), bool)
            moved: dict[bytes, datetime] = {}
            differing: dict[bytes, list[str]] = {}
            if stored:
                if self.seen is not None:
                    self.seen.append(b"".join(stored))
                gone = [UUID(bytes=uid) for uid, (_, _, is_gone) in stored.items() if is_gone]
                self.returned += mark_returned(self.run, gone)
                is_new = np.fromiter((uid not in stored for uid in uids), bool, len(uids))
                digests = parsed.columns["row_digest"].tolist()
                moments = parsed.columns["created_at"]
                for number in np.flatnonzero(~is_new).tolist():
                    digest, moment, _ = stored[uids[number]]
                    if digest == digests[number]:
                        continue
                    came = moments[number].item().replace(tzinfo=UTC)
                    if self.may_move_time or came == moment:
                        is_changed[number] = True
                    else:
                        moved[uids[number]] = moment
            if not is_copied:
                self._copy(table, _rows_of(parsed.columns, is_new))
            if is_changed.any():
                differing = correct_rows(
                    cursor, self.run, table, _rows_of(parsed.columns, is_changed), self.on_change
                )
            refused = RejectedRecord.objects.open().filter(
                source=self.run.source_id, table=self.run.table
            )
            if refused.exists():
                cursor.execute(
                    "UPDATE feedback_rejectedrecord SET resolved_at = now() "
                    "WHERE resolved_at IS NULL AND row_uid = ANY(%s::uuid[] || %s::uuid[])",
                    # Those that are refused for their content again are opened again below.
                    [
                        _uuid_array(parsed.columns["uid"]),
                        [UUID(bytes=changed_uid(uid)) for uid in uids],
                    ],
                )
        refuses = self.on_change == OnChange.REFUSE
        return (
            int(is_new.sum()),
            0 if refuses else len(differing),
            self._refused(moved, differing if refuses else {}, parsed, raw),
        )

    def _copy_new(self, table: str, columns: dict[str, Any]) -> bool:
        """Copy rows of which none may be there; the primary key tells, and then none is copied.

        To look each up in an index first costs a sixth of the time of an import.
        """
        try:
            with transaction.atomic():
                self._copy(table, columns)
        except IntegrityError as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
            return False
        return True

    def _copy(self, table: str, columns: dict[str, Any]) -> None:
        count = len(columns["uid"])
        marks = {"source_id": self.run.source_id, "run_id": self.run.pk}
        copy_rows(
            connection,
            table,
            {**columns, **{name: np.full(count, value) for name, value in marks.items()}},
        )

    def _refused(
        self,
        moved: dict[bytes, datetime],
        differing: dict[bytes, list[str]],
        parsed: ParsedRows,
        raw: Sequence[bytes],
    ) -> list[RejectedRow]:
        """Refuse rows whose identity is stored with another time of creation, or other content."""
        if not moved and not differing:
            return []
        before = {row.number for row in parsed.rejected}
        accepted = [number for number in range(len(raw)) if number not in before]
        refused = []
        for number, uid in zip(accepted, parsed.columns["uid"].tolist(), strict=True):
            if uid in moved:
                at = f"{moved[uid]:%Y-%m-%d %H:%M:%S}"
                refused.append(
                    duplicate_of_stored(self.form, raw[number], stored_at=at, number=number)
                )
            elif uid in differing:
                detail = describe_change(differing[uid], self.refused_because)
                refused.append(
                    changed_content(self.form, raw[number], uid=uid, detail=detail, number=number)
                )
        return refused

    def _write_rejected(
        self, rejected: list[RejectedRow], lines: Sequence[int | None] | None
    ) -> None:
        now = clock.now()
        RejectedRecord.objects.bulk_create(
            [
                RejectedRecord(
                    row_uid=UUID(bytes=row.uid),
                    source_id=self.run.source_id,
                    run_id=self.run.pk,
                    table=self.run.table,
                    reason=row.reason,
                    field=row.field,
                    detail=row.detail[:500],
                    external_id=row.external_id,
                    line_number=lines[row.number] if lines else None,
                    payload=payload,
                    first_seen_at=now,
                    last_seen_at=now,
                )
                for row, payload in self._kept_of({row.uid: row for row in rejected})
            ],
            batch_size=REJECTED_BATCH,
            update_conflicts=True,
            unique_fields=["row_uid"],
            update_fields=[
                "reason",
                "field",
                "detail",
                "run",
                "line_number",
                "payload",
                "last_seen_at",
                "resolved_at",
            ],
        )

    def _kept_of(self, rejected: dict[bytes, RejectedRow]) -> Iterator[tuple[RejectedRow, Any]]:
        """Yield rows with what is kept of them: all, while the run has not kept too much."""
        if not rejected:
            return
        if self.kept is None:  # of those before, by a worker that is gone too
            kept = RejectedRecord.objects.filter(run_id=self.run.pk)
            size = kept.aggregate(
                size=Sum(Func("payload", function="pg_column_size", output_field=BigIntegerField()))
            )["size"]
            self.kept = int(size or 0)
        for row in rejected.values():
            text = as_text(row.payload)
            if self.kept + len(text) > KEPT_TOTAL:
                yield row, {BEGINNING: text[:EXCERPT_LENGTH]}
            else:
                self.kept += len(text)
                yield row, row.payload

    def _count(
        self, parsed: ParsedRows, new: int, changed: int, rejected: list[RejectedRow]
    ) -> None:
        run = self.run
        found = parsed.accepted + len(parsed.rejected)
        known = found - new - changed - len(rejected)
        run.missing = dict(Counter(run.missing) + Counter(parsed.missing))
        run.reasons = dict(Counter(run.reasons) + Counter(row.reason for row in rejected))
        CollectionRun.objects.filter(pk=run.pk).update(
            found=F("found") + found,
            new=F("new") + new,
            changed=F("changed") + changed,
            rejected=F("rejected") + len(rejected),
            known=F("known") + known,
            missing=run.missing,
            reasons=run.reasons,
            columns=self.form.columns,
        )

    def _move_cursor(self, parsed: ParsedRows, last: bytes) -> None:
        if not self.moves_cursor or np.isnat(parsed.last_moment):
            return
        moment = parsed.last_moment.astype("M8[us]").item().replace(tzinfo=UTC)
        row = decode_row(last)
        identity = row.get(self.form.columns.get("id", "")) if isinstance(row, dict) else None
        if self.latest is not None and moment > self.latest:
            moment, identity = self.latest, None
        if self.cursor.position_at is not None and moment < self.cursor.position_at:
            return
        self.cursor.position_at = moment
        self.cursor.position_id = "" if identity is None else str(identity)
        self.cursor.save(update_fields=["position_at", "position_id", "updated_at"])


def begin_landing(
    run: CollectionRun,
    columns: dict[str, str],
    *,
    may_move_time: bool = False,
    on_change: str = OnChange.REPLACE,
) -> Landing:
    """Prepare to land rows that come in no order: of a file, of the generator, tried again."""
    cursor, _ = CollectionCursor.objects.get_or_create(source=run.source, table=run.table)
    on_change, because = settle_change(run.table, on_change)
    return Landing(
        run=run,
        form=row_format(run.source, run.table, columns),
        now=clock.now(),
        cursor=cursor,
        may_move_time=may_move_time,
        on_change=on_change,
        refused_because=because,
    )


def _uuid_array(uids: npt.NDArray[np.void]) -> str:
    digits = uids.tobytes().hex()
    return "{" + ",".join(digits[at : at + 32] for at in range(0, len(digits), 32)) + "}"


def _stored(
    cursor: Any, table: str, uids: npt.NDArray[np.void]
) -> dict[bytes, tuple[bytes, datetime, bool]]:
    """Return digest and time of creation of rows that are there already, and whether they are
    marked as gone."""
    # Each uid is looked up in the index: of a table that grows the planner knows nothing yet, and
    # would read all of it for each chunk.
    cursor.execute("SET LOCAL enable_seqscan = off")
    cursor.execute(
        f"SELECT uid, row_digest, created_at, gone_at IS NOT NULL "  # noqa: S608 - name of our own
        f"FROM {connection.ops.quote_name(table)} WHERE uid = ANY(%s::uuid[])",
        [_uuid_array(uids)],
    )
    rows = cursor.fetchall()
    cursor.execute("SET LOCAL enable_seqscan TO DEFAULT")
    return {uid.bytes: (digest.bytes, moment, gone) for uid, digest, moment, gone in rows}


def _rows_of(columns: dict[str, Any], mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    if mask.all():
        return columns
    return {
        name: values[mask] if isinstance(values, np.ndarray) else values.filter(pa.array(mask))
        for name, values in columns.items()
    }
