"""The schedule that looks at what applications are answered, every minute unless told otherwise."""

from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from project.jobs.contract import get_kind
from project.jobs.models import Schedule
from project.refusal import Refusal
from serving.queries.schedule import MONITOR_KIND, SCHEDULE_NAME, current_schedule

DEFAULT_SECONDS: Final = 60


@transaction.atomic
def switch_on(*, owner: User, seconds: int | None = None) -> Schedule:
    """Look from now on, with the rights of `owner`; on again keeps the interval.

    Raises
    ------
    Refusal
        For an owner who may not.
    """
    permission = get_kind(MONITOR_KIND).permission
    if not owner.has_perm(permission):
        raise Refusal(
            f"{owner} may not watch what applications are answered, so no schedule can with these "
            "rights.",
            remedy="Let somebody own it who may: --owner at the command line.",
        )
    schedule, is_new = Schedule.objects.select_for_update().get_or_create(
        name=SCHEDULE_NAME,
        defaults={
            "kind": MONITOR_KIND,
            "interval_seconds": seconds or DEFAULT_SECONDS,
            "owner": owner,
        },
    )
    if is_new:
        return schedule
    if not schedule.is_enabled:
        schedule.next_run_at = timezone.now()
    schedule.is_enabled, schedule.owner = True, owner
    if seconds:
        schedule.interval_seconds, schedule.cron = seconds, ""
    schedule.full_clean()
    schedule.save()
    return schedule


def switch_off() -> Schedule | None:
    """Look no more by itself; returns None when it never did."""
    schedule = current_schedule()
    if schedule is not None and schedule.is_enabled:
        schedule.is_enabled = False
        schedule.save(update_fields=["is_enabled"])
    return schedule
