"""The state of feedback: what is there, how fresh it is, and what it is enough for."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, TextField
from django.utils import timezone

from feedback.domain.requirements import MINIMUM_SAMPLES
from feedback.models import (
    CollectionRun,
    FeedbackSource,
    RejectedRecord,
    Table,
    model_of,
)
from feedback.services.schedule import current_schedule

# Which rows of which table are samples of a kind: those with its target and something to learn from.
SAMPLES: dict[str, tuple[str, Q]] = {
    "quality": (
        Table.EXPLANATIONS,
        Q(code_quality__isnull=False)
        | Q(test_coverage__isnull=False)
        | Q(security__isnull=False)
        | Q(performance__isnull=False)
        | Q(maintainability__isnull=False)
        | Q(complexity__isnull=False),
    ),
    "csat": (Table.QUALITY_FEEDBACK, Q(csat__isnull=False)),
    "model_performance": (Table.AB_TESTING, Q(prediction__isnull=False)),
}
# Columns whose absence says nothing about the feedback.
NOT_COUNTED = ("uid", "row_digest", "extra", "created_at", "quality_rating", "quality_score")


def feedback_status() -> dict[str, Any]:
    """Describe every table of every source, the samples of each kind and the next collection."""
    now = timezone.now()
    sources = {source.pk: source for source in FeedbackSource.objects.all()}
    newest = CollectionRun.objects.order_by("source_id", "table", "-id").distinct(
        "source_id", "table"
    )
    runs = {(run.source_id, run.table): run for run in newest}
    rejected = {
        (row["source_id"], row["table"]): row["n"]
        for row in RejectedRecord.objects.open()
        .order_by()
        .values("source_id", "table")
        .annotate(n=Count("pk"))
    }
    samples = {kind: {"real": 0, "synthetic": 0} for kind in MINIMUM_SAMPLES}
    tables = []
    for table in Table:
        kinds = {kind: where for kind, (at, where) in SAMPLES.items() if at == table}
        counted = _count(table, kinds)
        for key in [*counted, *(key for key, name in runs if name == table and key not in counted)]:
            source = sources.get(key)
            if source is None:
                continue
            row = counted.get(key, {"rows": 0, "latest": None})
            origin = "synthetic" if source.is_synthetic else "real"
            for kind in kinds:
                samples[kind][origin] += row.get(f"samples_{kind}", 0)
            tables.append(
                {
                    "table": table.value,
                    "title": table.label,
                    "source": source.name,
                    "origin": origin,
                    "rows": row["rows"],
                    "latest": _iso(row["latest"]),
                    "lag_seconds": None
                    if row["latest"] is None
                    else (now - row["latest"]).total_seconds(),
                    "missing": {
                        name.removeprefix("missing_"): count / row["rows"]
                        for name, count in row.items()
                        if name.startswith("missing_")
                    },
                    "rejected": rejected.get((key, table.value), 0),
                    "last_run": _run(runs.get((key, table.value)) or runs.get((key, ""))),
                }
            )
    tables.sort(key=lambda row: (row["origin"], row["source"], row["table"]))
    schedule = current_schedule()
    real = [source for source in sources.values() if not source.is_synthetic]
    return {
        "origin": "real" if real else "synthetic",
        "real_sources": len(real),
        "failing": [source.name for source in real if source.failures],
        "rows": {
            origin: sum(row["rows"] for row in tables if row["origin"] == origin)
            for origin in ("real", "synthetic")
        },
        "tables": tables,
        "samples": [
            {
                "kind": kind,
                "minimum": minimum,
                **samples[kind],
                "enough": samples[kind]["real" if real else "synthetic"] >= minimum,
            }
            for kind, minimum in MINIMUM_SAMPLES.items()
        ],
        "schedule": {
            "enabled": schedule is not None and schedule.is_enabled,
            "next_run_at": _iso(schedule.next_run_at)
            if schedule is not None and schedule.is_enabled
            else None,
            "last_run_at": _iso(schedule.last_run_at) if schedule is not None else None,
            "last_error": schedule.last_error if schedule is not None else "",
        },
    }


def _count(table: Table, kinds: dict[str, Q]) -> dict[int, dict[str, Any]]:
    """Count the rows of a table by source in one reading of it."""
    model = model_of(table)
    missing = {}
    for field in model._meta.concrete_fields:
        if field.is_relation or field.generated or field.name in NOT_COUNTED:
            continue
        if isinstance(field, TextField) or field.get_internal_type() == "CharField":
            missing[f"missing_{field.name}"] = Count("pk", filter=Q(**{field.name: ""}))
        elif field.null:
            missing[f"missing_{field.name}"] = Count(
                "pk", filter=Q(**{f"{field.name}__isnull": True})
            )
    rows = (
        model.objects.order_by()
        .values("source_id")
        .annotate(
            rows=Count("pk"),
            latest=Max("created_at"),
            **missing,
            **{f"samples_{kind}": Count("pk", filter=where) for kind, where in kinds.items()},
        )
    )
    return {row.pop("source_id"): row for row in rows}


def _run(run: CollectionRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "run": run.pk,
        "state": run.state,
        "started_at": _iso(run.started_at),
        "finished_at": _iso(run.finished_at),
        "found": run.found,
        "new": run.new,
        "rejected": run.rejected,
        "reconciled": run.is_reconciled,
        "error": run.error,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
