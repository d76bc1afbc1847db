"""When a schedule runs next."""

from datetime import datetime, timedelta

from croniter import croniter
from django.utils import timezone


def next_occurrence(
    moment: datetime, *, anchor: datetime, interval_seconds: int | None, cron: str
) -> datetime:
    """Return the first run strictly after `moment`.

    Parameters
    ----------
    moment, anchor : aware datetime
        `anchor` is any run of an interval schedule; runs keep its phase however late one was.
    interval_seconds : int or None
        Seconds between runs; None for a cron schedule.
    cron : str
        Five-field cron expression, read in the project's time zone.

    Raises
    ------
    ValueError
        When the cron expression cannot be read.
    """
    if interval_seconds:
        periods = (moment - anchor) // timedelta(seconds=interval_seconds) + 1
        return anchor + max(periods, 1) * timedelta(seconds=interval_seconds)
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise ValueError(
            f"{cron!r} is no cron expression; expected five fields: minute hour day month weekday."
        )
    following: datetime = croniter(cron, timezone.localtime(moment)).get_next(datetime)
    return following


def count_missed(
    first_due: datetime, now: datetime, *, interval_seconds: int | None, cron: str
) -> int:
    """Count the runs after `first_due` and up to `now` that fold into the one at `first_due`.

    Counting stops at 1,000: beyond that the number tells nobody anything new.
    """
    if interval_seconds:
        return max(0, (now - first_due) // timedelta(seconds=interval_seconds))
    times = croniter(cron, timezone.localtime(first_due))
    for missed in range(1000):
        if times.get_next(datetime) > now:
            return missed
    return 1000
