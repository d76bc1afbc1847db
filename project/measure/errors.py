"""Measures of predictions of a number, each with a 95 % interval."""

import numpy as np
import numpy.typing as npt

from project.measure.intervals import Metric, Scale, figure_interval
from project.measure.jackknife import Clusters, block_sums, influence_variance, jackknife
from project.measure.ranks import rank_correlation_influence
from project.measure.scores import finite_pair

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SCALES: dict[str, Scale] = {
    "mae": "loss",
    "rmse": "loss",
    "r2": "r2",
    "interval_coverage": "share",
    "interval_width": "loss",
}


def measure_errors(
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    low: npt.ArrayLike | None = None,
    high: npt.ArrayLike | None = None,
    clusters: Clusters | None = None,
) -> dict[str, Metric]:
    """Measure predictions of a number.

    Parameters
    ----------
    target, prediction : arrays of shape (n_rows,), finite, in the unit of the target.
    low, high : arrays of shape (n_rows,), optional
        Bounds of the prediction intervals, whose measured coverage is then reported.
    clusters : of the rows, see `project.measure.jackknife`; None: rows are independent.

    Returns
    -------
    dict
        Metrics mae, rmse, r2, with bounds interval_coverage and interval_width, and spearman, with
        the standard errors of `jackknife` and the intervals of `figure_interval`; none where the
        clusters are too few.

    Raises
    ------
    ValueError
        If there is no row, shapes differ or a value is not finite.
    """
    y, p = finite_pair(target, prediction)
    clusters = clusters or Clusters()
    error = p - y
    centred = y - y.mean()  # keeps the sums of squares small, so that their difference is exact
    columns = [np.ones_like(y), np.abs(error), error**2, centred, centred**2]
    if low is not None and high is not None:
        below, above = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        columns += [((y >= below) & (y <= above)).astype(np.float64), above - below]

    def leave_out(block: IntArray, n_blocks: int) -> FloatArray:
        own = block_sums(columns, block, n_blocks)
        return _metrics_of_sums(own.sum(axis=0) - own)[1]

    names, values = _metrics_of_sums(np.array([[column.sum() for column in columns]]))
    variance = jackknife(leave_out, clusters, len(y))
    degrees = clusters.degrees(len(y))
    metrics = {
        name: figure_interval(value, spread, degrees, SCALES[name])
        for name, value, spread in zip(names, values[0], variance, strict=True)
    }
    rho, influence = rank_correlation_influence(y, p)
    metrics["spearman"] = figure_interval(
        rho, influence_variance(influence, clusters), degrees, "correlation"
    )
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
