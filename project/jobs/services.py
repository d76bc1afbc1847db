"""What people and schedules do to jobs: enqueue, stop, retry."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django.utils import timezone

from project.jobs.bell import ring
from project.jobs.kinds import get_kind
from project.jobs.models import Job, Schedule


class JobStateError(Exception):
    """What was asked does not fit the state the job is in."""


def enqueue(
    kind: str,
    *,
    by: AbstractBaseUser | AnonymousUser | None = None,
    schedule: Schedule | None = None,
    ring_bell: bool = True,
    **arguments: Any,
) -> Job:
    """Write a job in the caller's transaction; its worker is told after the commit."""
    get_kind(kind)
    job = Job.objects.create(
        kind=kind,
        arguments=arguments,
        user=_person(by),
        schedule=schedule,
        rung_at=timezone.now() if ring_bell else None,
    )
    if ring_bell:
        transaction.on_commit(lambda: ring(job.pk))
    return job


@transaction.atomic
def stop_job(job: Job) -> Job:
    """Cancel a waiting job, or ask a running one to stop at the end of its chunk."""
    job = Job.objects.select_for_update().get(pk=job.pk)
    if job.is_finished:
        raise JobStateError(f"{job} has {job.state} already; only an active job can be stopped.")
    job.stop_requested = True
    if job.state == Job.State.QUEUED and not job.steps.exists():
        job.state = Job.State.CANCELLED
        job.finished_at = timezone.now()
        job.error = "Stopped before a worker took it."
    job.save(update_fields=["stop_requested", "state", "finished_at", "error"])
    if not job.is_finished:
        transaction.on_commit(lambda: ring(job.pk))
    return job


@transaction.atomic
def retry_job(job: Job, *, by: AbstractBaseUser | AnonymousUser | None = None) -> Job:
    """Clone a finished job that did not succeed; the clone goes on after its finished steps."""
    job = Job.objects.select_for_update().get(pk=job.pk)
    if not job.is_finished or job.state == Job.State.SUCCEEDED:
        raise JobStateError(
            f"{job} is {job.state}; only a failed, refused or cancelled job can be retried."
        )
    if job.retries.exists():
        raise JobStateError(f"{job} was retried as {job.retries.first()}; retry that one.")
    clone = Job.objects.create(
        kind=job.kind,
        arguments=job.arguments,
        user=_person(by) or job.user,
        retry_of=job,
        rung_at=timezone.now(),
    )
    job.steps.update(job=clone)
    transaction.on_commit(lambda: ring(clone.pk))
    return clone


def _person(by: AbstractBaseUser | AnonymousUser | None) -> User | None:
    return by if isinstance(by, User) else None
