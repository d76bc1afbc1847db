"""The tick that makes a lost bell, a dead worker or a missed hour harmless."""

from dataclasses import dataclass

from django.db import connection, transaction
from django.utils import timezone

from project.jobs.bell import ring
from project.jobs.clock import count_missed
from project.jobs.models import Job, Schedule
from project.jobs.services import enqueue

RING_AGAIN_SECONDS = 5  # how long a lost bell can delay a job


@dataclass(frozen=True)
class Tick:
    """What one tick did: numbers of jobs rung again and of schedules started."""

    rung: int
    scheduled: int


def tick() -> Tick:
    """Ring for every due job that no worker has, and start every schedule that is due.

    Any number of processes may tick at the same time.
    """
    return Tick(rung=_ring_due_jobs(), scheduled=_start_due_schedules())


def _ring_due_jobs() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE jobs_job SET rung_at = clock_timestamp()
             WHERE id IN (
                   SELECT id FROM jobs_job
                    WHERE (state = 'queued'
                           OR (state = 'running' AND lease_until < clock_timestamp()))
                      AND (rung_at IS NULL OR rung_at < clock_timestamp() - make_interval(secs => %s))
                    ORDER BY created_at LIMIT 1000
                      FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            [RING_AGAIN_SECONDS],
        )
        due = [row[0] for row in cursor.fetchall()]
    return sum(ring(job_id) for job_id in due)


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
    now = timezone.now()
    if Job.objects.active().filter(schedule=schedule).exists():
        return False
    schedule.missed_runs += count_missed(
        schedule.next_run_at, now, interval_seconds=schedule.interval_seconds, cron=schedule.cron
    )
    enqueue(schedule.kind, schedule=schedule, **schedule.arguments)
    schedule.last_run_at = now
    schedule.next_run_at = schedule.occurrence_after(now)
    schedule.save(update_fields=["missed_runs", "last_run_at", "next_run_at"])
    return True
