"""What ratings say, with the evidence for it: means, comparisons, baselines, calibration, trends.

All values lie in [0, 1]. Missing values are counted and left out, never filled.

The interval of a mean is a score interval whose variance is quasi-binomial: Var(mean) =
phi m (1 - m) / n. The dispersion phi is measured from the rows (1 for votes of 0 and 1, where the interval is
Wilson's; about .08 for ratings that spread by .13) with the sums of each cluster instead of single rows, so that ten
rows of one session do not count as ten opinions. A small group borrows dispersion from the others, because three
equal ratings do not prove that a fourth is equal too. Against Student's t it never leaves [0, 1] and
never has the width zero.

References
----------
.. [1] Wilson, E. B. (1927). Probable inference. JASA 22, 209-212.
.. [2] McCullagh, P. & Nelder, J. (1989). Generalized Linear Models, 4.5 (over-dispersion).
.. [3] Liang, K.-Y. & Zeger, S. (1986). Longitudinal data analysis using generalized linear models.
.. [4] Smyth, G. (2004). Linear models and empirical Bayes methods (moderated variances).
.. [5] Agresti, A. & Caffo, B. (2000). Simple and effective confidence intervals for differences.
.. [6] Holm, S. (1979). A simple sequentially rejective multiple test procedure.
.. [7] Henderson, C. (1975). Best linear unbiased estimation and prediction under a selection model.
.. [8] Searle, S., Casella, G. & McCulloch, C. (1992). Variance Components, 8.3 (REML by EM).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from project.measure.calibration import mass_bins
from project.measure.intervals import (
    CONFIDENCE,
    SIGNIFICANCE,
    cluster_mean,
    detectable,
    holm,
    rows_to_decide,
    score_interval,
    student_p_value,
    student_reach,
)
from project.measure.ranks import tie_runs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MINIMUM_SAMPLES = 20  # rows below which a group is not compared
# Rows that the dispersion of the other groups counts like. By simulation: enough for groups of three,
# too few to hide that one group of fifty is more divided than the rest.
BORROWED_DEGREES = 10.0
QUALITY_EDGES = (0.0, 0.5, 0.7, 0.85, 1.0)
CALIBRATION_BUCKETS = 10
CONTROL_NAMES = ("control", "baseline")
# Levels of one factor that the baseline knows by name, the most frequent ones; others count as unseen.
MAXIMUM_LEVELS = 100
REML_ITERATIONS = 500
REML_TOLERANCE = 1e-8  # change of a variance, as a share of the variance of the values

NOT_ENOUGH: Final = "not enough evidence"


class UnusableEdges(ValueError):
    """Edges of ranges cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class GroupMeans:
    """Means of groups, and what their uncertainty is made of; all arrays have shape (n_groups,).

    Attributes
    ----------
    labels : name of each group.
    count : rows with a value.
    missing : rows without one.
    clusters : clusters among the rows with a value; equal to `count` without clustering.
    mean : mean value; NaN for an empty group.
    low, high : 95 % interval of the mean, within [0, 1]; NaN where nothing tells the dispersion.
    effective : independent votes of 0 and 1 that would pin the mean down as well.
    degrees : degrees of freedom of the dispersion.
    unlabelled : rows with a value that belong to no group.
    """

    labels: tuple[str, ...]
    count: IntArray
    missing: IntArray
    clusters: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    effective: FloatArray
    degrees: FloatArray
    unlabelled: int

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Difference:
    """Mean of `label` minus mean of `other`, with its interval and p-values."""

    label: str
    other: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class Best:
    """Which group is best, or why that cannot be said.

    Attributes
    ----------
    verdict : "best" or "not enough evidence".
    label : the best group; empty without a verdict.
    reason : one sentence.
    leading : groups that may be the best: the highest mean and those not significantly below it.
    comparisons : the highest mean against each other group; intervals and p-values hold together.
    too_few : groups that are not compared, with fewer rows than the minimum.
    """

    verdict: Literal["best", "not enough evidence"]
    label: str
    reason: str
    leading: tuple[str, ...]
    comparisons: tuple[Difference, ...]
    too_few: tuple[str, ...]


@dataclass(frozen=True)
class Trend:
    """Straight line through values over time: change per day, its interval and what it means."""

    slope: float
    low: float
    high: float
    p_value: float
    verdict: Literal["rising", "falling", "not enough evidence"]


@dataclass(frozen=True)
class VariantEffect:
    """What one variant changes against the control.

    Attributes
    ----------
    difference : Difference to the control; p_adjusted is Holm's over the experiment's variants.
    verdict : "better", "worse" or "not enough evidence".
    rows_to_decide : rows of each of the two that find the measured difference in 80 % of the cases; None where
        it is zero or unknown.
    detectable : smallest difference that the present rows find in 80 % of the cases; NaN if unknown.
    """

    difference: Difference
    verdict: Literal["better", "worse", "not enough evidence"]
    reason: str
    rows_to_decide: int | None
    detectable: float


@dataclass(frozen=True)
class Calibration:
    """Predictions against what came, in buckets of about equally many rows.

    Attributes
    ----------
    predicted : array of shape (n_buckets,), mean prediction.
    lower, upper : array of shape (n_buckets,), least and greatest prediction.
    actual : means of what came, by bucket.
    rows, left_out : pairs used, and rows where either side is missing.
    error : expected calibration error, the mean distance of the bucket means, weighted by rows.
    bias, bias_low, bias_high : mean of actual minus predicted and its interval; NaN below two clusters.
    off : buckets whose simultaneous interval does not hold the mean prediction.
    verdict : "calibrated" means that nothing speaks against it.
    """

    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray
    actual: GroupMeans
    rows: int
    left_out: int
    error: float
    bias: float
    bias_low: float
    bias_high: float
    off: tuple[int, ...]
    verdict: Literal["calibrated", "off", "not enough evidence"]


# --- Means ---------------------------------------------------------------------------------------


def group_means(
    values: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    *,
    order: Sequence[str] | None = None,
    confidence: float = CONFIDENCE,
) -> GroupMeans:
    """Mean of each group with its interval.

    Parameters
    ----------
    values : array of shape (n_rows,), in [0, 1]; NaN is missing.
    labels : array of shape (n_rows,) of text; empty, None and NaN belong to no group. None: one group "all".
    clusters : array of shape (n_rows,) of text or numbers; rows of one cluster are not independent. Empty, None
        and NaN are clusters of their own. None: all rows are independent.
    order : the groups to show, in this order, empty ones too; others are left out. None: those
        that occur, sorted.
    confidence : coverage of the intervals.

    Returns
    -------
    GroupMeans

    Raises
    ------
    ValueError
        When a value lies outside [0, 1] or lengths differ.

    Notes
    -----
    With the residuals r of group g summed by cluster to S, C clusters and n rows, the variance of the mean
    is a / n, a = C / (C - 1) sum(S^2) / n [3]_. Its dispersion phi = a / (m (1 - m)) [2]_ is averaged
    with that of all groups, which counts like `BORROWED_DEGREES` clusters [4]_ and contains one
    pseudo row of the greatest possible variance. n / phi votes enter Wilson's interval [1]_ with Student's
    quantile in place of the normal one.
    """
    y = _unit_values(values)
    codes, names = _codes(labels, len(y), order)
    known = ~np.isnan(y)
    size = len(names)
    missing = np.bincount(codes[~known & (codes >= 0)], minlength=size)
    unlabelled = int(np.count_nonzero(known & (codes < 0)))
    keep = known & (codes >= 0)
    y, g = y[keep], codes[keep]
    count = np.bincount(g, minlength=size)
    with np.errstate(invalid="ignore"):
        mean = np.clip(np.bincount(g, y, minlength=size) / count, 0.0, 1.0)

    cluster = _cluster_codes(clusters, len(keep))[keep]
    pair, pairs = pd.factorize(g * (int(cluster.max(initial=0)) + 1) + cluster)
    group_of = pairs // (int(cluster.max(initial=0)) + 1)
    n_clusters = np.bincount(group_of, minlength=size)
    sums = np.bincount(pair, y - mean[g], minlength=len(pairs))
    squares = np.bincount(group_of, sums**2, minlength=size)
    free = np.maximum(n_clusters - 1, 0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(free > 0, squares / count * n_clusters / free, 0.0)
    most = np.where(count > 0, mean * (1.0 - mean), 0.0)

    overall = (y.sum() + 1.0) / (len(y) + 2.0)
    pseudo = overall * (1.0 - overall)
    pooled = (free @ variance + pseudo) / (free @ most + pseudo)
    with np.errstate(invalid="ignore", divide="ignore"):
        dispersion = np.where(
            most > 0,
            (free * variance + BORROWED_DEGREES * pooled * most)
            / ((free + BORROWED_DEGREES) * most),
            pooled,
        )
        effective = count / dispersion
    degrees = np.minimum(free + BORROWED_DEGREES, free.sum())
    degrees[count == 0] = 0.0
    low, high = score_interval(mean, effective, degrees, confidence)
    return GroupMeans(
        tuple(names),
        count,
        missing,
        n_clusters,
        mean,
        low,
        high,
        np.where(count > 0, effective, 0.0),
        degrees,
        unlabelled,
    )


def check_edges(edges: Sequence[float]) -> tuple[float, ...]:
    """Return edges of ranges as floats.

    Raises
    ------
    UnusableEdges
        Unless there are at least two, they rise, and they lie in [0, 1].
    """
    numbers = tuple(float(edge) for edge in edges)
    if len(numbers) < 2 or not all(0.0 <= edge <= 1.0 for edge in numbers):
        raise UnusableEdges(f"Expected at least two edges between 0 and 1, got {list(numbers)}.")
    if any(right <= left for left, right in pairwise(numbers)):
        raise UnusableEdges(f"Expected edges that rise, got {list(numbers)}.")
    return numbers


def range_labels(
    values: npt.ArrayLike, edges: Sequence[float] = QUALITY_EDGES
) -> tuple[npt.NDArray[np.object_], tuple[str, ...]]:
    """Name the range of each value; each range holds its left edge, the last one its right edge too.

    Parameters
    ----------
    values : array of shape (n_rows,); NaN is missing.
    edges : edges of the ranges, see `check_edges`.

    Returns
    -------
    labels : array of shape (n_rows,) of text; empty where the value is missing or outside all ranges.
    names : all ranges from the lowest to the highest.
    """
    limits = np.array(check_edges(edges))
    y = np.asarray(values, dtype=np.float64)
    names = tuple(f"{left:g} to {right:g}" for left, right in pairwise(limits.tolist()))
    place = np.searchsorted(limits, y, side="right") - 1
    place[y == limits[-1]] = len(names) - 1
    place[(place < 0) | (place >= len(names)) | np.isnan(y)] = len(names)
    return np.array([*names, ""], dtype=object)[place], names


def trend(
    values: npt.ArrayLike, days: npt.ArrayLike, clusters: npt.ArrayLike | None = None
) -> Trend:
    """Change of the mean per day: least squares with errors that allow for clusters.

    Parameters
    ----------
    values : array of shape (n_rows,), in [0, 1]; NaN is missing.
    days : array of shape (n_rows,), days since any moment.
    clusters : as in `group_means`.

    Returns
    -------
    Trend; NaN where fewer than three clusters or only one moment are known.

    Notes
    -----
    The sandwich variance of the slope with the factor C / (C - 1) and C - 2 degrees of freedom [3]_.
    """
    y, x = _unit_values(values), np.asarray(days, dtype=np.float64)
    keep = ~np.isnan(y) & np.isfinite(x)
    y, x = y[keep], x[keep]
    cluster, found = pd.factorize(_cluster_codes(clusters, len(keep))[keep])
    centred = x - x.mean() if len(x) else x
    spread = float(centred @ centred)
    if len(found) < 3 or spread <= 0.0:
        return Trend(np.nan, np.nan, np.nan, np.nan, NOT_ENOUGH)
    slope = float(centred @ y) / spread
    residual = y - y.mean() - slope * centred
    sums = np.bincount(cluster, centred * residual)
    error = float(np.sqrt(sums @ sums * len(found) / (len(found) - 1))) / spread
    degrees = len(found) - 2
    if error <= 1e-12:
        # Values on a line: nothing tells how far the next one lies off it.
        return Trend(slope, np.nan, np.nan, np.nan, NOT_ENOUGH)
    reach = student_reach(degrees) * error
    p_value = student_p_value(slope / error, degrees)
    verdict: Literal["rising", "falling", "not enough evidence"] = NOT_ENOUGH
    if p_value < SIGNIFICANCE:
        verdict = "rising" if slope > 0 else "falling"
    return Trend(slope, slope - reach, slope + reach, p_value, verdict)


# --- Comparisons ---------------------------------------------------------------------------------


def best_group(means: GroupMeans, *, minimum: int = MINIMUM_SAMPLES) -> Best:
    """Find the group whose mean is above every other one, beyond chance.

    Parameters
    ----------
    means : from `group_means`.
    minimum : groups with fewer rows are not compared.

    Returns
    -------
    Best

    Notes
    -----
    The highest mean is compared with each of the other G - 1 by a two-sided test, and Bonferroni's
    correction over G - 1 covers that it was chosen for being the highest: a wrong claim needs one
    of at most G groups to lie significantly above a group that is truly at least as good, one-sided, and
    G (alpha / 2) / (G - 1) <= alpha. Holm's steps would not be covered.
    """
    enough = [index for index in range(len(means)) if means.count[index] >= minimum]
    too_few = tuple(
        means.labels[index] for index in range(len(means)) if 0 < means.count[index] < minimum
    )
    if not enough:
        return Best(NOT_ENOUGH, "", f"No group has {minimum} rows.", (), (), too_few)
    enough.sort(key=lambda index: -means.mean[index])
    leader, others = enough[0], enough[1:]
    if not others:
        reason = (
            f"Only {means.labels[leader]} has {minimum} rows: there is nothing to compare it with."
        )
        return Best(NOT_ENOUGH, "", reason, (means.labels[leader],), (), too_few)
    comparisons = tuple(
        _difference(means, leader, other, share=SIGNIFICANCE / len(others), factor=len(others))
        for other in others
    )
    leading = (
        means.labels[leader],
        *(one.other for one in comparisons if not one.p_adjusted < SIGNIFICANCE),
    )
    if len(leading) == 1:
        closest = max(comparisons, key=lambda one: one.p_adjusted)
        reason = (
            f"Above all {len(others)} others after correction; the closest, {closest.other}, by "
            f"{closest.difference:.3f} ({closest.low:.3f} to {closest.high:.3f})."
            if len(others) > 1
            else f"Above {closest.other} by {closest.difference:.3f} "
            f"({closest.low:.3f} to {closest.high:.3f})."
        )
        return Best("best", means.labels[leader], reason, leading, comparisons, too_few)
    reason = f"{len(leading)} of {len(enough)} cannot be told apart."
    return Best(NOT_ENOUGH, "", reason, leading, comparisons, too_few)


def control_variant(variants: Sequence[str]) -> str:
    """Return the variant that the others are held against: the one named so, else the first by name."""
    ordered = sorted(variants)
    named = (one for name in CONTROL_NAMES for one in ordered if one.strip().casefold() == name)
    return next(named, ordered[0])


def variant_effects(
    means: GroupMeans, control: str, *, minimum: int = MINIMUM_SAMPLES
) -> tuple[VariantEffect, ...]:
    """Hold each variant of one experiment against the control.

    Parameters
    ----------
    means : of the variants of one experiment.
    control : label of the control.
    minimum : a verdict needs as many rows of the variant and of the control.

    Returns
    -------
    One effect for each other variant, in the order of `means`. Intervals are 95 % each; p-values are adjusted by
    Holm's method [6]_ over the variants, and the verdict follows the adjusted one.

    Notes
    -----
    Rows to decide: (z_{1 - alpha/2} + z_{power})^2 (v_a + v_b) / difference^2 with the variances v of
    one row, clusters included.
    """
    base = means.labels.index(control)
    found = [_difference(means, index, base) for index in range(len(means)) if index != base]
    adjusted = holm([one.p_value for one in found])
    effects = []
    for one, p_adjusted in zip(found, adjusted, strict=True):
        index = means.labels.index(one.label)
        row_variance = sum(_mean_variance(means, at) * means.count[at] for at in (index, base))
        error = np.sqrt(_mean_variance(means, index) + _mean_variance(means, base))
        short = [means.labels[at] for at in (base, index) if means.count[at] < minimum]
        verdict: Literal["better", "worse", "not enough evidence"] = NOT_ENOUGH
        if short:
            reason = f"Fewer than {minimum} rows of {' and '.join(short)}."
        elif p_adjusted < SIGNIFICANCE:
            verdict = "better" if one.difference > 0 else "worse"
            reason = "The difference is larger than chance explains."
        else:
            reason = "Chance alone may explain the difference."
        effects.append(
            VariantEffect(
                Difference(
                    one.label, control, one.difference, one.low, one.high, one.p_value, p_adjusted
                ),
                verdict,
                reason,
                rows_to_decide(one.difference, float(np.sqrt(row_variance)), 1),
                detectable(float(error)),
            )
        )
    return tuple(effects)


# --- Baselines -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BaselinePrediction:
    """What the baseline expects of one combination of levels.

    Attributes
    ----------
    value, low, high : expected mean and its 95 % interval; the interval is NaN where a level is unseen and its
        factor has too few levels to say how much levels differ.
    rating_low, rating_high : where one single value will lie, 95 %.
    confidence : share of the differences between levels that the data explain, 0 (only the grand mean
        is known) to 1; what animal breeders call reliability.
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
    Effects are the best linear unbiased predictions, from Henderson's equations [7]_ over the counts of
    levels; the variances come from restricted maximum likelihood by EM [8]_. With one factor this is
    the normal-normal model: the mean of a level with n rows is pulled to the grand mean by the share
    (s^2 / n) / (s^2 / n + t^2). Clusters enter as a design effect: the mean square of the summed
    residuals over that of single ones.
    """
    y = _unit_values(values)
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
        codes, found = _frequent_codes(_text(labels)[known])
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
    cluster, found_clusters = pd.factorize(_cluster_codes(clusters, len(known))[known])
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


# --- Calibration ---------------------------------------------------------------------------------


def calibration(
    predicted: npt.ArrayLike,
    actual: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    buckets: int = CALIBRATION_BUCKETS,
    minimum: int = MINIMUM_SAMPLES,
) -> Calibration:
    """Hold predictions against what came, in buckets of equally many rows.

    Equal counts rather than equal widths: predictions crowd together, and of buckets of equal
    widths most would be empty. Equal predictions share a bucket, so there may be fewer.

    Parameters
    ----------
    predicted, actual : arrays of shape (n_rows,), in [0, 1]; a row where either is NaN is left out.
    clusters : as in `group_means`.
    buckets : most buckets.
    minimum : a verdict needs as many rows.

    Returns
    -------
    Calibration
    """
    p, y = _unit_values(predicted), _unit_values(actual)
    if len(p) != len(y):
        raise ValueError(f"Expected as many predictions as values, got {len(p)} and {len(y)}.")
    keep = ~np.isnan(p) & ~np.isnan(y)
    cluster = _cluster_codes(clusters, len(keep))[keep]
    p, y = p[keep], y[keep]
    runs = tie_runs(p)
    _, place = np.unique(mass_bins(runs.sizes, buckets)[runs.of_row], return_inverse=True)
    size = int(place.max(initial=-1)) + 1
    names = [f"{number + 1:02d}" for number in range(size)]
    labels = np.array([*names, ""], dtype=object)[place]
    means = group_means(y, labels, cluster, order=names)
    strict = group_means(
        y, labels, cluster, order=names, confidence=1.0 - SIGNIFICANCE / max(size, 1)
    )
    at = np.bincount(place, p, minlength=size) / np.maximum(np.bincount(place, minlength=size), 1)
    lower, upper = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(lower, place, p)
    np.maximum.at(upper, place, p)
    # A mean of equal numbers may differ from them in the last place.
    off = tuple(
        int(index) for index in np.flatnonzero((strict.low > at + 1e-9) | (strict.high < at - 1e-9))
    )
    bias = cluster_mean(y - p, cluster)
    verdict: Literal["calibrated", "off", "not enough evidence"] = NOT_ENOUGH
    if len(p) >= minimum and np.isfinite(bias.low):
        is_biased = bias.low > 0.0 or bias.high < 0.0
        verdict = "off" if off or is_biased else "calibrated"
    error = float(means.count @ np.abs(means.mean - at) / len(p)) if len(p) else np.nan
    return Calibration(
        at,
        lower,
        upper,
        means,
        len(p),
        int(np.count_nonzero(~keep)),
        error,
        bias.value,
        bias.low,
        bias.high,
        off,
        verdict,
    )


# --- Parts ---------------------------------------------------------------------------------------


def _unit_values(values: npt.ArrayLike) -> FloatArray:
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 1:
        raise ValueError(f"Expected one dimension, got shape {y.shape}.")
    outside = ~np.isnan(y) & ~((y >= 0.0) & (y <= 1.0))
    if outside.any():
        raise ValueError(f"Expected values from 0 to 1, got {y[outside][0]:g}.")
    return y


def _text(labels: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Return labels as text, empty where there is none."""
    array = np.asarray(labels, dtype=object)
    return np.where(pd.isna(array), "", array)


def _codes(
    labels: npt.ArrayLike | None, rows: int, order: Sequence[str] | None
) -> tuple[IntArray, list[str]]:
    """Return the group of each row, -1 for none, and the names of the groups."""
    if labels is None:
        return np.zeros(rows, np.int64), ["all"]
    array = _text(labels)
    if len(array) != rows:
        raise ValueError(f"Expected {rows} labels, got {len(array)}.")
    codes, found = pd.factorize(array)
    wanted = sorted(str(one) for one in found if one != "") if order is None else list(order)
    place = pd.Index(wanted, dtype=object).get_indexer(pd.Index(found, dtype=object))
    return np.append(place, -1)[codes], wanted


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


def _cluster_codes(clusters: npt.ArrayLike | None, rows: int) -> IntArray:
    """Return the cluster of each row; rows without one are clusters of their own."""
    if clusters is None:
        return np.arange(rows)
    array = np.asarray(clusters)
    if len(array) != rows:
        raise ValueError(f"Expected {rows} clusters, got {len(array)}.")
    codes, found = pd.factorize(array if array.dtype.kind in "iu" else _text(array))
    codes = codes.astype(np.int64)
    alone = np.append(pd.Index(found) == "", False)[codes]
    codes[alone] = len(found) + np.arange(np.count_nonzero(alone))
    return codes


def _mean_variance(means: GroupMeans, index: int) -> float:
    """Variance of a mean with one vote added on each side, so that it is never zero [5]_."""
    votes = float(means.effective[index])
    if not votes > 0.0 or not means.degrees[index] > 0.0:
        return float("nan")
    centre = (votes * means.mean[index] + 1.0) / (votes + 2.0)
    return float(centre * (1.0 - centre) / (votes + 2.0))


def _difference(
    means: GroupMeans, index: int, other: int, *, share: float = SIGNIFICANCE, factor: int = 1
) -> Difference:
    """Compare two groups by Welch's test; both are taken as independent.

    A cluster with rows in both makes their errors alike, which the test does not use: it is then
    more careful than it needs to be.
    """
    a, b = _mean_variance(means, index), _mean_variance(means, other)
    difference = float(means.mean[index] - means.mean[other])
    if not np.isfinite(a + b):
        nan = float("nan")
        return Difference(means.labels[index], means.labels[other], difference, nan, nan, nan, nan)
    centres = [
        (means.effective[at] * means.mean[at] + 1.0) / (means.effective[at] + 2.0)
        for at in (index, other)
    ]
    centre, error = float(centres[0] - centres[1]), float(np.sqrt(a + b))
    degrees = (a + b) ** 2 / (a**2 / means.degrees[index] + b**2 / means.degrees[other])
    reach = student_reach(degrees, 1.0 - share) * error
    p_value = student_p_value(centre / error, degrees)
    return Difference(
        means.labels[index],
        means.labels[other],
        difference,
        centre - reach,
        centre + reach,
        p_value,
        min(1.0, factor * p_value),
    )
