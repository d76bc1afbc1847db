"""The rule score `rule-1`: the features weighed, as a baseline and for when no model serves."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.domain.features.names import COLUMN, features_of
from matching.domain.features.smooth import interpolate
from matching.domain.geo import distance_km
from matching.domain.travellers import Travellers

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


def origin_score(left: Travellers, right: Travellers) -> FloatArray:
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
    features_of(str(kinds))
    total, weight = np.zeros(len(values)), np.zeros(len(values))
    for name, part_weight in RULE_WEIGHTS[str(kinds)].items():
        if name == "origin":
            if origin is None:
                continue
            part = origin
        else:
            part = values[:, COLUMN[name]]
        known = ~np.isnan(part)
        total += np.where(known, part, 0.0) * part_weight
        weight += known * part_weight
    scores = np.full(len(values), np.nan)
    np.divide(total, weight, out=scores, where=weight > 0)
    np.minimum(scores, 1.0, out=scores)  # of float32 features 1 may be a rounding above it
    return scores


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
