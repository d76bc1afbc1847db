"""Naive jobs: rows as a pure function of seed, chunk and row, written without the ledger's care."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection

from project.jobs.contract import Arguments, job
from project.jobs.models import Job
from project.jobs.questions import Text
from project.jobs.run import JobRun, shutdown
from project.jobs.said import Said
from tests.waiting import until

ROWS_PER_CHUNK = 50
CHUNK_ROWS = 200  # of the real generation, while chaos reigns
CHUNK_SECONDS = 0.03  # of computing, so that kills find the job at work
STEPS = "tests.chaos_steps"


def create_table() -> None:
    """Make the table: without a key, so that it would take a row twice."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS chaos_rows")
        cursor.execute(
            "CREATE TABLE chaos_rows (seed int, chunk int, row_number int, value bigint)"
        )


def drop_table() -> None:
    """Remove the table."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS chaos_rows")


def rows_of(seed: int, chunk: int) -> list[tuple[int, int, int, int]]:
    """Return the rows of one chunk; the same arguments give the same rows anywhere."""
    values = np.random.default_rng([seed, chunk]).integers(0, 2**40, ROWS_PER_CHUNK)
    return [(seed, chunk, row, int(value)) for row, value in enumerate(values)]


def _write(seed: int, chunk: int) -> None:
    rows = rows_of(seed, chunk)
    with connection.cursor() as cursor, cursor.copy("COPY chaos_rows FROM STDIN") as copy:
        for row in rows[: ROWS_PER_CHUNK // 2]:
            copy.write_row(row)
        time.sleep(CHUNK_SECONDS)
        for row in rows[ROWS_PER_CHUNK // 2 :]:
            copy.write_row(row)


def _wait_for_the_end(sign: str) -> dict[str, Any]:
    Path(sign).touch()
    until(lambda: shutdown.is_asked)
    return {}


class Steps(Arguments):
    """How many steps, and which of them waits."""

    chunks: int
    waits_at: int
    sign: Text


@job(
    STEPS,
    title="Take steps",
    permission="jobs.retry_job",
    says=lambda result: Said("Done."),
    arguments=Steps,
)
def take_steps(run: JobRun, asked: Steps) -> dict[str, Any]:
    """Do nothing, in small fenced steps; one makes a sign and lasts until its worker has to end."""
    wait = partial(_wait_for_the_end, asked.sign)
    for number in range(asked.chunks):
        run.once("step", wait if number == asked.waits_at else dict, number)
    return {}


class Rows(Arguments):
    """Which rows, in how many chunks."""

    seed: int
    chunks: int


@job(
    "tests.chaos_naive",
    title="Write rows naively",
    permission="jobs.retry_job",
    says=lambda result: Said("Done."),
    arguments=Rows,
)
def write_naively(run: JobRun, asked: Rows) -> dict[str, Any]:
    """Commit rows and progress apart, and never look at the fence."""
    seed, chunks = asked.seed, asked.chunks
    for chunk in range(run.job.progress_done, chunks):
        _write(seed, chunk)
        time.sleep(CHUNK_SECONDS)
        Job.objects.filter(pk=run.job.pk).update(progress_done=chunk + 1)
    return {"rows": chunks * ROWS_PER_CHUNK}
