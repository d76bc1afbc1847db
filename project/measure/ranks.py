"""Ranks with ties, and the correlation of ranks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


def rank_correlation_influence(x: FloatArray, y: FloatArray) -> tuple[float, FloatArray]:
    """Spearman's correlation, and how far each row pulls it.

    Parameters
    ----------
    x, y : arrays of shape (n_rows,), finite.

    Returns
    -------
    rho : as `rank_correlation`.
    influence : array of shape (n_rows,), of mean 0
        A row pulls by its own two ranks, and by moving the ranks of all rows above it in either
        order: Croux, C. & Dehon, C. (2010). Influence functions of the Spearman and Kendall
        correlation measures. Statistical Methods & Applications 19, 497-515. All 0 where the
        correlation does not exist.
    """
    rho = rank_correlation(x, y)
    n_rows = len(x)
    if not np.isfinite(rho):
        return rho, np.zeros(n_rows)
    of_x, of_y = (average_ranks(one) / n_rows for one in (x, y))
    of_x, of_y = of_x - of_x.mean(), of_y - of_y.mean()
    pull = of_x * of_y + _mean_above(x, of_y) + _mean_above(y, of_x)
    # What a row does to the spread of the ranks themselves is nothing, ties aside.
    return rho, (pull - pull.mean()) / float(of_x.std() * of_y.std())


def _mean_above(values: FloatArray, other: FloatArray) -> FloatArray:
    """Mean over all rows of `other` where it stands above each value, at the value half."""
    runs = tie_runs(values)
    own = np.add.reduceat(other[runs.order], runs.starts)
    above = own[::-1].cumsum()[::-1] - own / 2.0
    return np.asarray(above[runs.of_row] / len(values), dtype=np.float64)
