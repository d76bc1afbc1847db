"""The rule score `rule-1`: the features weighed, as a baseline and for when no model serves."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.domain.features.names import COLUMN, features_of
from matching.domain.features.smooth import interpolate
from matching.domain.geo import distance_km
from matching.domain.travellers import PairSide, Travellers

FloatArray = npt.NDArray[np.float64]

# Likeness of homes, not a feature but a part of the rule score: same town 1, another continent 0.
ORIGIN_KNOTS: Final = (
    (0.0, 1.0),
    (50.0, 0.9),
    (200.0, 0.7),
    (500.0, 0.5),
    (1500.0, 0.25),
    (5000.0, 0.0),
)

CHUNK_ROWS: Final = 16_384  # weighed at a time; it does not change the result
RULE_NAME: Final = "rule-1"  # of these weights; other ones would be another rule
# `origin`, the distance between homes, is no feature column. The established parts "religion" (of
# pairs) and "nationality" (of groups) are read from background_score, which holds both.
RULE_WEIGHTS: Final[dict[str, dict[str, float]]] = {
    "user_user": {
        "distance_score": 0.25,
        "date_overlap_score": 0.20,
        "budget_score": 0.20,
        "interest_score": 0.10,
        "age_score": 0.10,
        "personality_score": 0.05,
        "origin": 0.05,
        "lifestyle_score": 0.03,
        "background_score": 0.02,
    },
    "user_group": {
        "budget_score": 0.20,
        "date_overlap_score": 0.20,
        "interest_score": 0.15,
        "age_score": 0.15,
        "language_score": 0.10,
        "lifestyle_score": 0.10,
        "background_score": 0.10,
    },
}


def origin_score(left: Travellers | PairSide, right: Travellers | PairSide) -> FloatArray:
    """Likeness of home towns by their distance.

    Returns
    -------
    float64 array of shape (n,) in [0, 1]; NaN where a home is unknown.
    """
    return interpolate(distance_km(left.home, right.home), ORIGIN_KNOTS)


def rule_score(
    values: npt.NDArray[Any],
    match_type: str | Sequence[str] | npt.NDArray[Any],
    origin: FloatArray | None = None,
) -> FloatArray:
    """Weigh the features by `rule-1`: the baseline, and the score when no model serves.

    Works on any stored feature matrix. The home towns are no feature: without `origin` that part
    (0.05 of a pair's weight) counts as unknown. Every part that is NaN counts as unknown, and the
    weights of the others are scaled up to 1.

    Parameters
    ----------
    values : float array of shape (n, 13)
    match_type : one match type for all rows, or n of them
    origin : float array of shape (n,), optional
        From `origin_score`; used for pairs of users only.

    Returns
    -------
    float64 array of shape (n,) in [0, 1]; NaN where no part is known.
    """
    kinds = np.asarray(match_type)
    if kinds.ndim:
        scores = np.full(len(values), np.nan)
        for kind in np.unique(kinds):
            rows = kinds == kind
            scores[rows] = rule_score(
                values[rows], str(kind), None if origin is None else origin[rows]
            )
        return scores
    parts, scores = _parts_of(str(kinds)), np.full(len(values), np.nan)
    for start in range(0, len(values), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        homes = None if origin is None else origin[rows]
        _weigh(values[rows], *parts, homes, scores[rows])
    return scores


def _weigh(
    values: npt.NDArray[Any],
    columns: npt.NDArray[np.intp],
    weights: FloatArray,
    origin_weight: float,
    origin: FloatArray | None,
    scores: FloatArray,
) -> None:
    """Write the rule score of some rows into `scores`, which is NaN; `weights` stand in a column,
    one below the other."""
    parts = values.T[columns]  # a row for each part
    unknown = np.isnan(parts)
    parts[unknown] = 0.0
    parts *= weights.astype(parts.dtype)
    # Added up one after the other, so that a row scores the same among any others.
    total = np.add.accumulate(parts, axis=0, dtype=np.float64)[-1]
    weight = np.add.accumulate(weights * ~unknown, axis=0)[-1]
    if origin is not None and origin_weight:
        is_known = ~np.isnan(origin)
        np.add(total, origin * origin_weight, out=total, where=is_known)
        np.add(weight, origin_weight, out=weight, where=is_known)
    np.divide(total, weight, out=scores, where=weight > 0)
    np.minimum(scores, 1.0, out=scores)  # of float32 features 1 may be a rounding above it


@cache
def _parts_of(match_type: str) -> tuple[npt.NDArray[np.intp], FloatArray, float]:
    """The columns of the parts that are features, their weights, and the weight of the homes."""
    features_of(match_type)  # refuses what is no match type
    parts = {name: weight for name, weight in RULE_WEIGHTS[match_type].items() if name in COLUMN}
    columns = np.array([COLUMN[name] for name in parts], np.intp)
    return columns, np.array([*parts.values()])[:, None], RULE_WEIGHTS[match_type].get("origin", 0)


def linear_weights(match_types: npt.NDArray[Any]) -> dict[str, float]:
    """Weights of `rule-1` as one linear map over rows of these match types.

    Rows of both types get the mean of the two weightings, by the share of rows of each. The home
    towns are no feature: their weight goes to the other parts, as in `rule_score`. What only groups
    have bears no weight in the rules.

    Parameters
    ----------
    match_types : array of shape (n,) of "user_user" and "user_group", not empty

    Returns
    -------
    dict
        Feature to its weight, > 0; they sum to 1.
    """
    types, counts = np.unique(match_types, return_counts=True)
    found: dict[str, float] = {}
    for match_type, share in zip(types, counts / counts.sum(), strict=True):
        parts = {
            name: weight for name, weight in RULE_WEIGHTS[str(match_type)].items() if name in COLUMN
        }
        for name, weight in parts.items():
            found[name] = found.get(name, 0.0) + float(share) * weight / sum(parts.values())
    return found
