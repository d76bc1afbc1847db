"""How long what people wrote is kept: what apps remove once it is older than a setting says."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from project.jobs.contract import Run
from project.refusal import Refusal
from project.removal.work import in_chunks

TIDY_KIND: Final = "overview.tidy_rows"
SCHEDULE_NAME: Final = "tidy"
NAMES: Final = ("SEEDBED_KEEP_TEXT_DAYS", "SEEDBED_KEEP_REJECTED_DAYS", "SEEDBED_KEEP_SCORES_DAYS")


@dataclass(frozen=True)
class Kept:
    """One kind of thing that is kept for a time.

    Attributes
    ----------
    noun : what goes, in the singular
    setting : how many days it is kept, without SEEDBED_; 0 keeps it
    remove_some : removes at most so many that are older than a moment; returns how many, 0 at the
        end
    """

    noun: str
    setting: str
    remove_some: Callable[[datetime], int]

    @property
    def days(self) -> int:
        """How many days; 0: for ever."""
        return int(getattr(settings, self.setting))


_kept: list[Kept] = []


def keeps(noun: str, *, setting: str) -> Callable[[Callable[[datetime], int]], Callable[..., int]]:
    """Register the decorated function as what removes things that are kept for a time."""

    def register(remove_some: Callable[[datetime], int]) -> Callable[[datetime], int]:
        _kept.append(Kept(noun, setting, remove_some))
        return remove_some

    return register


def limited() -> list[Kept]:
    """Return what is kept for a time only, by the settings of now."""
    return [one for one in _kept if one.days > 0]


def require_limits() -> None:
    """Refuse where everything is kept for ever.

    Raises
    ------
    Refusal
    """
    if not limited():
        raise Refusal(
            "Nothing is removed by its age: everything is kept for ever.",
            remedy=f"Set {', '.join(NAMES[:-1])} or {NAMES[-1]} to a number of days, for web, "
            "workers and scheduler, and start them again.",
        )


def remove_old(run: Run) -> dict[str, dict[str, int]]:
    """Remove what is older than it is kept, some at a time; returns how much went, and the days."""
    require_limits()
    counts, days = dict[str, int](), dict[str, int]()
    for one in limited():
        until = run.asked_at - timedelta(days=one.days)
        went = in_chunks(run, one.noun, lambda one=one, until=until: one.remove_some(until))  # type: ignore[misc]
        counts[one.noun] = counts.get(one.noun, 0) + went
        days[one.noun] = one.days
    return {"counts": counts, "days": days}
