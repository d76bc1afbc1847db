"""The schedule that looks at what applications are answered, every minute unless told otherwise."""

from typing import Final

from django.contrib.auth.models import User

from project.jobs.models import Schedule
from project.jobs.services import switch_schedule_off, switch_schedule_on
from serving.queries.schedule import MONITOR_KIND, SCHEDULE_NAME

DEFAULT_SECONDS: Final = 60


def switch_on(*, owner: User, seconds: int | None = None) -> Schedule:
    """Look from now on, with the rights of `owner`; on again keeps the interval.

    Raises
    ------
    Refusal
        For an owner who may not.
    """
    return switch_schedule_on(
        SCHEDULE_NAME,
        MONITOR_KIND,
        owner=owner,
        seconds=seconds,
        default_seconds=DEFAULT_SECONDS,
        does="watch what applications are answered",
    )


def switch_off() -> Schedule | None:
    """Look no more by itself; returns None when it never did."""
    return switch_schedule_off(SCHEDULE_NAME)
