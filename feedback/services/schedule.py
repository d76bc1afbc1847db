"""The schedule that collects by itself, every hour unless told otherwise."""

from django.db import transaction
from django.utils import timezone

from feedback.queries.schedule import COLLECT_KIND, SCHEDULE_NAME, current_schedule
from project.jobs.models import Schedule

DEFAULT_INTERVAL_SECONDS = 3600


@transaction.atomic
def switch_on(*, interval_seconds: int | None = None) -> Schedule:
    """Collect from now on, at once and then at the interval; on again keeps the interval."""
    schedule, made = Schedule.objects.select_for_update().get_or_create(
        name=SCHEDULE_NAME,
        defaults={
            "kind": COLLECT_KIND,
            "interval_seconds": interval_seconds or DEFAULT_INTERVAL_SECONDS,
        },
    )
    if made:
        return schedule
    if not schedule.is_enabled:
        schedule.next_run_at = timezone.now()
    schedule.is_enabled = True
    if interval_seconds:
        schedule.interval_seconds, schedule.cron = interval_seconds, ""
    schedule.full_clean()
    schedule.save()
    return schedule


def switch_off() -> Schedule | None:
    """Collect no more by itself; returns None when it never did."""
    Schedule.objects.filter(name=SCHEDULE_NAME).update(is_enabled=False)
    return current_schedule()
