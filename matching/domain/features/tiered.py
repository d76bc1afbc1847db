"""The formulas of `tiered-1`: the established production tiers, 0.5 for a missing input."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain.features.columns import fill_products
from matching.domain.features.graded import (
    background_score,
    budget_score,
    language_score,
    lifestyle_score,
    overlap_score,
    set_sizes,
)
from matching.domain.features.names import PRODUCTS, TIERED_DEFAULT
from matching.domain.geo import distance_km
from matching.domain.travellers import PairSide

FloatArray = npt.NDArray[np.float64]
Scores = dict[str, FloatArray]
Missing = dict[str, npt.NDArray[np.bool_]]

GROUP_PERSONALITY: Final = 0.5  # of everybody with a group
SHARED_INTEREST_BONUS: Final = 0.2  # pairs: added once any interest is shared

# (upper bound inclusive, score), then the score beyond: the production tiers.
DISTANCE_TIERS: Final = ((25.0, 1.0), (50.0, 0.95), (100.0, 0.85), (150.0, 0.75), (200.0, 0.6))
BUDGET_TIERS: Final = ((0.1, 1.0), (0.25, 0.8), (0.5, 0.6), (1.0, 0.4), (2.0, 0.2))
AGE_TIERS: Final = ((2.0, 1.0), (5.0, 0.9), (10.0, 0.7), (15.0, 0.5), (25.0, 0.3), (40.0, 0.1))
GROUP_SIZE_TIERS: Final = ((6.0, 1.0), (12.0, 0.8), (20.0, 0.6), (40.0, 0.4))
# (lower bound inclusive, score), from the highest.
OVERLAP_TIERS: Final = ((0.8, 1.0), (0.5, 0.9), (0.3, 0.8), (0.2, 0.6), (0.1, 0.3))
DIVERSITY_TIERS: Final = ((3.0, 1.0), (2.0, 0.7))


def tiered_scores(a: PairSide, b: PairSide, is_group: bool) -> tuple[Scores, Missing]:
    """Score pairs by `tiered-1`, row against row.

    Parameters
    ----------
    a, b : sides of n pairs; `b` holds groups when `is_group`

    Returns
    -------
    scores : feature name to float64 array of shape (n,) in [0, 1]
    missing : feature name to bool array of shape (n,), True where an input was missing and 0.5
        stands for it. A product is counted when one of its factors is.
    """
    size = step_down(b.group_size, GROUP_SIZE_TIERS, beyond=0.2)
    languages = step_up(b.n_languages, DIVERSITY_TIERS, below=0.5)
    nationalities = step_up(b.n_nationalities, DIVERSITY_TIERS, below=0.5)
    known = {
        "distance_score": step_down(
            distance_km(a.destination, b.destination), DISTANCE_TIERS, beyond=0.0
        ),
        "date_overlap_score": overlap_score(
            a, b, is_group, lambda share: step_up(share, OVERLAP_TIERS, below=0.1)
        ),
        "budget_score": budget_score(
            a, b, is_group, lambda gap: step_down(gap, BUDGET_TIERS, beyond=0.1)
        ),
        "interest_score": _interest_score(a, b, is_group),
        "age_score": step_down(np.abs(a.age - b.age), AGE_TIERS, beyond=0.05),
        # Production does not compare temperaments with a group: a constant, not a missing input.
        "personality_score": (
            np.full(len(size), GROUP_PERSONALITY)
            if is_group
            else a.vocabulary.personality_table[a.personality, b.personality]
        ),
        "language_score": language_score(a, b),
        "lifestyle_score": lifestyle_score(
            a.smoking_even - b.smoking_even, a.drinking_even - b.drinking_even
        ),
        "background_score": background_score(a, b),
        "group_size_score": size,
        "group_diversity_score": (languages + nationalities) / 2,
    }
    missing = {name: np.isnan(score) for name, score in known.items()}
    scores = {name: _or_default(score) for name, score in known.items()}
    # The half that is known counts, with the default for the other.
    scores["group_diversity_score"] = (_or_default(languages) + _or_default(nationalities)) / 2
    fill_products(scores)
    for product, (first, second) in PRODUCTS.items():
        missing[product] = missing[first] | missing[second]
    return scores, missing


def _interest_score(a: PairSide, b: PairSide, is_group: bool) -> FloatArray:
    """Jaccard index of the interests, raised for two users who share any; NaN where unknown."""
    common, either = set_sizes(a.interests.view(np.uint64), b.interests.view(np.uint64))
    interest = common / np.maximum(either, 1)
    if not is_group:
        interest = np.minimum(interest + SHARED_INTEREST_BONUS * (common > 0), 1.0)
    both = (a.interest_weight > 0) & (b.interest_weight > 0)
    return np.where(both, interest, np.nan)


def _or_default(score: FloatArray) -> FloatArray:
    return np.where(np.isnan(score), TIERED_DEFAULT, score)


def step_down(x: FloatArray, tiers: Sequence[tuple[float, float]], beyond: float) -> FloatArray:
    """Score of the first tier whose upper bound, inclusive, x does not exceed.

    Parameters
    ----------
    x : float64 array of shape (n,)
    tiers : (upper bound, score), bounds rising
    beyond : score above all of them

    Returns
    -------
    float64 array of shape (n,); NaN where x is NaN.
    """
    bounds, scores = zip(*tiers, strict=True)
    passed = sum(((x > bound).view(np.int8) for bound in bounds), np.zeros(len(x), np.int8))
    return np.where(np.isnan(x), np.nan, np.array([*scores, beyond]).take(passed))


def step_up(x: FloatArray, tiers: Sequence[tuple[float, float]], below: float) -> FloatArray:
    """Score of the highest tier whose lower bound, inclusive, x reaches.

    Parameters
    ----------
    x : float64 array of shape (n,)
    tiers : (lower bound, score), bounds falling
    below : score under all of them

    Returns
    -------
    float64 array of shape (n,); NaN where x is NaN.
    """
    bounds, scores = zip(*reversed(tiers), strict=True)
    passed = sum(((x >= bound).view(np.int8) for bound in bounds), np.zeros(len(x), np.int8))
    return np.where(np.isnan(x), np.nan, np.array([below, *scores]).take(passed))
