"""Tries refused rows again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import transaction

from feedback.domain.door import DOORS, landing_columns
from feedback.domain.tables import TABLES
from feedback.models import CollectionRun, FeedbackSource, RejectedRecord
from feedback.queries.refused import rows_now
from feedback.services.landing import begin_landing
from feedback.services.runs import begin_run, complete_run
from feedback.services.shared import mark_shared_rows
from project import clock
from project.acting import Person
from project.mappings.refused import reading_with
from project.tabular.mapping import Mapper, TableMapping
from project.tabular.mend import corrected


@dataclass(frozen=True)
class Retried:
    """How many refused rows were tried again, and how many of them landed."""

    tried: int
    landed: int


def retry_rejected(records: Sequence[RejectedRecord], *, by: Person = None) -> Retried:
    """Try refused rows again: as their database has them now, with their corrections.

    A row that lands is no longer listed as refused; one that does not gets its new reason. All of
    them are tried, or none. They fit one chunk: at most `queries.refused.RETRY_ROWS`.
    """
    groups: dict[tuple[int, str, int], list[RejectedRecord]] = {}
    for record in records:
        is_remote = record.source.kind == FeedbackSource.Kind.POSTGRES
        key = (record.source_id, record.table, 0 if is_remote else record.run_id)
        groups.setdefault(key, []).append(record)
    # Read before the transaction begins, which should not wait for other servers.
    fresh = [rows_now(group[0].source, group[0].table, group) for group in groups.values()]
    with transaction.atomic():
        landed = [
            _retry_group(group, rows, by)
            for group, rows in zip(groups.values(), fresh, strict=True)
        ]
    return Retried(tried=len(records), landed=sum(landed))


def _retry_group(
    group: list[RejectedRecord], fresh: Mapping[str, dict[str, Any]], by: Person
) -> int:
    """Try again rows of one table of one source that were read in the same way."""
    source, table = group[0].source, group[0].table
    tried, rows = [], []
    for record in group:
        now = fresh.get(record.external_id)
        row = record.mended if now is None else corrected(now, record.correction)
        if isinstance(row, dict) and row:
            tried.append(record)
            rows.append(row)
    if not rows:
        return 0
    who = f" by {by}" if by is not None else ""
    run = begin_run(source, table, notes=[f"Refused rows were tried again{who}."])
    rows_mapped: Sequence[dict[str, Any]] = rows
    kept = CollectionRun.objects.filter(pk=group[0].run_id).values_list("mapping", flat=True)
    decision = kept.first()
    if decision:
        mapping = TableMapping.from_dict(decision["mapping"])
        mapping = reading_with(mapping, DOORS[table], [record.correction for record in tried])
        rows_mapped = Mapper(DOORS[table], mapping).apply(rows)
        CollectionRun.objects.filter(pk=run.pk).update(mapping=decision)
    if decision:
        known = landing_columns(mapping)
    elif source.kind == FeedbackSource.Kind.POSTGRES:
        mapped = source.mapping.get(table, {}).get("columns", {})
        known = {
            column.name: mapped.get(column.name, column.name) for column in TABLES[table].columns
        }
    else:
        known = CollectionRun.objects.get(pk=group[0].run_id).columns
    landing = begin_landing(run, known, may_move_time=True)
    raw = [orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows_mapped]
    landing.land(landing.parse(raw, came=rows), lines=[record.line_number for record in tried])
    refused = RejectedRecord.objects.filter(run_id=run.pk).values("row_uid")
    # What did not come back is stored now, or refused anew under what the correction made of it.
    RejectedRecord.objects.filter(pk__in=[record.pk for record in tried]).exclude(
        row_uid__in=refused
    ).update(resolved_at=clock.now())
    complete_run(run)
    mark_shared_rows(run)
    return run.found - run.rejected
