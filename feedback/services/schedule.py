"""The schedule that collects by itself, every hour unless told otherwise."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from feedback.queries.schedule import COLLECT_KIND, SCHEDULE_NAME, current_schedule
from project.jobs.contract import get_kind
from project.jobs.models import Schedule
from project.jobs.services import owner_for_operator
from project.refusal import Refusal

DEFAULT_INTERVAL_SECONDS = 3600


@transaction.atomic
def switch_on(*, owner: User | None = None, interval_seconds: int | None = None) -> Schedule:
    """Collect from now on, at once and then at the interval, with the rights of `owner`.

    At the command line that is `owner_for_operator`. On again keeps the interval.
    """
    owner = owner or owner_for_operator()
    if not owner.has_perm(get_kind(COLLECT_KIND).permission):
        raise Refusal(
            f"{owner} may not collect feedback, so no schedule can with these rights.",
            remedy="Let somebody own it who may: --owner at the command line.",
        )
    schedule, made = Schedule.objects.select_for_update().get_or_create(
        name=SCHEDULE_NAME,
        defaults={
            "kind": COLLECT_KIND,
            "interval_seconds": interval_seconds or DEFAULT_INTERVAL_SECONDS,
            "owner": owner,
        },
    )
    if made:
        return schedule
    if not schedule.is_enabled:
        schedule.next_run_at = timezone.now()
    schedule.is_enabled = True
    schedule.owner = owner
    if interval_seconds:
        schedule.interval_seconds, schedule.cron = interval_seconds, ""
    schedule.full_clean()
    schedule.save()
    return schedule


def switch_off() -> Schedule | None:
    """Collect no more by itself; returns None when it never did."""
    schedule = current_schedule()
    if schedule is not None and schedule.is_enabled:
        schedule.is_enabled = False
        schedule.save(update_fields=["is_enabled"])
    return schedule
