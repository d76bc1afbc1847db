"""Takes runs, sources and refused rows of feedback out, some rows at a time."""

from typing import Any, Final

from django.db import connection

from feedback.models import (
    CollectionCursor,
    CollectionRun,
    FeedbackChange,
    FeedbackSource,
    RejectedRecord,
    RowsState,
    model_of,
)
from feedback.models.records import MODELS
from feedback.queries.removals import plan_of_run, plan_of_source
from feedback.services.shared import mark_shared_rows
from project.refusal import Refusal
from project.removal.contract import Counts, Plan

# Of the keys, which are digests: each part holds as many rows, and all of them are read once.
PARTS: Final = 16
CHUNK: Final = 10_000  # refused rows that go in one transaction


def close_runs(runs: Any) -> None:
    """Let no report or dataset begin to read while runs go; the caller has locked them."""
    runs.update(state=CollectionRun.State.REMOVING)


def remove_part(table: str, part: int, **whose: int) -> Counts:
    """Remove one of PARTS of the rows of a table that are of a run or a source.

    Parameters
    ----------
    whose : run_id or source_id

    Returns
    -------
    How many rows went, and how many kept changes of theirs.
    """
    ((column, number),) = whose.items()
    name = connection.ops.quote_name(model_of(table)._meta.db_table)
    low, high = f"{part:x}".ljust(32, "0"), f"{part:x}".ljust(32, "f")
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH went AS (DELETE FROM {name} WHERE uid BETWEEN %s AND %s "  # noqa: S608 - names of our own
            f"AND {connection.ops.quote_name(column)} = %s RETURNING uid), "
            "told AS (DELETE FROM feedback_feedbackchange c USING went WHERE c.uid = went.uid "
            "RETURNING 1) "
            "SELECT (SELECT count(*) FROM went), (SELECT count(*) FROM told)",
            [low, high, number],
        )
        rows, changes = cursor.fetchone()
    return {"record": rows, "kept change": changes}


def remove_some_rejected(**whose: int) -> int:
    """Remove the next refused rows of a run or a source; returns how many, 0 at the end."""
    rows = RejectedRecord.objects.filter(**whose)
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK])
    deleted, _ = RejectedRecord.objects.filter(pk__in=keys).delete()
    return int(deleted)


def remove_run(run: CollectionRun) -> Counts:
    """Remove a run whose rows are gone, and undo what it said of others.

    Rows that it missed at the source count again, and what it read is read again. The caller is in
    a transaction and has locked it.
    """
    _require(plan_of_run(run), "record")
    changes = FeedbackChange.objects.filter(run=run.pk)
    if run.table:
        missed = FeedbackChange.objects.filter(action=FeedbackChange.Action.GONE)
        by_others = missed.exclude(run=run.pk).values("uid")
        gone = missed.filter(run=run.pk).exclude(uid__in=by_others).values("uid")
        model_of(run.table).objects.filter(uid__in=gone, gone_at__isnull=False).update(gone_at=None)
        _read_again(run)
    told, _ = changes.delete()
    run.delete()
    if run.table:
        mark_shared_rows(run)
    return {"run": 1, "kept change": told}


def remove_source(source: FeedbackSource) -> Counts:
    """Remove a source whose rows are gone, with its runs. The caller is in a transaction."""
    _require(plan_of_source(source), "record")
    told, _ = FeedbackChange.objects.filter(source=source.pk).delete()
    runs = CollectionRun.objects.filter(source=source.pk)
    count = runs.count()
    runs.delete()
    RowsState.objects.filter(source_id=source.pk).delete()
    source.delete()
    for table in MODELS:
        mark_shared_rows(CollectionRun(table=table))
    return {"source": 1, "run": count, "kept change": told}


def _read_again(run: CollectionRun) -> None:
    """Put the cursor of a database's table back to where a run began, where it is beyond that."""
    cursor = (
        CollectionCursor.objects.select_for_update()
        .filter(source=run.source_id, table=run.table)
        .first()
    )
    if cursor is None or cursor.position_at is None:
        return
    if run.window_start is not None and cursor.position_at <= run.window_start:
        return
    cursor.position_at, cursor.position_id, cursor.changed_at = run.window_start, "", None
    cursor.save(update_fields=["position_at", "position_id", "changed_at", "updated_at"])


def _require(plan: Plan, cleared: str) -> None:
    if plan.blocked:
        raise Refusal(f"{plan.title} stays: {' '.join(plan.blocked)}", remedy=plan.remedy)
    if plan.goes[cleared]:
        raise Refusal(f"{plan.title} got rows while it was removed.", remedy="Remove it again.")
