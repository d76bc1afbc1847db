"""Probabilities against shares: bins of equal mass, the calibration error, the reliability table.

Bins hold equally many rows rather than equal widths: scores crowd together, and of bins of equal
widths most would be empty. Naeini, M., Cooper, G. & Hauskrecht, M. (2015). Obtaining well
calibrated probabilities using Bayesian binning, AAAI 29, 2901-2907 (expected calibration error).
"""

from typing import TypedDict

import numpy as np
import numpy.typing as npt

from project.measure.intervals import CONFIDENCE, normal_reach, score_interval

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CALIBRATION_BINS = 10


class CalibrationBin(TypedDict):
    """One row of a reliability table; low and high are Wilson's interval of the label share."""

    rows: float
    min: float
    max: float
    mean_score: float
    label_share: float
    low: float
    high: float


def mass_bins(sizes: npt.ArrayLike, n_bins: int = CALIBRATION_BINS) -> IntArray:
    """Equal-mass bin of each run of equal scores: where the middle of its rows falls.

    Parameters
    ----------
    sizes : array of shape (n_runs,), rows of each run, in ascending order of the scores.
    n_bins : number of bins; equal scores share one, so that some may stay empty.

    Returns
    -------
    array of shape (n_runs,), from 0 to n_bins - 1.
    """
    rows = np.asarray(sizes, dtype=np.float64)
    middle = np.cumsum(rows) - rows / 2
    bins = (n_bins * middle / max(rows.sum(), 1.0)).astype(np.int64)
    return np.asarray(np.minimum(bins, n_bins - 1), dtype=np.int64)


def calibration_gaps(
    positive: FloatArray, negative: FloatArray, score: FloatArray, bins: IntArray, n_bins: int
) -> FloatArray:
    """Share of rows times (share of positives minus mean score) of each bin.

    Parameters
    ----------
    positive, negative : arrays of shape (n_replicates, n_scores), rows at each score.
    score : array of shape (n_scores,), ascending.
    bins : array of shape (n_scores,), not falling, see `mass_bins`.
    n_bins : number of bins.

    Returns
    -------
    array of shape (n_replicates, n_bins), 0 for an empty bin; the sum of their absolute values is
    the expected calibration error.
    """
    rows = positive.sum(axis=1) + negative.sum(axis=1)
    error = positive * (1 - score) - negative * score
    starts = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
    gaps = np.zeros((len(rows), n_bins))
    with np.errstate(invalid="ignore", divide="ignore"):  # no row is left: NaN
        gaps[:, bins[starts]] = np.add.reduceat(error, starts, axis=1) / rows[:, None]
    return gaps


def error_by_chance(
    score: FloatArray, sizes: FloatArray, bins: IntArray, variance: FloatArray
) -> tuple[float, float]:
    """The calibration error that a perfect score shows on so many rows.

    Parameters
    ----------
    score, sizes, bins : arrays of shape (n_scores,): the distinct scores, the rows of each, and
        their bins.
    variance : array of shape (n_bins,), of the gap of each bin as measured over clusters; NaN where
        not known. Its sum over that of independent labels is by how much clusters widen every bin.

    Returns
    -------
    mean, margin : floats
        A gap of mean 0 and standard deviation s is s times the root of 2 / pi on average; the
        margin is the 95 % point of their sum, taken as normal.
    """
    n_rows = float(sizes.sum())
    independent = np.bincount(bins, sizes * score * (1 - score), minlength=len(variance))
    spread = independent / n_rows**2
    spread *= max(1.0, float(np.nansum(variance)) / max(float(spread.sum()), 1e-300))
    mean = float(np.sqrt(2 / np.pi) * np.sqrt(spread).sum())
    error = float(np.sqrt((1 - 2 / np.pi) * spread.sum()))
    return mean, mean + normal_reach(1 - 2 * (1 - CONFIDENCE)) * error


def calibration_table(
    positive: FloatArray, negative: FloatArray, score: FloatArray, bins: IntArray, n_bins: int
) -> tuple[CalibrationBin, ...]:
    """The reliability table: one entry for each bin that has rows.

    Parameters
    ----------
    positive, negative, score, bins : arrays of shape (n_scores,), as in `calibration_gaps`.
    """
    sizes = positive + negative
    table: list[CalibrationBin] = []
    for number in range(n_bins):
        inside = bins == number
        rows = float(sizes[inside].sum())
        if not rows:
            continue
        share = float(positive[inside].sum() / rows)
        low, high = score_interval(share, rows)
        table.append(
            {
                "rows": rows,
                "min": float(score[inside].min()),
                "max": float(score[inside].max()),
                "mean_score": float((score[inside] * sizes[inside]).sum() / rows),
                "label_share": share,
                "low": float(low),
                "high": float(high),
            }
        )
    return tuple(table)
