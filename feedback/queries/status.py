"""The state of feedback: what is there, how fresh it is, and what it is enough for."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from django.db.models import Count, Max, Q, TextField

from feedback.domain.requirements import MINIMUM_SAMPLES
from feedback.models import (
    CollectionRun,
    FeedbackSource,
    RejectedRecord,
    Table,
    model_of,
)
from feedback.queries.caveats import caveats_of
from feedback.queries.schedule import current_schedule
from project import clock
from project.origin import ROW_ORIGINS, Origin

# Which rows of which table are samples of a kind: those with its target and something to learn
# from.
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
NOT_COUNTED = (
    *("uid", "row_digest", "extra", "created_at", "quality_rating", "quality_score"),
    *("gone_at", "also_in"),
)


class LastRun(TypedDict):
    """The newest run of a table."""

    run: int
    state: str
    started_at: str
    finished_at: str | None
    found: int
    new: int
    rejected: int
    reconciled: bool | None
    hidden_by: str
    error: str


class TableStatus(TypedDict):
    """One table of one source; `missing` is column to share of rows without it.

    `rows` are those that count; beside them are `gone` ones, and `shared` ones that a source added
    before holds too.
    """

    table: str
    title: str
    source: str
    origin: str
    rows: int
    gone: int
    shared: int
    latest: str | None
    lag_seconds: float | None
    missing: dict[str, float]
    rejected: int
    last_run: LastRun | None


class KindSamples(TypedDict):
    """Rows that a model kind can learn from, by origin, and whether they are enough."""

    kind: str
    minimum: int
    real: int
    synthetic: int
    enough: bool


def kind_samples(samples: Mapping[str, Mapping[str, int]], own: str) -> list[KindSamples]:
    """Return what each kind can learn from, of kind to origin to rows.

    `own` is the origin of the rows that it would learn from.
    """
    return [
        {
            "kind": kind,
            "minimum": minimum,
            "real": samples[kind][Origin.REAL],
            "synthetic": samples[kind][Origin.SYNTHETIC],
            "enough": samples[kind][own] >= minimum,
        }
        for kind, minimum in MINIMUM_SAMPLES.items()
    ]


class ScheduleStatus(TypedDict):
    """The collection by itself."""

    enabled: bool
    next_run_at: str | None
    last_run_at: str | None
    last_error: str


class FeedbackStatus(TypedDict):
    """The state of feedback; moments are ISO 8601 in UTC."""

    origin: str
    real_sources: int
    failing: list[str]
    caveats: list[str]
    rows: dict[str, int]
    tables: list[TableStatus]
    samples: list[KindSamples]
    schedule: ScheduleStatus


# What is counted of the rows of one source in one table: `rows`, `gone` and `shared`, `latest` (ISO
# 8601, None without rows), and `missing_COLUMN` and `samples_KIND` for each of these.
Counted = Mapping[str, int | str | None]
# Table to source to that.
Counts = Mapping[str, Mapping[str, Counted]]


def count_tables() -> dict[str, dict[str, Counted]]:
    """Count the rows of each table by source, in one reading of each."""
    return {table.value: _count(table) for table in Table}


def samples_of(counts: Counts, origins: Mapping[int, Origin], own: Origin) -> list[KindSamples]:
    """Return what each kind can learn from, of counts; `own` as for `kind_samples`."""
    samples = {kind: {origin.value: 0 for origin in ROW_ORIGINS} for kind in MINIMUM_SAMPLES}
    for kind, (table, _) in SAMPLES.items():
        for key, row in counts[table].items():
            if int(key) in origins:
                samples[kind][origins[int(key)].value] += _number(row, f"samples_{kind}")
    return kind_samples(samples, own.value)


def feedback_status(counts: Counts | None = None) -> FeedbackStatus:
    """Describe every table of every source, the samples of each kind and the next collection.

    `counts` are those that were kept; without them the rows are counted now.
    """
    counts = count_tables() if counts is None else counts
    sources = {source.pk: source for source in FeedbackSource.objects.all()}
    real = list(FeedbackSource.objects.set_up())
    own = Origin.REAL if real else Origin.SYNTHETIC
    newest = CollectionRun.objects.order_by("source_id", "table", "-id").distinct(
        "source_id", "table"
    )
    runs = {(run.source_id, run.table): run for run in newest}
    refused = {
        (row["source_id"], row["table"]): row["n"]
        for row in RejectedRecord.objects.open()
        .order_by()
        .values("source_id", "table")
        .annotate(n=Count("pk"))
    }
    tables: list[TableStatus] = []
    for table in Table:
        counted = {int(key): row for key, row in counts[table.value].items()}
        for key in [*counted, *(key for key, name in runs if name == table and key not in counted)]:
            source = sources.get(key)
            if source is None:
                continue
            row = counted.get(key, {"rows": 0, "latest": None})
            run = runs.get((key, table.value)) or runs.get((key, ""))
            tables.append(_table(table, source, row, run, refused.get((key, table.value), 0)))
    tables.sort(key=lambda row: (row["origin"], row["source"], row["table"]))
    return {
        "origin": own.value,
        "real_sources": len(real),
        "failing": [source.name for source in real if source.failures],
        "caveats": caveats_of(real),
        "rows": {
            origin.value: sum(row["rows"] for row in tables if row["origin"] == origin)
            for origin in ROW_ORIGINS
        },
        "tables": tables,
        "samples": samples_of(
            counts, {source.pk: source.origin for source in sources.values()}, own
        ),
        "schedule": _schedule(),
    }


def _table(
    table: Table,
    source: FeedbackSource,
    row: Counted,
    run: CollectionRun | None,
    refused: int,
) -> TableStatus:
    newest, rows = row["latest"], _number(row, "rows")
    latest = datetime.fromisoformat(newest) if isinstance(newest, str) else None
    return {
        "table": table.value,
        "title": str(table.label),
        "source": source.name,
        "origin": source.origin.value,
        "rows": rows,
        "gone": _number(row, "gone"),
        "shared": _number(row, "shared"),
        "latest": _iso(latest),
        "lag_seconds": None if latest is None else (clock.now() - latest).total_seconds(),
        "missing": {
            name.removeprefix("missing_"): _number(row, name) / rows if rows else 0.0
            for name in row
            if name.startswith("missing_")
        },
        "rejected": refused,
        "last_run": None if run is None else _run(run),
    }


def _number(row: Counted, name: str) -> int:
    value = row.get(name)
    return value if isinstance(value, int) else 0


def _schedule() -> ScheduleStatus:
    schedule = current_schedule()
    if schedule is None:
        return {"enabled": False, "next_run_at": None, "last_run_at": None, "last_error": ""}
    return {
        "enabled": schedule.is_enabled,
        "next_run_at": _iso(schedule.next_run_at) if schedule.is_enabled else None,
        "last_run_at": _iso(schedule.last_run_at),
        "last_error": schedule.last_error,
    }


def _count(table: Table) -> dict[str, Counted]:
    """Count the rows of a table by source, as JSON can have it."""
    kinds = {kind: where for kind, (at, where) in SAMPLES.items() if at == table}
    model = model_of(table)
    counts = Q(gone_at__isnull=True, also_in__isnull=True)
    missing = {}
    for field in model._meta.concrete_fields:
        if field.is_relation or field.generated or field.name in NOT_COUNTED:
            continue
        if isinstance(field, TextField) or field.get_internal_type() == "CharField":
            missing[f"missing_{field.name}"] = Count("pk", filter=counts & Q(**{field.name: ""}))
        elif field.null:
            missing[f"missing_{field.name}"] = Count(
                "pk", filter=counts & Q(**{f"{field.name}__isnull": True})
            )
    rows = (
        model.objects.order_by()
        .values("source_id")
        .annotate(
            rows=Count("pk", filter=counts),
            gone=Count("pk", filter=Q(gone_at__isnull=False)),
            shared=Count("pk", filter=Q(gone_at__isnull=True, also_in__isnull=False)),
            latest=Max("created_at", filter=Q(gone_at__isnull=True)),
            **missing,
            **{
                f"samples_{kind}": Count("pk", filter=counts & where)
                for kind, where in kinds.items()
            },
        )
    )
    return {str(row.pop("source_id")): {**row, "latest": _iso(row["latest"])} for row in rows}


def _run(run: CollectionRun) -> LastRun:
    return {
        "run": run.pk,
        "state": run.state,
        "started_at": run.started_at.isoformat(),
        "finished_at": _iso(run.finished_at),
        "found": run.found,
        "new": run.new,
        "rejected": run.rejected,
        "reconciled": run.is_reconciled,
        "hidden_by": run.hidden_by,
        "error": run.error,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
