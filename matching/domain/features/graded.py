"""The parts that both feature sets share: gaps before they are graded, and three graded scores."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.domain.travellers import PairSide
from matching.domain.trips import MIN_OVERLAP_DAYS, overlap_days

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]
Grade = Callable[[FloatArray], FloatArray]

GROUP_BUDGET_SCALE: Final = 40_000.0  # budget gap, in currency units, at which a group scores 0
SMOKING_WEIGHT: Final = 0.6  # of the lifestyle score; drinking has the rest
NATIONALITY_WEIGHT: Final = 0.6  # of the background score; religion has the rest


def overlap_score(a: PairSide, b: PairSide, is_group: bool, grade: Grade) -> FloatArray:
    """Grade the share of the longer trip (with a group: of the user's) that both are there.

    Parameters
    ----------
    a, b : sides of n pairs
    grade : from that share, float64 (n,), to the score

    Returns
    -------
    float64 array of shape (n,); 0 under one shared day, NaN where a date is unknown.
    """
    days = overlap_days(a, b)
    trip = a.end_day - a.start_day
    if not is_group:
        trip = np.maximum(trip, b.end_day - b.start_day)
    return np.where(days < MIN_OVERLAP_DAYS, 0.0, grade(days / np.maximum(trip, 1.0)))


def budget_score(a: PairSide, b: PairSide, is_group: bool, grade: Grade) -> FloatArray:
    """Grade the gap between two budgets relative to the larger; with a group, its size in money.

    Parameters
    ----------
    a, b : sides of n pairs
    grade : from the relative gap, float64 (n,) in [0, 1], to the score

    Returns
    -------
    float64 array of shape (n,); NaN where a budget is unknown. Two budgets of 0 have no gap.
    """
    gap = np.abs(a.budget - b.budget)
    if is_group:
        closeness: FloatArray = np.clip(1 - gap / GROUP_BUDGET_SCALE, 0.0, 1.0)
        return closeness
    # The smallest positive number keeps two budgets of 0 at a gap of 0.
    return grade(gap / np.maximum(np.maximum(a.budget, b.budget), np.finfo(float).tiny))


def language_score(a: PairSide, b: PairSide) -> FloatArray:
    """Half for any shared language, half for the Jaccard index of all; ours in both sets.

    Returns
    -------
    float64 array of shape (n,); NaN where the languages of a side are unknown.
    """
    common, either = set_sizes(a.languages, b.languages)
    known = a.languages.any(axis=1) & b.languages.any(axis=1)
    # Half for being able to talk at all, half for how much of their languages they share.
    language = 0.5 * (common > 0) + 0.5 * common / np.maximum(either, 1)
    return np.where(known, language, np.nan)


def lifestyle_score(smoking_gap: FloatArray, drinking_gap: FloatArray) -> FloatArray:
    """0.6 for like smoking and 0.4 for like drinking, or the one that is known; ours in both sets.

    Parameters
    ----------
    smoking_gap, drinking_gap : float64 arrays of shape (n,) in [-1, 1]; NaN where a side is unknown

    Returns
    -------
    float64 array of shape (n,); NaN where neither is known.
    """
    return _of_known(1 - np.abs(smoking_gap), 1 - np.abs(drinking_gap), SMOKING_WEIGHT)


def background_score(a: PairSide, b: PairSide) -> FloatArray:
    """0.6 for like nationality and 0.4 for like religion, or the one that is known; ours in both.

    Returns
    -------
    float64 array of shape (n,); NaN where neither is known.
    """
    words = a.vocabulary
    return _of_known(
        words.nationality_table[a.nationality, b.nationality],
        words.religion_table[a.religion, b.religion],
        NATIONALITY_WEIGHT,
    )


def set_sizes(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> tuple[IntArray, IntArray]:
    """Sizes of intersection and union of bit sets.

    Parameters
    ----------
    a, b : uint64 arrays of shape (n, n_words)

    Returns
    -------
    common, either : int32 arrays of shape (n,)
    """
    common = np.bitwise_count(a[:, 0] & b[:, 0]).astype(np.int32)
    either = np.bitwise_count(a[:, 0] | b[:, 0]).astype(np.int32)
    for word in range(1, a.shape[1]):
        common += np.bitwise_count(a[:, word] & b[:, word])
        either += np.bitwise_count(a[:, word] | b[:, word])
    return common, either


def _of_known(first: FloatArray, second: FloatArray, weight: float) -> FloatArray:
    """Weighted mean of two parts, or the one that is known; NaN where neither is."""
    mean = weight * first + (1 - weight) * second
    return np.where(np.isnan(first), second, np.where(np.isnan(second), first, mean))
