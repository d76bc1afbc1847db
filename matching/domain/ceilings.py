"""The ceiling of features that say less than people answer to: the best probability they allow."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain.features.compute import compute_features
from matching.domain.features.names import COLUMN, features_of
from matching.domain.outcomes import STEEPNESS, THRESHOLDS, expected_utility, mean_sigmoid
from matching.domain.pairing import Candidates
from matching.domain.travellers import Travellers
from matching.domain.words import FeatureSet

FloatArray = npt.NDArray[np.float64]

REFERENCE_PAIRS: Final = 20_000  # of a population, for 60 to 80 coefficients
MOST_KNOTS: Final = 9  # of one feature: every tier of `tiered-1` has one
PAIRS_OF_A_KNOT: Final = 100  # few pairs allow few knots, else they would be learnt by heart
MINIMUM_KNOTS: Final = 2
BLOCK_ROWS: Final = 65_536  # at a time: each takes about 600 bytes


@dataclass(frozen=True)
class Ceiling:
    """What the logged features of a pair say about the answer to it.

    People answer to `smooth-1`. Given coarser features the utility of a pair still varies; its mean
    and the variance of people's own tastes are taken as a sum of lines through knots of each
    feature, by least squares over pairs of the population, and the rest as normal. No label is
    seen: what is fitted is the utility itself, which has no noise.

    match_type : "user_user" or "user_group"
    knots : column of the feature matrix -> float64 (k,), rising
    middle : column -> float64 (k - 1,), what a missing value counts as
    gaps : columns with missing values among the pairs, which have a coefficient of their own
    coefficients : float64 (p, 2), of the mean utility and of its variance over users
    remainder : variance of the utility that the features leave open
    """

    match_type: str
    knots: dict[int, FloatArray]
    middle: dict[int, FloatArray]
    gaps: tuple[int, ...]
    coefficients: FloatArray
    remainder: float

    @classmethod
    def of_pairs(
        cls, smooth: npt.NDArray[np.float32], logged: npt.NDArray[np.float32], match_type: str
    ) -> "Ceiling":
        """Fit the ceiling of a feature set on pairs of a population.

        Parameters
        ----------
        smooth, logged : float arrays of shape (n, 13), NaN missing or not applicable
            The same pairs by `smooth-1` and by the feature set that is logged.
        """
        most = int(np.clip(len(logged) // PAIRS_OF_A_KNOT, MINIMUM_KNOTS, MOST_KNOTS))
        knots, middle, gaps = {}, {}, []
        for name in features_of(match_type):
            column = COLUMN[name]
            missing = np.isnan(logged[:, column])
            known = logged[~missing, column].astype(np.float64)
            levels = np.unique(known)
            if len(levels) > most:
                levels = np.unique(np.quantile(known, np.linspace(0, 1, most)))
            if missing.any() and len(known):
                gaps.append(column)
            if len(levels) > 1:
                knots[column] = levels
                middle[column] = _hats(known, levels).mean(axis=0)
        utility, variance = expected_utility(smooth, match_type)
        design = _design(logged, knots, middle, tuple(gaps))
        target = np.stack([utility, variance], axis=1)
        # Sums of lines that stand still for all pairs have no coefficient of their own: least norm.
        coefficients: FloatArray = np.linalg.lstsq(
            design.T @ design, design.T @ target, rcond=1e-10
        )[0].astype(np.float64)
        rest = utility - design @ coefficients[:, 0]
        free = max(len(rest) - design.shape[1], 1)
        return cls(match_type, knots, middle, tuple(gaps), coefficients, float(rest @ rest / free))

    def probability(self, logged: npt.NDArray[np.float32], preset: str) -> npt.NDArray[np.float32]:
        """Return p of label 1 given the logged features alone.

        Parameters
        ----------
        logged : float array of shape (n, 13), NaN missing or not applicable
        preset : "balanced", "strict" or "loose"

        Returns
        -------
        float32 array of shape (n,) in (0, 1)
        """
        best = np.empty(len(logged), np.float32)
        steepness = STEEPNESS[self.match_type]
        for start in range(0, len(logged), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            design = _design(logged[rows], self.knots, self.middle, self.gaps)
            utility, variance = (design @ self.coefficients).T
            best[rows] = mean_sigmoid(
                steepness * (utility - THRESHOLDS[self.match_type][preset]),
                steepness * np.sqrt(np.maximum(variance, 0) + self.remainder),
            )
        return best


def ceiling_of(
    candidates: Candidates, left: Travellers, right: Travellers, feature_set: str
) -> Ceiling:
    """Fit the ceiling of a feature set on the candidate pairs of a population, evenly by rank.

    Parameters
    ----------
    candidates : of `left` and `right`, or of `left` alone, which then stands on both sides
    feature_set : "tiered-1"; `smooth-1` needs no fit, `outcomes.feature_probability` is exact
    """
    count = min(candidates.pair_count, REFERENCE_PAIRS)
    ranks = np.linspace(0, max(candidates.pair_count - 1, 0), count).astype(np.int64)
    a, b = candidates.decode(ranks)
    match_type = candidates.match_type
    smooth, logged = (
        compute_features(left, right, each, match_type, left_index=a, right_index=b)
        for each in (FeatureSet.SMOOTH.value, feature_set)
    )
    values = np.where(logged.missing, np.float32(np.nan), logged.values)
    return Ceiling.of_pairs(smooth.values, values, match_type)


def _design(
    logged: npt.NDArray[np.float32],
    knots: dict[int, FloatArray],
    middle: dict[int, FloatArray],
    gaps: tuple[int, ...],
) -> FloatArray:
    """One column for all, the hats of each feature, and one for each feature with gaps."""
    columns = [np.ones((len(logged), 1))]
    for column, levels in knots.items():
        values = logged[:, column].astype(np.float64)
        missing = np.isnan(values)
        hats = _hats(np.where(missing, levels[0], values), levels)
        hats[missing] = middle[column]
        columns.append(hats)
    columns.append(np.isnan(logged[:, list(gaps)]).astype(np.float64))
    return np.concatenate(columns, axis=1)


def _hats(values: FloatArray, levels: FloatArray) -> FloatArray:
    """Weight of each knot but the first at each value, in straight lines between: (n, k - 1)."""
    return np.stack([np.interp(values, levels, hat) for hat in np.eye(len(levels))[1:]], axis=1)
