"""Measures of a probability against labels, each with a 95 % interval.

Every measure is a function of how many rows of each label stand at each distinct score, so that
leaving out a cluster is a subtraction, and many of them are left out at once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from project.measure.auc import auc_of_counts
from project.measure.calibration import (
    CALIBRATION_BINS,
    CalibrationBin,
    calibration_gaps,
    calibration_table,
    error_by_chance,
    mass_bins,
)
from project.measure.curves import average_precision_of_counts
from project.measure.intervals import Metric, figure_interval
from project.measure.jackknife import Clusters, block_counts, jackknife
from project.measure.ranks import tie_runs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

SCORE_CELLS = 250  # equal-mass cells that clusters are left out of; a figure itself is exact
SCORE_FLOOR = 1e-7  # log loss of a certain and wrong score stays finite
SHARES = ("roc_auc", "pr_auc", "accuracy", "precision", "recall", "f1")
LOSSES = ("brier", "log_loss")
SCORE_METRICS = (*SHARES, *LOSSES)


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
    clusters: Clusters | None = None,
    threshold: float = 0.5,
) -> MeasuredScores:
    """Measure a probability against labels.

    Parameters
    ----------
    label : array of shape (n_rows,), 0 or 1.
    score : array of shape (n_rows,), in [0, 1], no NaN.
    clusters : of the rows; a user's decisions, and those about a partner, go together, which widens
        the intervals to what new users and partners would show. None: rows are independent.
    threshold : scores at or above it count as a predicted 1.

    Returns
    -------
    MeasuredScores
        Metrics roc_auc, pr_auc (average precision), accuracy, precision, recall, f1, brier and
        log_loss, with the standard errors of `jackknife` and the intervals of `figure_interval`;
        none where the clusters are too few. The calibration error ece uses 10
        bins of equal mass; by the triangle inequality it differs from the true one by at most the
        sum of the bins' own errors, whose 95 % point is its interval. ece_by_chance is what a
        perfect score shows on these rows, and ece_excess what is beyond it.

    Raises
    ------
    ValueError
        If there is no row, shapes differ, a score is NaN or outside [0, 1], or a label is
        neither 0 nor 1.
    """
    labels, scores = _labels_and_scores(label, score)
    clusters = clusters or Clusters()
    runs, run_of_row = _score_runs(labels, scores, threshold)
    point, gaps = _measure_cells(runs, runs.positive[None, :], runs.negative[None, :])
    cells, cell_of_row = runs, run_of_row
    if len(runs.score) > SCORE_CELLS:
        cells, cell_of_run = _merge_runs(runs)
        cell_of_row = cell_of_run[run_of_row]
    n_cells = len(cells.score)
    slot = cell_of_row + n_cells * labels  # negatives first, then positives

    def leave_out(block: IntArray, n_blocks: int) -> FloatArray:
        own = block_counts(slot, 2 * n_cells, block, n_blocks)
        left = own.sum(axis=0) - own
        return np.column_stack(_measure_cells(cells, left[:, n_cells:], left[:, :n_cells]))

    variance = jackknife(leave_out, clusters, len(labels))
    degrees = clusters.degrees(len(labels))
    metrics = {
        name: figure_interval(value, spread, degrees, "share" if name in SHARES else "loss")
        for name, value, spread in zip(SCORE_METRICS, point[0], variance, strict=False)
    }
    error = float(np.abs(gaps[0]).sum())
    chance, margin = error_by_chance(
        runs.score, runs.positive + runs.negative, runs.bins, variance[len(SCORE_METRICS) :]
    )
    metrics["ece"] = Metric(error, max(0.0, error - margin), min(1.0, error + margin))
    nan = float("nan")
    metrics["ece_by_chance"] = Metric(chance, nan, nan)
    metrics["ece_excess"] = Metric(error - chance, nan, nan)
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
            average_precision_of_counts(positive, negative),
            accuracy,
            precision,
            recall,
            f1,
            brier,
            log_loss,
        ]
    )
    return values, calibration_gaps(positive, negative, cells.score, cells.bins, CALIBRATION_BINS)
