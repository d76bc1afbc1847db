"""Metrics of scores and predictions, each with a 95 % bootstrap interval."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import ndtri, stdtrit

from training.domain.checks import json_number

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
PairedMetric = Literal["roc_auc", "brier", "log_loss", "squared_error", "absolute_error"]

CONFIDENCE = 0.95
INTERVAL_LEVEL = 0.90  # wanted coverage of prediction intervals
INTERVAL_Z = 1.959964  # standard deviations to either side that hold 95 % of a normal distribution
REPLICATES = (
    500  # the 2.5 % point then rests on 12 replicates; its own error is below a tenth of a sd
)
PAIRED_REPLICATES = 2_000  # verdicts hang on this one, and it is cheap
# Up to this many rows each row is resampled; beyond it, cells or blocks of rows are.
FEW_BLOCKS = 30  # groups or rows below which percentiles of replicates are too narrow
EXACT_ROWS = 4_000
SCORE_CELLS = 1_000  # equal-mass score cells; their AUC differs from the exact one by about 1e-6
BLOCKS = 2_000  # random blocks of rows; a multiple of what an interval needs
REPLICATE_CHUNK = 100  # replicates held in memory at a time
CALIBRATION_BINS = 10
HISTOGRAM_BINS = 20
SCORE_FLOOR = 1e-7  # log loss of a certain and wrong score stays finite
COVERED_LOW, COVERED_HIGH = 0.30, 0.70  # the range that production scores are expected to use
POWER = 0.80


@dataclass(frozen=True)
class Metric:
    """A figure and its 95 % interval; NaN where it does not exist (one label, constant target)."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        return {
            "value": json_number(self.value),
            "low": json_number(self.low),
            "high": json_number(self.high),
        }


@dataclass(frozen=True)
class ClassificationReport:
    """What a score is worth on labelled rows."""

    rows: int
    label_share: float
    metrics: dict[str, Metric]
    calibration: tuple[dict[str, float | None], ...]
    histogram: tuple[int, ...]
    spread: dict[str, float | None]

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "label_share": json_number(self.label_share),
            **{name: metric.as_dict() for name, metric in self.metrics.items()},
            "calibration": list(self.calibration),
            "score_histogram": list(self.histogram),
            "score_spread": self.spread,
        }


@dataclass(frozen=True)
class RegressionReport:
    """What predictions of a number are worth."""

    rows: int
    metrics: dict[str, Metric]

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            **{name: metric.as_dict() for name, metric in self.metrics.items()},
        }


@dataclass(frozen=True)
class PairedDifference:
    """Metric of a minus metric of b on the same rows.

    Attributes
    ----------
    difference, low, high : the difference and its 95 % interval, in the metric's own direction.
    standard_error : of the difference.
    p_value : two-sided, from the share of replicates on the other side of zero.
    verdict : better, worse or undecided, said of a; a lower error or loss is better.
    rows_to_decide : rows with which a difference of this size would be decided four times in
        five; None when there is no difference at all.
    """

    metric: str
    value_a: float
    value_b: float
    difference: float
    low: float
    high: float
    standard_error: float
    p_value: float
    verdict: Literal["better", "worse", "undecided"]
    rows_to_decide: int | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "value_a": json_number(self.value_a),
            "value_b": json_number(self.value_b),
            "difference": json_number(self.difference),
            "low": json_number(self.low),
            "high": json_number(self.high),
            "standard_error": json_number(self.standard_error),
            "p_value": json_number(self.p_value),
            "verdict": self.verdict,
            "rows_to_decide": self.rows_to_decide,
        }


def evaluate_classifier(
    label: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    groups: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    replicates: int = REPLICATES,
) -> ClassificationReport:
    """Measure a probability against labels.

    Parameters
    ----------
    label : array of shape (n_rows,), 0 or 1.
    score : array of shape (n_rows,), in [0, 1], no NaN.
    rng : draws the bootstrap replicates.
    groups : array of shape (n_rows,), optional
        Rows of one group (a user's decisions) are resampled together, which widens the intervals
        to what new groups would show.
    threshold : scores at or above it count as a predicted 1.
    replicates : number of bootstrap replicates.

    Returns
    -------
    ClassificationReport
        Metrics roc_auc, pr_auc (average precision), accuracy, precision, recall, f1, brier,
        log_loss and ece. The calibration error uses 10 bins of equal mass; by the triangle
        inequality it differs from the true one by at most the sum of the bins' own errors, whose
        95 % point, bootstrapped, is its interval. Up to 4,000 rows are resampled row by row;
        beyond that, multinomially over 1,000 score cells, with the point values still exact.

    Raises
    ------
    ValueError
        If there is no row, shapes differ, a score is NaN or outside [0, 1], or a label is
        neither 0 nor 1.
    """
    labels, scores = _validated(label, score)
    runs = _score_runs(labels, scores, threshold)
    point, gaps = _cell_metrics(runs, runs.positive[None, :], runs.negative[None, :])
    if groups is None and len(labels) <= EXACT_ROWS:
        cells, cell_of_row = runs, runs.run_of_row
    else:
        cells, cell_of_row = _merge_cells(runs)
    approximate, _ = _cell_metrics(cells, cells.positive[None, :], cells.negative[None, :])
    sampled: list[FloatArray] = []
    noise: list[FloatArray] = []
    draw = _cell_sampler(cells, cell_of_row, labels, groups, rng)
    for start in range(0, replicates, REPLICATE_CHUNK):
        positive, negative = draw(min(REPLICATE_CHUNK, replicates - start))
        values, sampled_gaps = _cell_metrics(cells, positive, negative)
        sampled.append(values)
        noise.append(np.abs(sampled_gaps - gaps).sum(axis=1))
    low, high = _interval(np.concatenate(sampled))
    # Cells are a little coarser than rows: the interval is moved by what that costs the point.
    shift = point[0] - approximate[0]
    metrics = {
        name: Metric(float(value), float(at_low), float(at_high))
        for name, value, at_low, at_high in zip(
            CELL_METRICS, point[0], low + shift, high + shift, strict=True
        )
    }
    error = float(np.abs(gaps[0]).sum())
    margin = float(np.quantile(np.concatenate(noise), CONFIDENCE))
    metrics["ece"] = Metric(error, max(0.0, error - margin), min(1.0, error + margin))
    return ClassificationReport(
        rows=len(labels),
        label_share=float(labels.mean()),
        metrics=metrics,
        calibration=_calibration_table(runs),
        histogram=tuple(int(n) for n in np.histogram(scores, HISTOGRAM_BINS, (0.0, 1.0))[0]),
        spread=score_spread(scores),
    )


def evaluate_regressor(
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    low: npt.ArrayLike | None = None,
    high: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    replicates: int = REPLICATES,
) -> RegressionReport:
    """Measure predictions of a number.

    Parameters
    ----------
    target, prediction : arrays of shape (n_rows,), finite, in the unit of the target.
    rng : draws the bootstrap replicates.
    low, high : arrays of shape (n_rows,), optional
        Bounds of the prediction intervals, whose measured coverage is then reported.
    groups : array of shape (n_rows,), optional; rows of one group are resampled together.
    replicates : number of bootstrap replicates.

    Returns
    -------
    RegressionReport
        Metrics mae, rmse, r2, spearman and, with bounds, interval_coverage and interval_width.
        Every figure but Spearman's is a function of sums over rows, so rows (or groups, or beyond
        4,000 rows 2,000 random blocks of rows) are resampled by their sums. Spearman's interval
        is that of Bonett and Wright, Psychometrika 65 (2000) 23-28, with the number of groups in
        place of the number of rows where groups are given.

    Raises
    ------
    ValueError
        If there is no row, shapes differ or a value is not finite.
    """
    y, p = _finite_pair(target, prediction)
    error = p - y
    centred = y - y.mean()  # keeps the sums of squares small, so that their difference is exact
    columns = [np.ones_like(y), np.abs(error), error**2, centred, centred**2]
    if low is not None and high is not None:
        below, above = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        columns += [((y >= below) & (y <= above)).astype(np.float64), above - below]
    sums = np.column_stack(columns)
    block, n_blocks = _blocks(len(y), groups, rng)
    by_block = _sum_by(block, n_blocks, sums)
    drawn = np.concatenate(
        [
            _block_weights(n_blocks, min(REPLICATE_CHUNK, replicates - start), rng) @ by_block
            for start in range(0, replicates, REPLICATE_CHUNK)
        ]
    )
    names, values = _regression_metrics(sums.sum(axis=0)[None, :])
    _, sampled = _regression_metrics(drawn)
    at_low, at_high = _interval(sampled)
    metrics = {
        name: Metric(float(values[0, i]), float(at_low[i]), float(at_high[i]))
        for i, name in enumerate(names)
    }
    metrics["spearman"] = _spearman(y, p, n_blocks if groups is not None else len(y))
    return RegressionReport(rows=len(y), metrics=metrics)


def paired_bootstrap(
    score_a: npt.ArrayLike,
    score_b: npt.ArrayLike,
    label: npt.ArrayLike,
    metric: PairedMetric,
    rng: np.random.Generator,
    *,
    groups: npt.ArrayLike | None = None,
    replicates: int = PAIRED_REPLICATES,
) -> PairedDifference:
    """Compare two scores on the same rows.

    Parameters
    ----------
    score_a, score_b : arrays of shape (n_rows,); probabilities, or predictions of a number.
    label : array of shape (n_rows,); 0 or 1, or the numeric target for the error metrics.
    metric : roc_auc, brier, log_loss, squared_error or absolute_error.
    rng : draws the replicates.
    groups : array of shape (n_rows,), optional; rows of one group are resampled together.
    replicates : number of bootstrap replicates.

    Returns
    -------
    PairedDifference

    Notes
    -----
    Losses are means over rows and are resampled as such. The ROC-AUC is linearised at the sample
    by its placement values (DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845), so
    that it too is a mean over rows; up to 4,000 rows this agrees with plain resampling to within
    the error of the replicates. Beyond 4,000 rows, 2,000 random blocks of rows are resampled.

    Raises
    ------
    ValueError
        If shapes differ, there is no row, or the metric is not one of the five.
    """
    y, a = _finite_pair(label, score_a)
    _, b = _finite_pair(label, score_b)
    value_a, influence_a = metric_influence(y, a, metric)
    value_b, influence_b = metric_influence(y, b, metric)
    difference = value_a - value_b
    if not np.isfinite(difference):
        nan = float("nan")
        return PairedDifference(
            metric, value_a, value_b, nan, nan, nan, nan, nan, "undecided", None
        )
    influence = np.column_stack([influence_a - influence_b, np.ones_like(y)])
    block, n_blocks = _blocks(len(y), groups, rng)
    by_block = _sum_by(block, n_blocks, influence)
    sums = np.concatenate(
        [
            _block_weights(n_blocks, min(REPLICATE_CHUNK, replicates - start), rng) @ by_block
            for start in range(0, replicates, REPLICATE_CHUNK)
        ]
    )
    drawn = difference + sums[:, 0] / sums[:, 1]
    low, high = (float(bound[0]) for bound in _interval(drawn[:, None]))
    standard_error = float(drawn.std())
    if n_blocks < 2:
        standard_error = float("nan")
    if n_blocks < FEW_BLOCKS:
        low, high = _widened(difference, low, high, standard_error, n_blocks)
    on_other_side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    verdict: Literal["better", "worse", "undecided"] = "undecided"
    if low > 0 or high < 0:
        is_better = (low > 0) == (metric == "roc_auc")
        verdict = "better" if is_better else "worse"
    return PairedDifference(
        metric=metric,
        value_a=value_a,
        value_b=value_b,
        difference=difference,
        low=low,
        high=high,
        standard_error=standard_error,
        p_value=min(1.0, 2 * (on_other_side + 1) / (replicates + 1)),
        verdict=verdict,
        rows_to_decide=rows_to_decide(difference, standard_error, len(y)),
    )


def _widened(
    difference: float, low: float, high: float, standard_error: float, n_blocks: int
) -> tuple[float, float]:
    """Interval of a difference between few independent blocks: at least Student's.

    Percentiles of replicates of three groups know only ten different means; where all three agree, they
    would call it decided. One block shows nothing.
    """
    if n_blocks < 2:
        return float("-inf"), float("inf")
    freedom = n_blocks - 1
    half = float(stdtrit(freedom, 1 - (1 - CONFIDENCE) / 2)) * standard_error
    half *= np.sqrt(n_blocks / freedom)  # replicates know the spread of n, not of n - 1
    return min(low, difference - half), max(high, difference + half)


def rows_to_decide(difference: float, standard_error: float, rows: int) -> int | None:
    """Rows with which a difference of this size would be significant four times in five.

    Parameters
    ----------
    difference, standard_error : as measured on `rows` rows; the error shrinks with their root.

    Returns
    -------
    int, or None when the difference is zero or not finite. Normal theory: (z_.975 + z_.80)^2
    (se / difference)^2 rows.
    """
    if not np.isfinite(difference) or not np.isfinite(standard_error) or difference == 0:
        return None
    z = INTERVAL_Z + float(ndtri(POWER))
    return max(1, ceil(rows * (z * standard_error / difference) ** 2))


def roc_auc(label: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Area under the ROC curve, ties counted half; NaN with one label only."""
    y = np.asarray(label, dtype=np.float64)
    return metric_influence(y, np.asarray(score, dtype=np.float64), "roc_auc")[0]


def score_spread(score: npt.ArrayLike) -> dict[str, float | None]:
    """How much scores vary.

    Parameters
    ----------
    score : array of shape (n_rows,), in [0, 1], not empty.

    Returns
    -------
    dict
        min, max, p05, p95; width_05_95; most_frequent_share, the share of rows with the most
        frequent score rounded to 3 places; coverage_030_070, the part of [0.30, 0.70] that lies
        between the 1st and the 99th percentile.
    """
    scores = np.asarray(score, dtype=np.float64)
    p01, p05, p95, p99 = np.quantile(scores, [0.01, 0.05, 0.95, 0.99])
    rounded = np.bincount(np.rint(scores * 1000).astype(np.int64))
    covered = max(0.0, min(p99, COVERED_HIGH) - max(p01, COVERED_LOW))
    return {
        "min": float(scores.min()),
        "max": float(scores.max()),
        "p05": float(p05),
        "p95": float(p95),
        "width_05_95": float(p95 - p05),
        "most_frequent_share": float(rounded.max() / len(scores)),
        "coverage_030_070": float(covered / (COVERED_HIGH - COVERED_LOW)),
    }


def _validated(label: npt.ArrayLike, score: npt.ArrayLike) -> tuple[BoolArray, FloatArray]:
    labels, scores = _finite_pair(label, score)
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(
            f"Expected scores in [0, 1], got {scores.min():g} to {scores.max():g}: pass "
            "probabilities."
        )
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("Expected labels of 0 and 1, got other values: encode them first.")
    return labels > 0.5, scores


def _finite_pair(target: npt.ArrayLike, other: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    y = np.asarray(target, dtype=np.float64)
    x = np.asarray(other, dtype=np.float64)
    if y.ndim != 1 or y.shape != x.shape or not len(y):
        raise ValueError(
            f"Expected two arrays of the same length, not empty, got {y.shape} and {x.shape}."
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise ValueError("Expected finite values, got NaN or infinity: leave these rows out.")
    return y, x


@dataclass(frozen=True)
class _Cells:
    """Counts of positives and negatives at each distinct score, or cell of scores, ascending."""

    positive: FloatArray
    negative: FloatArray
    score: FloatArray  # mean score of the cell
    # Mean losses of a positive and of a negative row in the cell.
    square_positive: FloatArray
    square_negative: FloatArray
    log_positive: FloatArray
    log_negative: FloatArray
    is_called: BoolArray  # score at or above the threshold
    calibration_bin: IntArray
    run_of_row: IntArray


CELL_METRICS = (
    "roc_auc",
    "pr_auc",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "brier",
    "log_loss",
)


def _score_runs(labels: BoolArray, scores: FloatArray, threshold: float) -> _Cells:
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    is_start = np.append(True, ordered[1:] != ordered[:-1])
    starts = np.flatnonzero(is_start)
    sizes = np.diff(np.append(starts, len(ordered))).astype(np.float64)
    positive = np.add.reduceat(labels[order].astype(np.float64), starts)
    distinct = ordered[starts]
    run_of_row = np.empty(len(scores), dtype=np.int64)
    run_of_row[order] = np.cumsum(is_start) - 1
    clipped = np.clip(distinct, SCORE_FLOOR, 1 - SCORE_FLOOR)
    return _Cells(
        positive=positive,
        negative=sizes - positive,
        score=distinct,
        square_positive=(1 - distinct) ** 2,
        square_negative=distinct**2,
        log_positive=-np.log(clipped),
        log_negative=-np.log1p(-clipped),
        is_called=distinct >= threshold,
        calibration_bin=_mass_bin(sizes, CALIBRATION_BINS),
        run_of_row=run_of_row,
    )


def _mass_bin(sizes: FloatArray, n_bins: int) -> IntArray:
    """Equal-mass bin of each run of equal scores: where the middle of its rows falls."""
    middle = np.cumsum(sizes) - sizes / 2
    bins = (n_bins * middle / sizes.sum()).astype(np.int64)
    return np.asarray(np.minimum(bins, n_bins - 1), dtype=np.int64)


def _merge_cells(runs: _Cells) -> tuple[_Cells, IntArray]:
    """Merge runs into about SCORE_CELLS cells that respect threshold and calibration bins."""
    sizes = runs.positive + runs.negative
    key = 2 * _mass_bin(sizes, SCORE_CELLS) + runs.is_called
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    cell_of_run = np.zeros(len(key), dtype=np.int64)
    cell_of_run[starts[1:]] = 1
    cell_of_run = np.cumsum(cell_of_run)

    def mean(values: FloatArray, weights: FloatArray) -> FloatArray:
        total = np.add.reduceat(weights, starts)
        sums = np.add.reduceat(values * weights, starts)
        return np.asarray(np.divide(sums, total, out=np.zeros_like(sums), where=total > 0))

    cells = _Cells(
        positive=np.add.reduceat(runs.positive, starts),
        negative=np.add.reduceat(runs.negative, starts),
        score=mean(runs.score, sizes),
        square_positive=mean(runs.square_positive, runs.positive),
        square_negative=mean(runs.square_negative, runs.negative),
        log_positive=mean(runs.log_positive, runs.positive),
        log_negative=mean(runs.log_negative, runs.negative),
        is_called=runs.is_called[starts],
        calibration_bin=runs.calibration_bin[starts],
        run_of_row=runs.run_of_row,
    )
    return cells, cell_of_run[runs.run_of_row]


def _cell_sampler(
    cells: _Cells,
    cell_of_row: IntArray,
    labels: BoolArray,
    groups: npt.ArrayLike | None,
    rng: np.random.Generator,
) -> Callable[[int], tuple[FloatArray, FloatArray]]:
    """A function that draws replicates: positives and negatives by cell, shape (replicates, cells)."""
    n_rows, n_cells = len(labels), len(cells.positive)
    slot = cell_of_row + n_cells * labels  # negatives first, then positives
    if groups is not None:
        group, n_groups = _group_codes(groups, n_rows)
        counts = csr_matrix((np.ones(n_rows), (slot, group)), shape=(2 * n_cells, n_groups))

        def by_group(replicates: int) -> tuple[FloatArray, FloatArray]:
            weights = _block_weights(n_groups, replicates, rng)
            drawn = np.asarray((counts @ weights.T).T)
            return drawn[:, n_cells:], drawn[:, :n_cells]

        return by_group
    if n_rows <= EXACT_ROWS:

        def by_row(replicates: int) -> tuple[FloatArray, FloatArray]:
            rows = rng.integers(0, n_rows, size=(replicates, n_rows))
            flat = slot[rows] + 2 * n_cells * np.arange(replicates)[:, None]
            drawn = np.bincount(flat.ravel(), minlength=2 * n_cells * replicates)
            shaped = drawn.reshape(replicates, 2 * n_cells).astype(np.float64)
            return shaped[:, n_cells:], shaped[:, :n_cells]

        return by_row
    share = np.bincount(slot, minlength=2 * n_cells) / n_rows

    def by_cell(replicates: int) -> tuple[FloatArray, FloatArray]:
        drawn = rng.multinomial(n_rows, share, size=replicates).astype(np.float64)
        return drawn[:, n_cells:], drawn[:, :n_cells]

    return by_cell


def _cell_metrics(
    cells: _Cells, positive: FloatArray, negative: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Metrics of each replicate, in the order of CELL_METRICS, and its signed calibration gaps.

    `positive` and `negative` have shape (replicates, cells). The gaps, shape (replicates,
    CALIBRATION_BINS), are each bin's share of rows times mean label minus mean score.
    """
    n_positive = positive.sum(axis=1)
    n_negative = negative.sum(axis=1)
    rows = n_positive + n_negative
    with np.errstate(invalid="ignore", divide="ignore"):
        below = np.cumsum(negative, axis=1) - 0.5 * negative
        auc = (positive * below).sum(axis=1) / (n_positive * n_negative)
        # Precision at each threshold, from the highest score down.
        hits = np.cumsum(positive[:, ::-1], axis=1)
        called = hits + np.cumsum(negative[:, ::-1], axis=1)
        precision_at = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        average_precision = (precision_at * positive[:, ::-1]).sum(axis=1) / n_positive
        true_positive = positive[:, cells.is_called].sum(axis=1)
        false_positive = negative[:, cells.is_called].sum(axis=1)
        accuracy = (true_positive + n_negative - false_positive) / rows
        precision = true_positive / (true_positive + false_positive)
        recall = true_positive / n_positive
        f1 = 2 * true_positive / (n_positive + true_positive + false_positive)
        brier = (positive @ cells.square_positive + negative @ cells.square_negative) / rows
        log_loss = (positive @ cells.log_positive + negative @ cells.log_negative) / rows
        error = positive * (1 - cells.score) - negative * cells.score
        starts = np.flatnonzero(
            np.append(True, cells.calibration_bin[1:] != cells.calibration_bin[:-1])
        )
        gaps = np.add.reduceat(error, starts, axis=1) / rows[:, None]
    full_gaps = np.zeros((len(rows), CALIBRATION_BINS))
    full_gaps[:, cells.calibration_bin[starts]] = gaps
    values = np.column_stack(
        [auc, average_precision, accuracy, precision, recall, f1, brier, log_loss]
    )
    return values, full_gaps


def _calibration_table(runs: _Cells) -> tuple[dict[str, float | None], ...]:
    table: list[dict[str, float | None]] = []
    z = INTERVAL_Z
    sizes = runs.positive + runs.negative
    for number in range(CALIBRATION_BINS):
        inside = runs.calibration_bin == number
        rows = float(sizes[inside].sum())
        if not rows:
            continue
        share = float(runs.positive[inside].sum() / rows)
        # Wilson's score interval, which stays inside [0, 1].
        centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
        half = z * sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
        table.append(
            {
                "rows": rows,
                "min": float(runs.score[inside].min()),
                "max": float(runs.score[inside].max()),
                "mean_score": float((runs.score[inside] * sizes[inside]).sum() / rows),
                "label_share": share,
                "low": centre - half,
                "high": centre + half,
            }
        )
    return tuple(table)


def _interval(replicates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """2.5 % and 97.5 % points of each column; NaN where a column has no finite replicate."""
    tail = (1 - CONFIDENCE) / 2
    low = np.full(replicates.shape[1], np.nan)
    high = np.full(replicates.shape[1], np.nan)
    for column in range(replicates.shape[1]):
        known = replicates[:, column][np.isfinite(replicates[:, column])]
        if len(known):
            low[column], high[column] = np.quantile(known, [tail, 1 - tail])
    return low, high


def _group_codes(groups: npt.ArrayLike, n_rows: int) -> tuple[IntArray, int]:
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise ValueError(f"Expected {n_rows} groups, one a row, got {values.shape}.")
    uniques, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.int64), len(uniques)


def _blocks(
    n_rows: int, groups: npt.ArrayLike | None, rng: np.random.Generator
) -> tuple[IntArray, int]:
    """The unit of resampling of each row: its group, itself, or a random block of rows."""
    if groups is not None:
        return _group_codes(groups, n_rows)
    if n_rows <= EXACT_ROWS:
        return np.arange(n_rows), n_rows
    return rng.permutation(np.arange(n_rows) % BLOCKS), BLOCKS


def _sum_by(block: IntArray, n_blocks: int, columns: FloatArray) -> FloatArray:
    return np.column_stack(
        [np.bincount(block, weights=column, minlength=n_blocks) for column in columns.T]
    )


def _block_weights(n_blocks: int, replicates: int, rng: np.random.Generator) -> FloatArray:
    """How often each block is drawn, shape (replicates, n_blocks)."""
    drawn = rng.integers(0, n_blocks, size=(replicates, n_blocks))
    drawn += n_blocks * np.arange(replicates)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_blocks * replicates)
    return counts.reshape(replicates, n_blocks).astype(np.float64)


def _regression_metrics(sums: FloatArray) -> tuple[list[str], FloatArray]:
    rows = sums[:, 0]
    absolute, squared, first, second = (sums[:, i] / rows for i in range(1, 5))
    variance = second - first**2
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(variance > 1e-12 * np.maximum(second, 1e-300), 1 - squared / variance, np.nan)
    names = ["mae", "rmse", "r2"]
    values = [absolute, np.sqrt(squared), r2]
    if sums.shape[1] > 5:
        names += ["interval_coverage", "interval_width"]
        values += [sums[:, 5] / rows, sums[:, 6] / rows]
    return names, np.column_stack(values)


def _spearman(y: FloatArray, p: FloatArray, effective_rows: int) -> Metric:
    nan = float("nan")
    if len(y) < 3 or y.min() == y.max() or p.min() == p.max():
        return Metric(nan, nan, nan)
    rho = float(np.corrcoef(pd.Series(y).rank(), pd.Series(p).rank())[0, 1])
    if effective_rows <= 3 or abs(rho) >= 1:
        return Metric(
            rho, -1.0 if effective_rows <= 3 else rho, 1.0 if effective_rows <= 3 else rho
        )
    half = INTERVAL_Z * sqrt((1 + rho**2 / 2) / (effective_rows - 3))
    return Metric(
        rho, float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))
    )


def metric_influence(
    label: FloatArray, score: FloatArray, metric: PairedMetric
) -> tuple[float, FloatArray]:
    """A metric, and how far each row pulls it: values of mean zero, shape (n_rows,)."""
    if metric == "roc_auc":
        return _auc_influence(label > 0.5, score)
    if metric == "log_loss":
        clipped = np.clip(score, SCORE_FLOOR, 1 - SCORE_FLOOR)
        loss = -np.where(label > 0.5, np.log(clipped), np.log1p(-clipped))
    elif metric in ("brier", "squared_error"):
        loss = (score - label) ** 2
    elif metric == "absolute_error":
        loss = np.abs(score - label)
    else:
        raise ValueError(f"Expected one of {PairedMetric}, got {metric!r}.")
    mean = float(loss.mean())
    return mean, loss - mean


def _auc_influence(label: BoolArray, score: FloatArray) -> tuple[float, FloatArray]:
    n_rows, n_positive = len(label), int(label.sum())
    n_negative = n_rows - n_positive
    if not n_positive or not n_negative:
        return float("nan"), np.zeros(n_rows)
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    is_start = np.append(True, ordered[1:] != ordered[:-1])
    starts = np.flatnonzero(is_start)
    run = np.cumsum(is_start) - 1
    positive = np.add.reduceat(label[order].astype(np.float64), starts)
    negative = np.diff(np.append(starts, n_rows)) - positive
    below = (np.cumsum(negative) - 0.5 * negative) / n_negative
    above = 1 - (np.cumsum(positive) - 0.5 * positive) / n_positive
    placement = np.empty(n_rows)
    placement[order] = np.where(label[order], below[run], above[run])
    auc = float(placement[label].mean())
    # Each side's placements average to the AUC; a row's pull grows with the rarity of its side.
    scale = np.where(label, n_rows / n_positive, n_rows / n_negative)
    return auc, (placement - auc) * scale
