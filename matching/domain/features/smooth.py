"""The formulas of `smooth-1`: the knowledge of the tiers without their steps; missing stays NaN."""

from functools import cache
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
)
from matching.domain.features.tiered import (
    AGE_TIERS,
    BUDGET_TIERS,
    DISTANCE_TIERS,
    GROUP_SIZE_TIERS,
    OVERLAP_TIERS,
)
from matching.domain.geo import distance_km
from matching.domain.personality import personality_likeness
from matching.domain.travellers import PairSide, weigh_bits

FloatArray = npt.NDArray[np.float64]
Scores = dict[str, FloatArray]
Knots = tuple[tuple[float, float], ...]

# Straight lines through the corners of the tiers. Past the last corner the age falls to 0.05 at 60
# years, a group's size to 0.2 at 80 people. Diversity is still rising at three languages or
# nationalities and full at six, so that mixed groups differ from one another.
DISTANCE_KNOTS: Final = ((0.0, 1.0), *DISTANCE_TIERS)
OVERLAP_KNOTS: Final = ((0.0, 0.1), *reversed(OVERLAP_TIERS))
BUDGET_KNOTS: Final = ((0.0, 1.0), *BUDGET_TIERS)
AGE_KNOTS: Final = ((0.0, 1.0), *AGE_TIERS, (60.0, 0.05))
GROUP_SIZE_KNOTS: Final = ((0.0, 1.0), *GROUP_SIZE_TIERS, (80.0, 0.2))
DIVERSITY_KNOTS: Final = ((1.0, 0.5), (2.0, 0.7), (3.0, 0.9), (6.0, 1.0))


def smooth_scores(a: PairSide, b: PairSide, is_group: bool) -> Scores:
    """Score pairs by `smooth-1`, row against row.

    Parameters
    ----------
    a, b : sides of n pairs; `b` holds groups when `is_group`

    Returns
    -------
    Feature name to float64 array of shape (n,) in [0, 1]; NaN where an input is missing. What only
    groups have is left out of two users.
    """
    common = a.interests & b.interests
    weight = weigh_bits(common, a.vocabulary.interest_tables)
    union = a.interest_weight + b.interest_weight - weight
    both = (a.interest_weight > 0) & (b.interest_weight > 0)
    interest = np.full(len(union), np.nan)
    np.divide(weight, union, out=interest, where=both)
    scores = {
        "distance_score": interpolate(
            distance_km(a.destination, b.destination), DISTANCE_KNOTS, beyond=0.0
        ),
        "date_overlap_score": overlap_score(
            a, b, is_group, lambda share: interpolate(share, OVERLAP_KNOTS)
        ),
        "budget_score": budget_score(a, b, is_group, lambda gap: interpolate(gap, BUDGET_KNOTS)),
        "interest_score": np.minimum(interest, 1.0),
        "age_score": interpolate(np.abs(a.age - b.age), AGE_KNOTS),
        "personality_score": personality_likeness(a.extraversion, b.extraversion),
        "language_score": language_score(a, b),
        "lifestyle_score": lifestyle_score(a.smoking - b.smoking, a.drinking - b.drinking),
        "background_score": background_score(a, b),
    }
    if is_group:
        languages, nationalities = (
            interpolate(count, DIVERSITY_KNOTS) for count in (b.n_languages, b.n_nationalities)
        )
        scores["group_size_score"] = interpolate(b.group_size, GROUP_SIZE_KNOTS)
        scores["group_diversity_score"] = (languages + nationalities) / 2
    fill_products(scores)
    return scores


def interpolate(x: FloatArray, knots: Knots, beyond: float | None = None) -> FloatArray:
    """Go in straight lines through knots.

    Parameters
    ----------
    x : float64 array of shape (n,)
    knots : (bound, score), bounds rising; level before the first
    beyond : score past the last knot; that knot's own by default

    Returns
    -------
    float64 array of shape (n,); NaN where x is NaN.
    """
    bounds, scores = _corners(knots)
    score: FloatArray = np.interp(x, bounds, scores, right=beyond)
    return score


@cache
def _corners(knots: Knots) -> tuple[FloatArray, FloatArray]:
    bounds, scores = zip(*knots, strict=True)
    return np.array(bounds, np.float64), np.array(scores, np.float64)
