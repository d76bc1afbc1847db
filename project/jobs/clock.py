"""When a schedule runs next."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

from project import words

MOST_MISSED = 1000  # beyond that the number tells nobody anything new
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# Of each field: its smallest and largest number, and what its names count as.
FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
    (0, 7, {name: number for number, name in enumerate(WEEKDAYS)}),
)


class UnreadableCron(ValueError):
    """The cron expression says nothing that a schedule could go by."""


def next_occurrence(
    moment: datetime, *, anchor: datetime, interval_seconds: int | None, cron: str, zone: tzinfo
) -> datetime:
    """Return the first run strictly after `moment`.

    Parameters
    ----------
    moment, anchor : aware datetime
        `anchor` is any run of an interval schedule; runs keep its phase however late one was.
    interval_seconds : int or None
        Seconds between runs; None for a cron schedule.
    cron : str
        Five-field cron expression. A time that the clock skips in spring runs right after the gap;
        one that it repeats in autumn runs once. Where the hour begins with `*`, runs are those that
        the clock shows: none in the hour that is skipped, twice in the one that is repeated.
    zone : tzinfo
        In which the cron expression is read.

    Returns
    -------
    datetime
        In UTC.

    Raises
    ------
    UnreadableCron
        When the cron expression cannot be read, or names no time that ever comes; so does an
        interval of thousands of years.
    """
    if interval_seconds:
        # In UTC: adding hours to a local time would skip or repeat one when the clocks change.
        try:
            first, period = anchor.astimezone(UTC), timedelta(seconds=interval_seconds)
            return first + ((moment - first) // period + 1) * period
        except OverflowError:
            raise UnreadableCron(
                "The interval is so long that its next time lies beyond the year 9999."
            ) from None
    found = next(_cron_times(cron, moment, zone), None)
    if found is None:
        raise UnreadableCron(f"{cron!r} names no time that ever comes.")
    return found


def count_missed(
    first_due: datetime, now: datetime, *, interval_seconds: int | None, cron: str, zone: tzinfo
) -> int:
    """Count the runs after `first_due` and up to `now` that fold into the one at `first_due`.

    Counting stops at 1,000. Parameters and exceptions are those of `next_occurrence`.
    """
    if interval_seconds:
        return max(0, (now - first_due) // timedelta(seconds=interval_seconds))
    missed = 0
    for moment in _cron_times(cron, first_due, zone):
        if moment > now or missed == MOST_MISSED:
            break
        missed += 1
    return missed


def _cron_times(cron: str, moment: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield the times of a cron expression after a moment, in UTC."""
    last = moment.astimezone(UTC)
    for local in _read(cron, last.astimezone(zone)):
        following = local.astimezone(UTC)
        # Within a repeated hour cronsim begins anew at its first pass; and what the clock skips is
        # all of the same moment.
        if following > last:
            last = following
            yield following


def _read(cron: str, moment: datetime) -> CronSim:
    fields = cron.upper().split()
    try:
        if len(fields) != len(FIELDS):
            raise CronSimError(f"{words.tally(len(fields), 'field')}")
        return CronSim(" ".join(_as_cronsim_reads(fields)), moment)
    except CronSimError as error:
        raise UnreadableCron(
            f"{cron!r} is no cron expression ({error}); expected five fields: minute hour day "
            "month weekday."
        ) from error


def _as_cronsim_reads(fields: list[str]) -> list[str]:
    """Spell out what cronsim refuses, or takes in another sense than this ledger always has."""
    terms = [
        [_spelt_out(term, *bounds) for term in field.split(",")]
        for field, bounds in zip(fields, FIELDS, strict=True)
    ]
    minute, hour, day, month, weekday = (",".join(field) for field in terms)
    if not hour.startswith("*"):
        minute = _range_for_star(minute, 0)
    if day != "*" and weekday != "*":
        if "#" in weekday or "L" in weekday:
            raise CronSimError("a day of the month and an n-th weekday: name one of them")
        # With a star in front cronsim wants both to hold, not either.
        day, weekday = _range_for_star(day, 2), _range_for_star(weekday, 4)
    return [minute, hour, day, month, weekday]


def _spelt_out(term: str, low: int, high: int, names: dict[str, int]) -> str:
    """Return `?` as `*`, `L5` as `5L`, a range that runs over its end (FRI-MON) as a list."""
    if term == "?":
        return "*"
    if len(term) == 2 and term[0] == "L" and term[1].isdigit():
        return f"{term[1]}L"
    span, _, step = term.partition("/")
    parts = [str(names.get(end, end)) for end in span.split("-")] + [step or "1"]
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return term
    first, last, stride = map(int, parts)
    if not (low <= last < first <= high and stride):
        return term
    numbers = [*range(first, high + 1), *range(low, last + 1)]
    if high == 7:  # Sunday has two numbers
        numbers = list(dict.fromkeys(number % 7 for number in numbers))
    return ",".join(map(str, numbers[::stride]))


def _range_for_star(field: str, number: int) -> str:
    low, high, _ = FIELDS[number]
    return f"{low}-{high}{field[1:]}" if field.startswith("*") else field
