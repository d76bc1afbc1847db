"""What people and schedules do to jobs: enqueue, stop, retry, save a schedule, run it now."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django.utils import timezone

from project.jobs.bell import ring
from project.jobs.contract import check_arguments
from project.jobs.models import Job, Schedule

Person = AbstractBaseUser | AnonymousUser | None


class JobStateError(Exception):
    """What was asked does not fit the state the job is in."""


def enqueue(
    kind: str,
    *,
    by: Person = None,
    schedule: Schedule | None = None,
    ring_bell: bool = True,
    **arguments: Any,
) -> Job:
    """Write a job in the caller's transaction; its worker is told after the commit.

    Without a ring the caller has a few seconds to run the job itself.
    """
    check_arguments(kind, arguments)
    job = Job.objects.create(
        kind=kind,
        arguments=arguments,
        user=_person(by),
        schedule=schedule,
        rung_at=timezone.now(),
    )
    if ring_bell:
        _ring_after_commit(job)
    return job


@transaction.atomic
def stop_job(job: Job) -> Job:
    """Cancel a waiting job, or ask a running one to stop at the end of its chunk."""
    job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
    if job.is_finished:
        raise JobStateError(f"{job} has {job.state} already; only an active job can be stopped.")
    job.stop_requested = True
    # What a run has begun is taken back by a worker, which has the kind's cleanup.
    if job.state == Job.State.QUEUED and not job.fence and not job.steps.exists():
        job.state = Job.State.CANCELLED
        job.finished_at = timezone.now()
        job.error = "Stopped before a worker took it."
    job.save(update_fields=["stop_requested", "state", "finished_at", "error"])
    if job.state == Job.State.QUEUED:
        _ring_after_commit(job)
    return job


@transaction.atomic
def retry_job(job: Job, *, by: Person = None) -> Job:
    """Clone a finished job that did not succeed; the clone goes on after its finished steps."""
    job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
    if not job.is_finished or job.state == Job.State.SUCCEEDED:
        raise JobStateError(
            f"{job} is {job.state}; only a failed, refused or cancelled job can be retried."
        )
    if job.retries.exists():
        raise JobStateError(f"{job} was retried as {job.retries.first()}; retry that one.")
    if job.schedule_id is not None:
        _require_idle(Schedule.objects.select_for_update().get(pk=job.schedule_id))
    clone = Job.objects.create(
        kind=job.kind,
        arguments=job.arguments,
        records=job.records,
        user=_person(by) or job.user,
        schedule_id=job.schedule_id,
        retry_of=job,
        rung_at=timezone.now(),
    )
    job.steps.update(job=clone)
    _ring_after_commit(clone)
    return clone


@transaction.atomic
def run_schedule(schedule: Schedule, *, by: Person = None) -> Job:
    """Run a schedule once now, whatever its time; the planned runs stay as they are."""
    schedule = Schedule.objects.select_for_update().get(pk=schedule.pk)
    _require_idle(schedule)
    schedule.last_run_at = timezone.now()
    schedule.save(update_fields=["last_run_at"])
    return enqueue(schedule.kind, by=by, schedule=schedule, **schedule.arguments)


def save_schedule(schedule: Schedule) -> None:
    """Save a schedule; a new rhythm, or being switched on again, counts from now."""
    before = Schedule.objects.filter(pk=schedule.pk).first()
    now = timezone.now()
    if before is None:
        if schedule.cron:
            schedule.next_run_at = schedule.occurrence_after(now)
    elif (before.interval_seconds, before.cron) != (schedule.interval_seconds, schedule.cron) or (
        schedule.is_enabled and not before.is_enabled
    ):
        # What was due while it was off is not a missed run.
        schedule.next_run_at = schedule.occurrence_after(now)
    schedule.save()


def _require_idle(schedule: Schedule) -> None:
    active = Job.objects.active().filter(schedule=schedule).first()
    if active is not None:
        raise JobStateError(
            f"The schedule {schedule} has an active run, {active}; stop it or wait for its end."
        )


def _ring_after_commit(job: Job) -> None:
    # Robust: the row is written, and whatever is wrong with the bell, the reconciler rings again.
    transaction.on_commit(lambda: ring(job.pk, job.fence), robust=True)


def _person(by: Person) -> User | None:
    return by if isinstance(by, User) else None
