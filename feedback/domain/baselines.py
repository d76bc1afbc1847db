"""Baselines: shrunken means by the levels of several factors, and what they expect.

References
----------
.. [1] Henderson, C. (1975). Best linear unbiased estimation and prediction under a selection model.
.. [2] Searle, S., Casella, G. & McCulloch, C. (1992). Variance Components, 8.3 (REML by EM).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from feedback.domain.means import cluster_codes, texts, unit_values
from project.measure.intervals import student_reach

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Levels of one factor that the baseline knows by name, the most frequent ones; others count as
# unseen.
MAXIMUM_LEVELS = 100
REML_ITERATIONS = 500
REML_TOLERANCE = 1e-8  # change of a variance, as a share of the variance of the values


@dataclass(frozen=True)
class BaselinePrediction:
    """What the baseline expects of one combination of levels.

    Attributes
    ----------
    value, low, high : expected mean and its 95 % interval; the interval is NaN where a level is
        unseen and its factor has too few levels to say how much levels differ.
    rating_low, rating_high : where one single value will lie, 95 %.
    confidence : share of the differences between levels that the data explain, 0 (only the grand
        mean is known) to 1; what animal breeders call reliability.
    unseen : factors whose level was never seen.
    """

    value: float
    low: float
    high: float
    rating_low: float
    rating_high: float
    confidence: float
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class Baseline:
    """Shrunken means: a grand mean and one random effect for each level of each factor.

    Attributes
    ----------
    levels : factor to its levels, most frequent first.
    count : factor to rows of each level.
    raw_mean : factor to plain mean of each level.
    effects : factor to shrunken effect of each level.
    variance : factor to variance between its levels; NaN with fewer than two levels.
    grand_mean : mean of the means, not of the rows.
    residual : variance of one row around its expectation.
    design : factor by which clusters raise the variance of means, at least 1.
    covariance : of grand mean and effects, in this order.
    rows, missing : rows with and without a value.
    """

    levels: Mapping[str, tuple[str, ...]]
    count: Mapping[str, IntArray]
    raw_mean: Mapping[str, FloatArray]
    effects: Mapping[str, FloatArray]
    variance: Mapping[str, float]
    grand_mean: float
    residual: float
    design: float
    covariance: FloatArray
    rows: int
    missing: int

    def predict(self, **levels: str) -> BaselinePrediction:
        """Expect the mean of a combination; a factor that is not given counts as unseen."""
        place = np.zeros(len(self.covariance))
        place[0] = 1.0
        value, extra, unseen, offset = self.grand_mean, 0.0, [], 1
        degrees = np.inf
        for factor, known in self.levels.items():
            between = self.variance[factor]
            if levels.get(factor) in known:
                index = known.index(levels[factor])
                place[offset + index] = 1.0
                value += float(self.effects[factor][index])
            else:
                unseen.append(factor)
                extra += between
                degrees = min(degrees, max(len(known) - 1, 1))
            offset += len(known)
        variance = float(place @ self.covariance @ place) + extra
        quantile = student_reach(degrees)
        reach = quantile * np.sqrt(variance)
        reach_one = quantile * np.sqrt(variance + self.residual)
        between_all = float(np.nansum(list(self.variance.values())))
        confidence = 1.0 - variance / between_all if between_all > 0 else 0.0
        low, high, rating_low, rating_high = np.clip(
            [value - reach, value + reach, value - reach_one, value + reach_one], 0.0, 1.0
        )
        return BaselinePrediction(
            float(np.clip(value, 0.0, 1.0)),
            float(low),
            float(high),
            float(rating_low),
            float(rating_high),
            0.0 if np.isnan(confidence) else float(np.clip(confidence, 0.0, 1.0)),
            tuple(unseen),
        )

    def predict_rows(self, factors: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Expected mean of each row, shape (n_rows,), in [0, 1]; unseen levels add nothing."""
        length = len(np.asarray(next(iter(factors.values())), dtype=object))
        value = np.full(length, self.grand_mean)
        for factor, known in self.levels.items():
            codes = pd.Index(known).get_indexer(pd.Index(np.asarray(factors[factor], dtype=object)))
            value += np.where(codes >= 0, np.append(self.effects[factor], 0.0)[codes], 0.0)
        return np.asarray(np.clip(value, 0.0, 1.0))


def fit_baseline(
    values: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    clusters: npt.ArrayLike | None = None,
) -> Baseline | None:
    """Fit shrunken means (empirical Bayes): y = mu + sum of level effects + noise, all normal.

    Parameters
    ----------
    values : array of shape (n_rows,), in [0, 1]; NaN is missing.
    factors : name to array of shape (n_rows,) of text; empty is an unknown level.
    clusters : as in `group_means`; they widen the intervals.

    Returns
    -------
    Baseline, or None with fewer than two values or when all are the same.

    Notes
    -----
    Effects are the best linear unbiased predictions, from Henderson's equations [1]_ over the
    counts of levels; the variances come from restricted maximum likelihood by EM [2]_. With one
    factor this is the normal-normal model: the mean of a level with n rows is pulled to the grand
    mean by the share (s^2 / n) / (s^2 / n + t^2). Clusters enter as a design effect: the mean
    square of the summed residuals over that of single ones.
    """
    y = unit_values(values)
    known = ~np.isnan(y)
    missing = int(np.count_nonzero(~known))
    y = y[known]
    if len(y) < 2 or np.ptp(y) <= 0.0:
        return None
    centre = float(y.mean())
    centred = y - centre
    blocks = [sparse.csr_matrix(np.ones((len(y), 1)))]
    levels: dict[str, tuple[str, ...]] = {}
    for name, labels in factors.items():
        codes, found = _frequent_codes(texts(labels)[known])
        levels[name] = found
        rows = np.flatnonzero(codes >= 0)
        shape = (len(y), len(found))
        blocks.append(sparse.csr_matrix((np.ones(len(rows)), (rows, codes[rows])), shape=shape))
    design = sparse.hstack(blocks, format="csr")
    normal = (design.T @ design).toarray()
    right = np.asarray(design.T @ centred).ravel()
    solution, inverse, residual, between = _reml(
        normal, right, float(centred @ centred), len(y), [len(found) for found in levels.values()]
    )
    left = centred - np.asarray(design @ solution).ravel()
    cluster, found_clusters = pd.factorize(cluster_codes(clusters, len(known))[known])
    sums = np.bincount(cluster, left, minlength=len(found_clusters))
    inflation = max(1.0, float(sums @ sums) / max(float(left @ left), 1e-300))
    effects, count, raw, offset = {}, {}, {}, 1
    for name, found in levels.items():
        span = slice(offset, offset + len(found))
        effects[name] = solution[span]
        count[name] = np.diag(normal)[span].astype(np.int64)
        raw[name] = centre + right[span] / np.diag(normal)[span]
        offset += len(found)
    return Baseline(
        levels,
        count,
        raw,
        effects,
        dict(zip(levels, between, strict=True)),
        centre + float(solution[0]),
        residual,
        inflation,
        inverse * residual * inflation,
        len(y),
        missing,
    )


def _reml(
    normal: FloatArray, right: FloatArray, total: float, rows: int, sizes: Sequence[int]
) -> tuple[FloatArray, FloatArray, float, list[float]]:
    """Solve Henderson's equations and their variances by EM; returns solution and inverse too."""
    variance = total / rows
    floor = 1e-10 * variance
    residual = variance
    between = [variance / 10.0 if size > 1 else np.nan for size in sizes]
    starts = np.cumsum([1, *sizes])
    spans = [slice(start, start + size) for start, size in zip(starts, sizes, strict=False)]
    for _ in range(REML_ITERATIONS):
        penalty = np.zeros(len(right))
        for span, one in zip(spans, between, strict=True):
            # A factor of a single level cannot be told from the grand mean: it adds nothing.
            penalty[span] = residual / one if np.isfinite(one) else 1e12
        inverse = np.asarray(np.linalg.inv(normal + np.diag(penalty)), dtype=np.float64)
        solution = inverse @ right
        before = [residual, *between]
        residual = max((total - float(solution @ right)) / max(rows - 1, 1), floor)
        between = [
            max(
                (float(solution[span] @ solution[span]) + residual * np.trace(inverse[span, span]))
                / size,
                floor,
            )
            if size > 1
            else np.nan
            for span, size in zip(spans, sizes, strict=True)
        ]
        moved = np.nanmax(np.abs(np.subtract([residual, *between], before)))
        if moved <= REML_TOLERANCE * variance:
            break
    return solution, inverse, residual, [float(one) for one in between]


def _frequent_codes(labels: npt.NDArray[np.object_]) -> tuple[IntArray, tuple[str, ...]]:
    codes, found = pd.factorize(labels)
    count = np.bincount(codes, minlength=len(found))
    ordered = sorted(
        (index for index in range(len(found)) if found[index] != ""),
        key=lambda index: (-count[index], str(found[index])),
    )[:MAXIMUM_LEVELS]
    place = np.full(len(found) + 1, -1)
    place[ordered] = np.arange(len(ordered))
    return place[codes], tuple(str(found[index]) for index in ordered)
