"""An event log into PostgreSQL: read strictly, checked, known events left out.

Beside it stands the least that a database can do: a binary COPY of the very same rows, which are
ready made, into a table without indexes.
"""

import random
import statistics
from pathlib import Path

import orjson

from benchmarks.figures import Figure
from benchmarks.measure import peak_memory_mb, seconds
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
TARGET_COPIES = 10.0  # an import is to take no longer than so many bare copies
TARGET_MEMORY_MB = 400.0
COPY_RUNS = 3
BLOCK_BYTES = 1024 * 1024
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
    """Return what a fresh log takes, also in bare copies, its memory, and the same log again."""
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

    taken = seconds(load)
    peak = peak_memory_mb()
    again = seconds(load)  # before the disk is asked to take the rows once more
    copied = _copy_bare()
    figures = [
        Figure("import of a log, lines/s", rows / taken, rows),
        Figure(
            "import of a log, times a bare COPY of its rows",
            taken / copied,
            rows,
            TARGET_COPIES,
            note=f"COPY {copied:.2f} s, import {taken:.2f} s",
        ),
        Figure("import of a log, peak memory, MB", peak, rows, TARGET_MEMORY_MB),
        Figure("the same log again, s", again, rows),
    ]
    path.unlink()
    return figures


def _copy_bare() -> float:
    """Return the median of seconds that the rows take which are there, as bytes ready to send."""
    from django.db import connection

    rows = VAR / "rows.bin"
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY matching_matchevent TO STDOUT (FORMAT binary)") as copy,
        rows.open("wb") as file,
    ):
        for block in copy:
            file.write(block)

    def copy_in() -> None:
        with (
            connection.cursor() as cursor,
            rows.open("rb") as file,
            cursor.copy("COPY bare_event FROM STDIN (FORMAT binary)") as copy,
        ):
            while block := file.read(BLOCK_BYTES):
                copy.write(block)

    taken = []
    for _ in range(COPY_RUNS):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bare_event (LIKE matching_matchevent)")
            cursor.execute("CHECKPOINT")
        taken.append(seconds(copy_in))
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE bare_event")
    rows.unlink()
    return statistics.median(taken)
