"""Removes records as people do: by a job, through the front door."""

from typing import Any

from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.removal.registry import removal_of


def remove(thing: str, number: int, *, why: str = "a test", **more: Any) -> Job:
    """Remove a record and return the job as it ended."""
    how = removal_of(thing)
    assert how is not None
    job = enqueue(how.kind, ring_bell=False, number=number, why=why, **more)
    run_job(str(job.pk))
    job.refresh_from_db()
    return job
