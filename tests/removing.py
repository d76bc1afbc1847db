"""Removes records as people do: by a job, through the front door; and kills that job on the way."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from project import clock
from project.jobs.models import Job
from project.jobs.run import JobRun
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.removal.registry import removal_of


class Killed(BaseException):
    """As a signal would: nothing catches it, and the job stays as it was."""


def ask(thing: str, number: int, *, why: str = "a test", **more: Any) -> Job:
    """Ask for a removal."""
    how = removal_of(thing)
    assert how is not None
    return enqueue(how.kind, ring_bell=False, number=number, why=why, **more)


def remove(thing: str, number: int, **more: Any) -> Job:
    """Remove a record and return the job as it ended."""
    job = ask(thing, number, **more)
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def remove_dying(thing: str, number: int, *, within: bool, **more: Any) -> tuple[Job, int]:
    """Remove a record by a job that dies at each of its steps, once; returns the kills too.

    Parameters
    ----------
    within : whether it dies at the end of the step's transaction, so that nothing of it is kept, or
        right after it was committed
    """
    job = ask(thing, number, **more)
    met: set[tuple[str, int]] = set()
    while job.state not in ("succeeded", "failed", "refused"):
        with _dying(met, within=within), suppress(Killed):
            run_job(str(job.pk))
        Job.objects.filter(pk=job.pk, state="running").update(
            lease_until=clock.now() - timedelta(seconds=1)
        )
        job.refresh_from_db()
    return job, len(met)


@contextmanager
def _dying(met: set[tuple[str, int]], *, within: bool) -> Iterator[None]:
    once = JobRun.once

    def dies(
        self: JobRun, name: str, work: Callable[[], Mapping[str, Any]], number: int = 0
    ) -> dict[str, Any]:
        is_new = (name, number) not in met
        met.add((name, number))

        def and_dies() -> Mapping[str, Any]:
            work()
            raise Killed

        result = once(self, name, and_dies if is_new and within else work, number)
        if is_new:
            raise Killed
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobRun, "once", dies)
        yield
