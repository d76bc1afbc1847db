"""The whole job: generate, load, build, quality report, train, evaluate; as a worker does it."""

import statistics
import time
from functools import partial
from typing import Any

from benchmarks.figures import Figure
from benchmarks.measure import in_fresh_process, peak_memory_mb, seconds
from benchmarks.servers import clean, connect

TOTAL = "total, s"
TARGET_SECONDS = 15.0  # of a million events
TARGET_MB = 700.0
TARGET_REPORT_SECONDS = 1.0
TARGETS_AUC = {100_000: 0.005, 1_000_000: 0.002}
MILLION = 1_000_000
REPORT_RUNS = 3


def run(rows: int, runs: int) -> list[Figure]:
    """Return the figures of one size, each run in a process of its own."""
    found = [in_fresh_process(run_once, rows) for _ in range(runs)]
    is_million = rows == MILLION
    figures = [
        _median(name, rows, [each["seconds"][name] for each in found])
        for name in found[0]["seconds"]
    ]
    totals = [sum(each["seconds"].values()) for each in found]
    figures.append(_median(TOTAL, rows, totals, TARGET_SECONDS if is_million else None))
    figures.append(_median("CPU of the worker, s", rows, [each["cpu"] for each in found]))
    peaks = [each["peak_mb"] for each in found]
    figures.append(_median("peak memory, MB", rows, peaks, TARGET_MB if is_million else None))
    figures.append(
        _median(
            "quality report alone, s",
            rows,
            in_fresh_process(report_alone),
            TARGET_REPORT_SECONDS if is_million else None,
        )
    )
    gap = found[0]["feature_ceiling"] - found[0]["roc_auc"]
    figures.append(
        Figure(
            "ROC-AUC below the feature ceiling",
            gap,
            rows,
            TARGETS_AUC.get(rows),
            note=f"{found[0]['algorithm']}, ROC-AUC {found[0]['roc_auc']:.4f}",
        )
    )
    return figures


def run_once(rows: int) -> dict[str, Any]:
    """Run the three jobs through the ledger, in this process."""
    connect()
    from project.jobs.models import Job
    from project.jobs.runner import run_job
    from project.jobs.services import enqueue

    clean()
    began = time.process_time()
    finished: dict[str, Job] = {}
    taken: dict[str, float] = {}
    asked: dict[str, dict[str, Any]] = {
        "matching.generate_events": {"count": rows, "match_type": "user_user", "seed": 7},
        "training.build_dataset": {},
        "training.train_model": {},
    }
    for kind, arguments in asked.items():
        job = enqueue(kind, ring_bell=False, **arguments)
        taken[kind] = seconds(partial(run_job, str(job.pk)))
        job.refresh_from_db()
        if job.state != Job.State.SUCCEEDED:
            raise RuntimeError(f"{kind} of {rows:,} rows is {job.state}: {job.error}")
        finished[kind] = job
    model = finished["training.train_model"]
    evaluate = next(stage["seconds"] for stage in model.stages if stage["name"] == "Evaluate")
    result: dict[str, Any] = model.result or {}
    ceiling = result["ceilings"]["feature"]["value"]
    return {
        "seconds": {
            "generate and load, s": taken["matching.generate_events"],
            "build dataset and report, s": taken["training.build_dataset"],
            "train, s": taken["training.train_model"] - evaluate,
            "evaluate and gate, s": evaluate,
        },
        "cpu": time.process_time() - began,
        "peak_mb": peak_memory_mb(),
        "roc_auc": result["metrics"]["validation"]["roc_auc"]["value"],
        "feature_ceiling": ceiling,
        "algorithm": result["algorithm"],
    }


def report_alone() -> list[float]:
    """Measure the quality report by itself on the newest batch."""
    connect()
    from training.domain.quality import report_quality
    from training.domain.splits import split_rows
    from training.kinds import DEFAULT_KIND, Recipe, get_kind

    kind = get_kind(DEFAULT_KIND)
    loaded = kind.load(Recipe())
    spec = kind.quality_of(loaded.recipe)
    train = split_rows(loaded.frame, "time", seed=0).train
    return [
        seconds(lambda: report_quality(loaded.frame, spec, train_mask=train))
        for _ in range(REPORT_RUNS)
    ]


def _median(name: str, rows: int, runs: list[float], target: float | None = None) -> Figure:
    return Figure(name, statistics.median(runs), rows, target, runs=runs)
