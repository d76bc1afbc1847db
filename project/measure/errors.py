"""Measures of predictions of a number, each with a 95 % interval."""

import numpy as np
import numpy.typing as npt

from project.measure.bootstrap import (
    EXACT_ROWS,
    REPLICATES,
    percentile_interval,
    resampled_sums,
    resampling_blocks,
)
from project.measure.intervals import Metric
from project.measure.ranks import spearman
from project.measure.scores import finite_pair

FloatArray = npt.NDArray[np.float64]


def measure_errors(
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    low: npt.ArrayLike | None = None,
    high: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    replicates: int = REPLICATES,
    exact_rows: int = EXACT_ROWS,
) -> dict[str, Metric]:
    """Measure predictions of a number.

    Parameters
    ----------
    target, prediction : arrays of shape (n_rows,), finite, in the unit of the target.
    rng : draws the bootstrap replicates.
    low, high : arrays of shape (n_rows,), optional
        Bounds of the prediction intervals, whose measured coverage is then reported.
    groups : array of shape (n_rows,), optional; rows of one group are resampled together.
    replicates : number of bootstrap replicates.
    exact_rows : up to so many rows are resampled row by row, beyond it in 2,000 random blocks.

    Returns
    -------
    dict
        Metrics mae, rmse, r2, with bounds interval_coverage and interval_width, and spearman.
        Every figure but Spearman's is a function of sums over rows, so rows (or groups, or
        blocks) are resampled by their sums. For Spearman's see `ranks.spearman`, with the number
        of groups in place of the number of rows where groups are given.

    Raises
    ------
    ValueError
        If there is no row, shapes differ or a value is not finite.
    """
    y, p = finite_pair(target, prediction)
    error = p - y
    centred = y - y.mean()  # keeps the sums of squares small, so that their difference is exact
    columns = [np.ones_like(y), np.abs(error), error**2, centred, centred**2]
    if low is not None and high is not None:
        below, above = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        columns += [((y >= below) & (y <= above)).astype(np.float64), above - below]
    sums = np.column_stack(columns)
    blocks = resampling_blocks(len(y), groups, rng, exact_rows)
    names, values = _metrics_of_sums(sums.sum(axis=0)[None, :])
    _, sampled = _metrics_of_sums(resampled_sums(sums, blocks, replicates, rng))
    at_low, at_high = percentile_interval(sampled)
    metrics = {
        name: Metric(float(values[0, i]), float(at_low[i]), float(at_high[i]))
        for i, name in enumerate(names)
    }
    metrics["spearman"] = spearman(y, p, blocks.count if groups is not None else len(y))
    return metrics


def _metrics_of_sums(sums: FloatArray) -> tuple[list[str], FloatArray]:
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
