"""When a schedule runs next."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

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
        Five-field cron expression, read in the project's time zone. A time that the clock skips in
        spring runs right after the gap; one that it repeats in autumn runs once, unless the
        expression is for every hour.

    Raises
    ------
    ValueError
        When the cron expression cannot be read.
    """
    if interval_seconds:
        # In UTC: adding hours to a local time would skip or repeat one when the clocks change.
        first, period = anchor.astimezone(UTC), timedelta(seconds=interval_seconds)
        return first + ((moment - first) // period + 1) * period
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise ValueError(
            f"{cron!r} is no cron expression; expected five fields: minute hour day month weekday."
        )
    return next(_cron_times(cron, moment))


def count_missed(
    first_due: datetime, now: datetime, *, interval_seconds: int | None, cron: str
) -> int:
    """Count the runs after `first_due` and up to `now` that fold into the one at `first_due`.

    Counting stops at 1,000: beyond that the number tells nobody anything new.
    """
    if interval_seconds:
        return max(0, (now - first_due) // timedelta(seconds=interval_seconds))
    times = _cron_times(cron, first_due)
    for missed in range(1000):
        if next(times) > now:
            return missed
    return 1000


def _cron_times(cron: str, moment: datetime) -> Iterator[datetime]:
    local = timezone.localtime(moment, timezone.get_default_timezone())
    is_for_every_hour = cron.split()[1].startswith("*")
    times = croniter(cron, local)
    while True:
        following: datetime = times.get_next(datetime)
        if is_for_every_hour or not following.fold:
            yield following.astimezone(UTC)
