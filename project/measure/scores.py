"""Measures of a probability against labels, each with a 95 % bootstrap interval.

Every measure is a function of how many rows of each label stand at each distinct score, so that
a replicate is two rows of counts and many replicates are measured at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from project.measure.auc import auc_of_counts
from project.measure.bootstrap import (
    EXACT_ROWS,
    REPLICATES,
    block_weights,
    chunk_sizes,
    group_blocks,
    percentile_interval,
)
from project.measure.calibration import (
    CALIBRATION_BINS,
    CalibrationBin,
    calibration_gaps,
    calibration_table,
    mass_bins,
)
from project.measure.intervals import CONFIDENCE, Metric
from project.measure.ranks import tie_runs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

SCORE_CELLS = 1_000  # equal-mass score cells; their AUC differs from the exact one by about 1e-6
SCORE_FLOOR = 1e-7  # log loss of a certain and wrong score stays finite
SCORE_METRICS = (
    "roc_auc",
    "pr_auc",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "brier",
    "log_loss",
)


@dataclass(frozen=True)
class MeasuredScores:
    """The metrics of a score, and its reliability table."""

    metrics: dict[str, Metric]
    calibration: tuple[CalibrationBin, ...]

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]


def measure_scores(
    label: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    groups: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    replicates: int = REPLICATES,
    exact_rows: int = EXACT_ROWS,
) -> MeasuredScores:
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
    exact_rows : up to so many rows are resampled row by row.

    Returns
    -------
    MeasuredScores
        Metrics roc_auc, pr_auc (average precision), accuracy, precision, recall, f1, brier,
        log_loss and ece. The calibration error uses 10 bins of equal mass; by the triangle
        inequality it differs from the true one by at most the sum of the bins' own errors, whose
        95 % point, bootstrapped, is its interval. Beyond `exact_rows` rows are resampled
        multinomially over 1,000 score cells, with the point values still exact.

    Raises
    ------
    ValueError
        If there is no row, shapes differ, a score is NaN or outside [0, 1], or a label is
        neither 0 nor 1.
    """
    labels, scores = _labels_and_scores(label, score)
    runs, run_of_row = _score_runs(labels, scores, threshold)
    point, gaps = _measure_cells(runs, runs.positive[None, :], runs.negative[None, :])
    cells, cell_of_row = runs, run_of_row
    if groups is not None or len(labels) > exact_rows:
        cells, cell_of_run = _merge_runs(runs)
        cell_of_row = cell_of_run[run_of_row]
    approximate, _ = _measure_cells(cells, cells.positive[None, :], cells.negative[None, :])
    sampled: list[FloatArray] = []
    noise: list[FloatArray] = []
    slot = cell_of_row + len(cells.score) * labels  # negatives first, then positives
    draw = _cell_sampler(slot, len(cells.score), groups, rng, exact_rows)
    for size in chunk_sizes(replicates):
        values, sampled_gaps = _measure_cells(cells, *draw(size))
        sampled.append(values)
        noise.append(np.abs(sampled_gaps - gaps).sum(axis=1))
    low, high = percentile_interval(np.concatenate(sampled))
    # Cells are a little coarser than rows: the interval is moved by what that costs the point.
    shift = point[0] - approximate[0]
    metrics = {
        name: Metric(float(value), float(at_low), float(at_high))
        for name, value, at_low, at_high in zip(
            SCORE_METRICS, point[0], low + shift, high + shift, strict=True
        )
    }
    error = float(np.abs(gaps[0]).sum())
    margin = float(np.quantile(np.concatenate(noise), CONFIDENCE))
    metrics["ece"] = Metric(error, max(0.0, error - margin), min(1.0, error + margin))
    return MeasuredScores(
        metrics,
        calibration_table(runs.positive, runs.negative, runs.score, runs.bins, CALIBRATION_BINS),
    )


def log_losses(score: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Log loss of each score, were its label 1 and were it 0; finite, see `SCORE_FLOOR`."""
    clipped = np.clip(np.asarray(score, dtype=np.float64), SCORE_FLOOR, 1 - SCORE_FLOOR)
    return -np.log(clipped), -np.log1p(-clipped)


def finite_pair(target: npt.ArrayLike, other: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as float64 arrays of one dimension.

    Raises
    ------
    ValueError
        If there is no row, shapes differ or a value is not finite.
    """
    y = np.asarray(target, dtype=np.float64)
    x = np.asarray(other, dtype=np.float64)
    if y.ndim != 1 or y.shape != x.shape or not len(y):
        raise ValueError(
            f"Expected two arrays of the same length, not empty, got {y.shape} and {x.shape}."
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise ValueError("Expected finite values, got NaN or infinity: leave these rows out.")
    return y, x


def _labels_and_scores(label: npt.ArrayLike, score: npt.ArrayLike) -> tuple[BoolArray, FloatArray]:
    labels, scores = finite_pair(label, score)
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(
            f"Expected scores in [0, 1], got {scores.min():g} to {scores.max():g}: pass "
            "probabilities."
        )
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("Expected labels of 0 and 1, got other values: encode them first.")
    return labels > 0.5, scores


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
    bins: IntArray


def _score_runs(labels: BoolArray, scores: FloatArray, threshold: float) -> tuple[_Cells, IntArray]:
    """Each distinct score as a cell, and the cell of each row."""
    runs = tie_runs(scores)
    positive = np.add.reduceat(labels[runs.order].astype(np.float64), runs.starts)
    distinct = scores[runs.order][runs.starts]
    log_positive, log_negative = log_losses(distinct)
    cells = _Cells(
        positive=positive,
        negative=runs.sizes - positive,
        score=distinct,
        square_positive=(1 - distinct) ** 2,
        square_negative=distinct**2,
        log_positive=log_positive,
        log_negative=log_negative,
        is_called=distinct >= threshold,
        bins=mass_bins(runs.sizes, CALIBRATION_BINS),
    )
    return cells, runs.of_row


def _merge_runs(runs: _Cells) -> tuple[_Cells, IntArray]:
    """Merge runs into about SCORE_CELLS cells that respect threshold and calibration bins."""
    sizes = runs.positive + runs.negative
    key = 2 * mass_bins(sizes, SCORE_CELLS) + runs.is_called
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
        bins=runs.bins[starts],
    )
    return cells, cell_of_run


def _cell_sampler(
    slot: IntArray,
    n_cells: int,
    groups: npt.ArrayLike | None,
    rng: np.random.Generator,
    exact_rows: int,
) -> Callable[[int], tuple[FloatArray, FloatArray]]:
    """A function that draws replicates: positives and negatives, each (replicates, n_cells)."""
    n_rows = len(slot)
    if groups is not None:
        blocks = group_blocks(groups, n_rows)
        counts = csr_matrix(
            (np.ones(n_rows), (slot, blocks.of_row)), shape=(2 * n_cells, blocks.count)
        )

        def by_group(replicates: int) -> tuple[FloatArray, FloatArray]:
            weights = block_weights(blocks.count, replicates, rng)
            drawn = np.asarray((counts @ weights.T).T)
            return drawn[:, n_cells:], drawn[:, :n_cells]

        return by_group
    if n_rows <= exact_rows:

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


def _measure_cells(
    cells: _Cells, positive: FloatArray, negative: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Metrics of each replicate, in the order of SCORE_METRICS, and its calibration gaps.

    `positive` and `negative` have shape (replicates, cells).
    """
    n_positive = positive.sum(axis=1)
    n_negative = negative.sum(axis=1)
    rows = n_positive + n_negative
    with np.errstate(invalid="ignore", divide="ignore"):
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
    values = np.column_stack(
        [
            auc_of_counts(positive, negative),
            average_precision,
            accuracy,
            precision,
            recall,
            f1,
            brier,
            log_loss,
        ]
    )
    return values, calibration_gaps(positive, negative, cells.score, cells.bins, CALIBRATION_BINS)
