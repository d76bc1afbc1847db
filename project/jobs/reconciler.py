"""The tick that makes a lost bell, a dead worker or a missed hour harmless."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction

from project import clock
from project.jobs.bell import ring
from project.jobs.clock import UnreadableCron
from project.jobs.contract import UnknownKind, UnusableArguments
from project.jobs.models import Job, Schedule
from project.jobs.services import NotPermitted, start_due

logger = logging.getLogger(__name__)

RING_AGAIN_SECONDS = 5  # how long a lost bell can delay a job
UNREADABLE_PAUSE = timedelta(days=1)  # until a rhythm that cannot be read is looked at again


@dataclass(frozen=True)
class Tick:
    """What one tick did: how many jobs it rang for, unheard or not, how many schedules ran."""

    rung: int
    unheard: int
    scheduled: int


def tick() -> Tick:
    """Ring for every due job that no worker has, and start every schedule that is due.

    Any number of processes may tick at the same time, on hosts whose clocks are not the same.
    """
    clock.measure()
    rung, unheard = ring_due_jobs()
    return Tick(rung=rung, unheard=unheard, scheduled=_start_due_schedules())


def ring_due_jobs() -> tuple[int, int]:
    """Ring for every job that waits or whose lease has run out; return rings heard and unheard."""
    _end_stalled_sessions()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE jobs_job SET rung_at = clock_timestamp()
             WHERE id IN (
                   SELECT id FROM jobs_job
                    WHERE (state = 'queued'
                           OR (state = 'running' AND lease_until < clock_timestamp()))
                      AND (rung_at IS NULL
                           OR rung_at < clock_timestamp() - make_interval(secs => %s))
                    ORDER BY created_at LIMIT 1000
                      FOR UPDATE SKIP LOCKED)
            RETURNING id, fence
            """,
            [RING_AGAIN_SECONDS],
        )
        due = cursor.fetchall()
    heard = sum(ring(job_id, fence) for job_id, fence in due)
    return heard, len(due) - heard


def _end_stalled_sessions() -> None:
    """End database sessions of runs that have lost their job.

    A process that hangs within a transaction keeps its locks. The run that comes after it inserts
    the same keys, and would wait for as long as the other one hangs; so would other jobs, once the
    job has ended.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT pg_terminate_backend(session.pid)
              FROM pg_stat_activity session
              JOIN jobs_job job ON split_part(session.application_name, ' ', 2) = job.id::text
             WHERE session.datname = current_database()
               AND session.application_name LIKE 'job %'
               AND session.pid <> pg_backend_pid()
               AND (job.lease_until < clock_timestamp()
                    OR split_part(session.application_name, ' ', 3) <> job.fence::text)
            """
        )


def _start_due_schedules() -> int:
    started = 0
    for schedule_id in Schedule.objects.due().values_list("pk", flat=True):
        started += _start_schedule(schedule_id)
    return started


@transaction.atomic
def _start_schedule(schedule_id: int) -> bool:
    """Start one due schedule unless its last run is still active; missed runs become one."""
    schedule = (
        Schedule.objects.due().filter(pk=schedule_id).select_for_update(skip_locked=True).first()
    )
    if schedule is None:
        return False
    now = clock.now()
    if Job.objects.active().filter(schedule=schedule).exists():
        return False
    schedule.last_error = ""
    try:
        missed = schedule.missed_until(now)
        schedule.next_run_at = schedule.occurrence_after(now)
        start_due(schedule)
    except (UnknownKind, UnusableArguments, UnreadableCron, NotPermitted) as error:
        # The others go on, and its page says what is wrong with this one.
        logger.error("The schedule %s cannot run: %s", schedule, error)
        schedule.last_error = str(error)
        if schedule.next_run_at <= now:  # a rhythm that this version cannot read any more
            schedule.next_run_at = now + UNREADABLE_PAUSE
    else:
        schedule.last_run_at = now
        schedule.missed_runs += missed
    # Past the history, which is of what people change.
    Schedule.objects.filter(pk=schedule.pk).update(
        missed_runs=schedule.missed_runs,
        last_run_at=schedule.last_run_at,
        next_run_at=schedule.next_run_at,
        last_error=schedule.last_error,
    )
    return not schedule.last_error
