"""What people and schedules do to jobs: enqueue, stop, retry, save a schedule, run it now."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from project import clock
from project.acting import Actor, Person, current_actor
from project.jobs.bell import ring
from project.jobs.contract import (
    Arguments,
    JobKind,
    UnusableArguments,
    get_kind,
    read_arguments,
    stored_arguments,
)
from project.jobs.models import Job, Schedule, require_schedulable
from project.refusal import Refusal
from project.uploads.services import find_upload


class NotPermitted(PermissionDenied):
    """Who asks lacks a right that the job needs; the message names it."""


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

    Whoever asks, `by` or who acts here, needs the rights of what is asked. Without a ring the
    caller has a few seconds to run the job itself.

    Raises
    ------
    UnknownKind, UnusableArguments
        For what no job can be.
    NotPermitted
        When a right is lacking.
    """
    actor = _actor(by)
    declared = get_kind(kind)
    asked = read_arguments(declared, arguments)
    require_rights(actor, declared, asked)
    _require_uploads(actor, declared, asked)
    job = Job.objects.create(
        kind=kind,
        arguments=stored_arguments(asked),
        actor=actor.name,
        user=actor.user,
        is_by_operator=actor.is_operator,
        schedule=schedule,
        rung_at=clock.now(),
    )
    if ring_bell:
        _ring_after_commit(job)
    return job


def require_rights(actor: Actor, kind: JobKind, asked: Arguments) -> None:
    """Raise NotPermitted unless an actor has every right that a start with arguments needs."""
    lacking = [name for name in kind.permissions_for(asked) if not actor.may(name)]
    if lacking:
        raise NotPermitted(
            f"{actor.name} may not start “{kind.title}” so: it needs the right to "
            f"{' and '.join(lacking)}."
        )


def _require_uploads(actor: Actor, kind: JobKind, asked: Arguments) -> None:
    for question in kind.questions:
        if not question.asks_upload:
            continue
        value = getattr(asked, question.name)
        for upload in value if isinstance(value, list) else [value]:
            if find_upload(upload, actor) is None:
                raise UnusableArguments(
                    {
                        question.name: f"{question.name}: you have no upload {upload}. Upload the "
                        "file again; what nobody uses is removed after a week."
                    }
                )


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
        job.finished_at = clock.now()
        job.error = "Stopped before a worker took it."
    job.save(update_fields=["stop_requested", "state", "finished_at", "error"])
    if job.state == Job.State.QUEUED:
        _ring_after_commit(job)
    return job


@transaction.atomic
def retry_job(job: Job, *, by: Person = None) -> Job:
    """Clone a finished job that did not succeed; the clone goes on after its finished steps.

    Whoever retries needs the rights that the job needs, and is who asked for the clone.
    """
    actor = _actor(by)
    job = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
    if not job.is_finished or job.state == Job.State.SUCCEEDED:
        raise JobStateError(
            f"{job} is {job.state}; only a failed, refused or cancelled job can be retried."
        )
    if job.retries.exists():
        raise JobStateError(f"{job} was retried as {job.retries.first()}; retry that one.")
    declared = get_kind(job.kind)
    asked = read_arguments(declared, job.arguments)
    require_rights(actor, declared, asked)
    if job.schedule_id is not None:
        _require_idle(Schedule.objects.select_for_update().get(pk=job.schedule_id))
    clone = Job.objects.create(
        kind=job.kind,
        arguments=job.arguments,
        records=job.records,
        stages=[stage for stage in job.stages if stage["state"] == "done"]
        if job.steps.exists()
        else [],
        actor=actor.name,
        user=actor.user,
        is_by_operator=actor.is_operator,
        schedule_id=job.schedule_id,
        retry_of=job,
        rung_at=clock.now(),
    )
    job.steps.update(job=clone)
    _ring_after_commit(clone)
    return clone


@transaction.atomic
def give_back_running(*, ended: str = "", why: str = "") -> int:
    """Let jobs wait that ran when the database was copied: whoever worked on them is not here.

    The job `ended`, if it is active, is over instead, and says why. Returns how many wait anew.
    """
    if ended:
        Job.objects.active().filter(pk=ended).update(
            state=Job.State.CANCELLED, finished_at=Now(), error=why
        )
    return Job.objects.filter(state=Job.State.RUNNING).update(
        state=Job.State.QUEUED,
        worker="",
        lease_until=None,
        rung_at=None,
        attempts=Greatest(F("attempts") - 1, 0),
    )


@transaction.atomic
def run_schedule(schedule: Schedule, *, by: Person = None) -> Job:
    """Run a schedule once now, whatever its time; the planned runs stay as they are."""
    schedule = Schedule.objects.select_for_update().get(pk=schedule.pk)
    _require_idle(schedule)
    require_schedulable(schedule.kind, schedule.arguments)
    Schedule.objects.filter(pk=schedule.pk).update(last_run_at=clock.now())
    return enqueue(schedule.kind, by=by, schedule=schedule, **schedule.arguments)


def start_due(schedule: Schedule) -> Job:
    """Start a schedule with the rights that its owner has now.

    Raises
    ------
    NotPermitted
        When nobody owns it, or the owner's account or rights are gone.
    UnknownKind, UnusableArguments
        For what no schedule may start.
    """
    require_schedulable(schedule.kind, schedule.arguments)
    owner = schedule.owner
    if owner is None:
        raise NotPermitted("Nobody owns this schedule: save it, and it runs with your rights.")
    if not owner.is_active:
        raise NotPermitted(
            f"The account of its owner {owner} is switched off: save it, and it runs with your "
            "rights."
        )
    return enqueue(schedule.kind, by=owner, schedule=schedule, **schedule.arguments)


def owner_for_operator(named: str = "") -> User:
    """Return the account with whose rights a schedule runs that a command switches on.

    The one that is named, else that of SEEDBED_SCHEDULE_OWNER, else the only active superuser.

    Raises
    ------
    Refusal
        When there is no such account, or which one is not clear.
    """
    accounts = User.objects.filter(is_active=True)
    if named := named or settings.SCHEDULE_OWNER:
        owner = accounts.filter(username=named).first()
        if owner is None:
            raise Refusal(
                f"There is no active account {named!r} that the schedule could belong to.",
                remedy="Name another one with --owner or SEEDBED_SCHEDULE_OWNER.",
            )
        return owner
    superusers = list(accounts.filter(is_superuser=True)[:2])
    if len(superusers) != 1:
        found = "no active superuser" if not superusers else "more than one active superuser"
        raise Refusal(
            f"A schedule runs with the rights of its owner, and there is {found}.",
            remedy="Name the owner with --owner or SEEDBED_SCHEDULE_OWNER"
            + ("." if superusers else "; `manage.py createsuperuser` makes an account."),
        )
    return superusers[0]


@transaction.atomic
def switch_schedule_on(
    name: str, kind: str, *, owner: User, seconds: int | None, default_seconds: int, does: str
) -> Schedule:
    """Let a schedule of a known name run from now on, at once and then at its interval.

    Parameters
    ----------
    owner : with whose rights it runs.
    seconds : between two runs; None keeps what it had, at first `default_seconds`.
    does : what it does, in words for who may not.

    Raises
    ------
    Refusal
        For an owner who may not.
    """
    if not owner.has_perm(get_kind(kind).permission):
        raise Refusal(
            f"{owner} may not {does}, so no schedule can with these rights.",
            remedy="Let somebody own it who may: --owner at the command line.",
        )
    schedule, is_new = Schedule.objects.select_for_update().get_or_create(
        name=name,
        defaults={"kind": kind, "interval_seconds": seconds or default_seconds, "owner": owner},
    )
    if is_new:
        return schedule
    if not schedule.is_enabled:
        schedule.next_run_at = clock.now()
    schedule.is_enabled, schedule.owner = True, owner
    if seconds:
        schedule.interval_seconds, schedule.cron = seconds, ""
    schedule.full_clean()
    schedule.save()
    return schedule


def switch_schedule_off(name: str) -> Schedule | None:
    """Let a schedule run no more by itself; returns None where there never was one."""
    schedule = Schedule.objects.filter(name=name).first()
    if schedule is not None and schedule.is_enabled:
        schedule.is_enabled = False
        schedule.save(update_fields=["is_enabled"])
    return schedule


def save_schedule(schedule: Schedule, *, by: Person = None) -> None:
    """Save a schedule, which then runs with the rights of who saves it.

    A new rhythm, or being switched on again, counts from now.
    """
    actor = _actor(by)
    schedule.owner = actor.user
    before = Schedule.objects.filter(pk=schedule.pk).first()
    now = clock.now()
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


def _actor(by: Person) -> Actor:
    return current_actor() if by is None else Actor.of(by)
