"""The schedule that collects by itself, every hour unless told otherwise."""

from django.contrib.auth.models import User

from feedback.queries.schedule import COLLECT_KIND, SCHEDULE_NAME
from project.jobs.models import Schedule
from project.jobs.services import owner_for_operator, switch_schedule_off, switch_schedule_on

DEFAULT_INTERVAL_SECONDS = 3600


def switch_on(*, owner: User | None = None, interval_seconds: int | None = None) -> Schedule:
    """Collect from now on, at once and then at the interval, with the rights of `owner`.

    At the command line that is `owner_for_operator`. On again keeps the interval.
    """
    return switch_schedule_on(
        SCHEDULE_NAME,
        COLLECT_KIND,
        owner=owner or owner_for_operator(),
        seconds=interval_seconds,
        default_seconds=DEFAULT_INTERVAL_SECONDS,
        does="collect feedback",
    )


def switch_off() -> Schedule | None:
    """Collect no more by itself; returns None when it never did."""
    return switch_schedule_off(SCHEDULE_NAME)
