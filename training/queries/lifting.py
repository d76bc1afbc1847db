"""What a person would have to change for a score to reach a threshold: dates, budget, interests.

Everything else about somebody is as it is. Each sort of change is tried by itself over a grid, and
the smallest that suffices is told; where none does, all of them together.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final, TypedDict

import numpy as np
import numpy.typing as npt

from matching.domain.travellers import Travellers, weigh_bits
from matching.domain.trips import MIN_OVERLAP_DAYS, overlap_days
from training.queries.scoring import Serving, score_travellers

FloatArray = npt.NDArray[np.float64]

MOST_DAYS: Final = 30  # by which the start and the end of a trip move, either way
BUDGET_SHARES: Final = tuple(round(0.05 * step, 2) for step in range(1, 21))  # up or down
LARGEST_RISE: Final = 1.0  # a budget is at most doubled
LARGEST_CUT: Final = 0.5  # and at most halved
MOST_ADDED: Final = 3  # interests at once
MOST_OFFERED: Final = 12  # interests of the other that are tried
EPOCH: Final = date(1970, 1, 1)


class DatesFields(TypedDict):
    """Another trip: its days, and by how many days start and end move in all."""

    start_date: str
    end_date: str
    days: int
    score: float


class BudgetFields(TypedDict):
    """Another budget, and the share by which it changes: 0.1 is a tenth more, -0.1 a tenth less."""

    budget: float
    share: float
    score: float


class InterestsFields(TypedDict):
    """Interests of the other that are added to one's own."""

    add: list[str]
    score: float


class TogetherFields(TypedDict):
    """Changes of every sort that suffice together, where none does alone."""

    dates: DatesFields | None
    budget: BudgetFields | None
    interests: InterestsFields | None
    score: float


class LiftFields(TypedDict):
    """What lifts a score over a threshold.

    Each sort of change is null where no change of it alone suffices, and `together` where one does,
    or not even all of them do. `highest` is what all of them reach at most.
    """

    threshold: float
    is_above: bool
    dates: DatesFields | None
    budget: BudgetFields | None
    interests: InterestsFields | None
    together: TogetherFields | None
    highest: float | None


@dataclass(frozen=True)
class _Change:
    """One sort of change: the traveller in each variant, the smallest change first, and the words
    of each."""

    variants: Travellers
    told: list[dict[str, Any]]


def lift(
    mine: Travellers,
    other: Travellers,
    serving: Serving,
    match_type: str,
    threshold: float,
    today: date,
) -> LiftFields:
    """Return the smallest changes of one person that lift a score over a threshold.

    Parameters
    ----------
    mine, other : one row each, of one vocabulary; of `mine` the changes are.
    serving : what answers.
    match_type : user_user or user_group.
    threshold : in [0, 1]; a score has to reach it.
    today : trips do not begin before it.
    """

    def score(variants: Travellers) -> FloatArray:
        repeated = _repeated(other, len(variants))
        return score_travellers(variants, repeated, serving, match_type).score

    now = float(score(mine)[0])
    found: LiftFields = {
        "threshold": threshold,
        "is_above": now >= threshold,
        "dates": None,
        "budget": None,
        "interests": None,
        "together": None,
        "highest": None if np.isnan(now) else now,
    }
    if found["is_above"] or np.isnan(now):
        return found
    best, parts = mine, {}
    sorts = {"dates": _dates, "budget": _budget, "interests": _interests}
    for name, vary in sorts.items():
        change = vary(mine, other, today)
        if change is None:
            continue
        scores = score(change.variants)
        enough = np.flatnonzero(scores >= threshold)
        if len(enough):
            told = {**change.told[enough[0]], "score": float(scores[enough[0]])}
            found[name] = told  # type: ignore[literal-required]
        top = int(np.nanargmax(scores))
        if scores[top] > now:
            parts[name] = {**change.told[top], "score": float(scores[top])}
            best = _with(best, change.variants.take(np.array([top])), name)
    together = float(score(best)[0])
    found["highest"] = max(now, together, *(part["score"] for part in parts.values()))
    if together >= threshold and not any(found[name] for name in sorts):  # type: ignore[literal-required]
        found["together"] = {
            "dates": None,
            "budget": None,
            "interests": None,
            **parts,
            "score": together,
        }  # type: ignore[typeddict-item]
    return found


def _dates(mine: Travellers, other: Travellers, today: date) -> _Change | None:
    if np.isnan(mine.start_day[0]) or np.isnan(mine.end_day[0]):
        return None
    days = np.arange(-MOST_DAYS, MOST_DAYS + 1.0)
    at_start, at_end = (grid.ravel() for grid in np.meshgrid(days, days))
    start, end = mine.start_day[0] + at_start, mine.end_day[0] + at_end
    moved = np.abs(at_start) + np.abs(at_end)
    usable = (moved > 0) & (end - start >= MIN_OVERLAP_DAYS)
    usable &= (start >= (today - EPOCH).days) | (at_start == 0)
    order = np.flatnonzero(usable)
    order = order[np.argsort(moved[order], kind="stable")]
    variants = replace(_repeated(mine, len(order)), start_day=start[order], end_day=end[order])
    shared = overlap_days(variants, _repeated(other, len(order)))
    kept = np.flatnonzero(~(shared < MIN_OVERLAP_DAYS))
    if not len(kept):
        return None
    told = [
        {"start_date": _day(first), "end_date": _day(last), "days": int(count)}
        for first, last, count in zip(
            start[order][kept], end[order][kept], moved[order][kept], strict=True
        )
    ]
    return _Change(variants.take(kept), told)


def _budget(mine: Travellers, other: Travellers, today: date) -> _Change | None:
    budget = float(mine.budget[0])
    if np.isnan(budget):
        return None
    shares = [
        sign * share
        for share in BUDGET_SHARES
        for sign in (1, -1)
        if -LARGEST_CUT <= sign * share <= LARGEST_RISE
    ]
    budgets = np.array([round(budget * (1 + share), 2) for share in shares])
    told = [
        {"budget": float(one), "share": share} for one, share in zip(budgets, shares, strict=True)
    ]
    return _Change(replace(_repeated(mine, len(shares)), budget=budgets), told)


def _interests(mine: Travellers, other: Travellers, today: date) -> _Change | None:
    words, has = mine.vocabulary.interests, _flags(mine)
    offered = np.flatnonzero((_flags(other) & ~has)[: len(words)]).tolist()
    # The rarest first: they say most.
    weights = mine.vocabulary.interest_weights
    offered = sorted(offered, key=lambda place: -weights[place])[:MOST_OFFERED]
    chosen = list(_some(offered))
    if not chosen:
        return None
    flags = np.repeat(has[None, :], len(chosen), axis=0)
    for row, added in enumerate(chosen):
        flags[row, list(added)] = True
    bits = np.packbits(flags, axis=1, bitorder="little")
    variants = replace(
        _repeated(mine, len(chosen)),
        interests=bits,
        interest_weight=weigh_bits(bits, mine.vocabulary.interest_tables),
    )
    return _Change(variants, [{"add": [words[place] for place in added]} for added in chosen])


def _some(offered: list[int]) -> Iterator[tuple[int, ...]]:
    for count in range(1, MOST_ADDED + 1):
        yield from itertools.combinations(offered, count)


def _flags(one: Travellers) -> npt.NDArray[np.bool_]:
    return np.unpackbits(one.interests[0], bitorder="little").astype(np.bool_)


def _with(one: Travellers, changed: Travellers, sort: str) -> Travellers:
    names = {
        "dates": ("start_day", "end_day"),
        "budget": ("budget",),
        "interests": ("interests", "interest_weight"),
    }[sort]
    return replace(one, **{name: getattr(changed, name) for name in names})


def _repeated(one: Travellers, count: int) -> Travellers:
    return one.take(np.zeros(count, np.int64))


def _day(number: float) -> str:
    return (EPOCH + timedelta(days=int(number))).isoformat()
