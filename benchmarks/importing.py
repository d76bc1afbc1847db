"""An event log into PostgreSQL: read strictly, checked, known events left out."""

import random
from pathlib import Path

import orjson

from benchmarks.figures import Figure
from benchmarks.measure import peak_memory_mb, rate, seconds
from benchmarks.servers import VAR, clean, connect

FEATURES = (
    "distanceScore",
    "dateOverlapScore",
    "budgetScore",
    "interestScore",
    "ageScore",
    "personalityScore",
    "languageScore",
    "lifestyleScore",
    "backgroundScore",
)
OUTCOMES = (("accept", 1), ("chat", 1), ("ignore", 0), ("unmatch", 0))
FIRST_MOMENT = 1_767_225_600_000  # 2026-01-01, ms


def write_log(path: Path, rows: int) -> None:
    """Write a log as production writes it."""
    draw = random.Random(7)  # noqa: S311 - a benchmark keeps no secret
    with path.open("wb") as log:
        for row in range(rows):
            outcome, label = OUTCOMES[int(draw.random() * 4)]
            event = {
                "matchType": "user_user",
                "features": {name: round(draw.random(), 4) for name in FEATURES},
                "outcome": outcome,
                "label": label,
                "preset": "balanced",
                "timestamp": FIRST_MOMENT + row,
                "source": "real",
                "userId": f"u-{row % 5_000}",
                "targetId": f"u-{row // 200}",
            }
            log.write(b"[ML_MATCH_EVENT] " + orjson.dumps(event) + b"\n")


def run(rows: int) -> list[Figure]:
    """Return lines a second of a fresh log, of the same log once more, and the peak of memory."""
    path = VAR / "log.jsonl"
    write_log(path, rows)
    connect()
    from project.jobs.models import Job
    from project.jobs.runner import run_job
    from project.jobs.services import enqueue
    from project.uploads.services import keep_upload

    clean()

    def load() -> None:
        with path.open("rb") as stream:
            upload = keep_upload(stream, path.name)
        job = enqueue(
            "matching.import_events",
            ring_bell=False,
            files=[str(upload.pk)],
            origin="real",
            feature_set="tiered-1",
        )
        run_job(str(job.pk))
        job.refresh_from_db()
        if job.state != Job.State.SUCCEEDED:
            raise RuntimeError(f"The import is {job.state}: {job.error}")

    figures = [
        Figure("import of a log, lines/s", rate(rows, load), rows),
        Figure("import of a log, peak memory, MB", peak_memory_mb(), rows),
        Figure("the same log again, s", seconds(load), rows),
    ]
    path.unlink()
    return figures
