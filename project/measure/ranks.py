"""Ranks with ties, and the correlation of ranks."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from project.measure.intervals import Metric, normal_reach

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TieRuns:
    """Runs of equal values in ascending order.

    Attributes
    ----------
    order : array of shape (n_rows,), the rows in ascending order; equal values keep theirs.
    starts : array of shape (n_runs,), place of the first row of each run in that order.
    sizes : array of shape (n_runs,), rows of each run.
    of_row : array of shape (n_rows,), the run of each row.
    """

    order: IntArray
    starts: IntArray
    sizes: FloatArray
    of_row: IntArray


def tie_runs(values: npt.NDArray[np.floating]) -> TieRuns:
    """Group equal values.

    Parameters
    ----------
    values : array of shape (n_rows,), no NaN; -0.0 equals 0.0.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    is_start = np.ones(len(ordered), dtype=np.bool_)
    is_start[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_start)
    of_row = np.empty(len(values), dtype=np.int64)
    of_row[order] = np.cumsum(is_start) - 1
    sizes = np.diff(np.append(starts, len(ordered))).astype(np.float64)
    return TieRuns(order, starts, sizes, of_row)


def average_ranks(values: npt.NDArray[np.floating]) -> FloatArray:
    """Ranks from 1; equal values share the mean of theirs.

    Parameters
    ----------
    values : array of shape (n_rows,), no NaN.
    """
    runs = tie_runs(values)
    return np.asarray((runs.starts + (runs.sizes + 1.0) / 2.0)[runs.of_row], dtype=np.float64)


def rank_correlation(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> float:
    """Spearman's correlation of the rows where both values are finite.

    Parameters
    ----------
    x, y : arrays of shape (n_rows,).

    Returns
    -------
    float in [-1, 1]; NaN below three such rows, or where either side is constant.
    """
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if len(x) < 3 or x.min() == x.max() or y.min() == y.max():
        return float("nan")
    return float(np.corrcoef(average_ranks(x), average_ranks(y))[0, 1])


def spearman(x: FloatArray, y: FloatArray, independent_rows: int) -> Metric:
    """Spearman's correlation with its 95 % interval.

    Parameters
    ----------
    x, y : arrays of shape (n_rows,), finite.
    independent_rows : what the interval may count on: the rows, or their groups.

    Returns
    -------
    Metric
        Fisher's transformation with the variance (1 + rho^2 / 2) / (n - 3) of Bonett and Wright,
        Psychometrika 65 (2000) 23-28; -1 to 1 where three rows or fewer are independent.
    """
    rho = rank_correlation(x, y)
    if not np.isfinite(rho):
        return Metric(rho, rho, rho)
    if independent_rows <= 3:
        return Metric(rho, -1.0, 1.0)
    if abs(rho) >= 1:
        return Metric(rho, rho, rho)
    half = normal_reach() * sqrt((1 + rho**2 / 2) / (independent_rows - 3))
    return Metric(
        rho, float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))
    )
