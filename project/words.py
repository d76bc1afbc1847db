"""How a number, an interval, a duration and a moment are spelt: once for terminal, page and
docs."""

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

NONE: Final = "-"  # what stands where there is no value

MINUTE: Final = 60.0  # seconds
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def number(value: float | None) -> str:
    """Return a number as people read it: thousands separated, no digits that say nothing.

    Whole numbers stay whole; below 10 there are three decimals, and below 0.001 two digits that are
    not zero, so that a small p-value is not shown as nothing.
    """
    if value is None or not math.isfinite(value):
        return NONE
    value = float(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 0.001:
        return f"{value:.3f}"
    return f"{value:.1e}" if abs(value) < 1e-4 else f"{value:.5f}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number of things with their name: `1 row`, `1,000 rows`, `no people`."""
    return tally(count, noun, plural) if count else f"no {plural or f'{noun}s'}"


def tally(count: float, noun: str, plural: str = "") -> str:
    """Return a number of things as it stands beside others: `1 row`, `1,000 rows`, `0 rows`."""
    return f"{number(count)} {bend(count, noun, plural or f'{noun}s')}"


def bend(count: float, one: str, several: str) -> str:
    """Return the word that goes with a number of things: `is` or `are`, `it` or `them`."""
    return one if count == 1 else several


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: `2`, `2 and 1`, `3, 2 and 1`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def signed(value: float | None) -> str:
    """Return a difference with its sign, which says the direction."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 and text != NONE else text


def share(value: float | None) -> str:
    """Return a share in [0, 1] as a percentage with one decimal."""
    return NONE if value is None or not math.isfinite(value) else f"{100 * float(value):.1f} %"


def interval(low: float | None, high: float | None) -> str:
    """Return both ends of an interval; a dash where either is unknown."""
    return (
        NONE if number(low) == NONE or number(high) == NONE else f"{number(low)} to {number(high)}"
    )


def measured(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a measured value with its interval, as `0.807 (0.744 to 0.865)`."""
    ends = interval(low, high)
    return number(value) if ends == NONE or number(value) == NONE else f"{number(value)} ({ends})"


def duration(seconds: float | None) -> str:
    """Return a length of time in its one or two largest units, as `4.2 s`, `3 min 5 s`, `2 d 4
    h`."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < MINUTE:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    for size, unit, smaller, word in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1.0, "s"),
    ):
        if whole >= size:
            units, rest = divmod(whole, int(size))
            parts = int(rest // smaller)
            return f"{units} {unit} {parts} {word}" if parts else f"{units} {unit}"
    return f"{whole} s"


def ago(seconds: float | None) -> str:
    """Return how long ago something was, to the second: `3 min 5 s ago`; `in 2 h` when it comes."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    whole = round(seconds)
    return f"{duration(whole)} ago" if whole >= 0 else f"in {duration(-whole)}"


def moment(at: datetime | None, *, seconds: bool = False) -> str:
    """Return a moment in the installation's time zone, with the zone: `2026-11-26 14:05 UTC`.

    The zone is that of the process, which Django sets from SEEDBED_TIME_ZONE. A moment without a
    zone is refused, because nobody could say when it was.
    """
    if at is None:
        return NONE
    if at.tzinfo is None:
        raise ValueError(f"Expected a moment with a time zone; got {at.isoformat()} without one.")
    return f"{at.astimezone():{'%Y-%m-%d %H:%M:%S %Z' if seconds else '%Y-%m-%d %H:%M %Z'}}"


def stay(start: date, end: date) -> str:
    """Return when a trip begins and how long it is: `2026-12-05, 12 nights`."""
    return f"{start.isoformat()}, {tally((end - start).days, 'night')}"


def clock(at: datetime) -> str:
    """Return the time of day of a log line, in the installation's time zone."""
    return f"{at.astimezone():%H:%M:%S}"


def size(count: float | None) -> str:
    """Return a number of bytes in the largest decimal unit that keeps it above one."""
    if count is None:
        return NONE
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} B"
