"""Named points of a run at which the harness strikes; they exist in its workers only.

An armed point is a file in the folder `SEEDBED_CHAOS_FAILPOINTS`, named after the point, that holds
the sort of strike. The first run that comes by takes the file, so that each strikes once.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from project.jobs import runner
from project.jobs.models import Job
from project.jobs.run import JobRun

POINTS = ("after-claim", "before-rows", "before-commit", "after-commit", "before-finish")
STRIKES = ("child", "parent", "both", "pause")
# Of pretended computing in each chunk, so that strikes find the job at work.
CHUNK_SECONDS = float(os.environ.get("SEEDBED_CHAOS_CHUNK_SECONDS", "0"))
_folder = Path(os.environ.get("SEEDBED_CHAOS_FAILPOINTS", "/nonexistent"))


def install() -> None:
    """Put the points into the ledger of this process and of those that it forks."""
    claimed, written, transacted = runner._run_claimed, JobRun.write, JobRun.transaction

    def run_claimed(run: JobRun) -> None:
        _pass("after-claim", run)
        claimed(run)

    def write(run: JobRun, **fields: Any) -> None:
        if fields.get("state") == Job.State.SUCCEEDED:
            _pass("before-finish", run)
        written(run, **fields)
        if connection.in_atomic_block and run._held is None:
            _pass("before-commit", run)  # with every row written and every lock held

    @contextmanager
    def transaction(
        run: JobRun, name: str | None = None, number: int = 0
    ) -> Iterator[dict[str, Any]]:
        with transacted(run, name, number) as result:
            _pass("before-rows", run)
            yield result
            time.sleep(CHUNK_SECONDS)
        _pass("after-commit", run)

    runner._run_claimed = run_claimed
    JobRun.write = write
    JobRun.transaction = transaction


def _pass(point: str, run: JobRun) -> None:
    taken = _folder / f"taken-{point}"
    try:
        (_folder / point).rename(taken)
    except FileNotFoundError:
        return
    strike = taken.read_text()
    hit = _folder / f"hit-{point}.new"
    hit.write_text(f"{run.job.pk} {run.fence} {os.getpid()}")
    hit.rename(_folder / f"hit-{point}")
    if strike in ("parent", "both"):
        os.kill(os.getppid(), signal.SIGKILL)
    if strike in ("child", "both"):
        os.kill(os.getpid(), signal.SIGKILL)
    if strike == "pause":
        os.kill(os.getpid(), signal.SIGSTOP)
