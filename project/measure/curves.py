"""Curves of a score on labelled rows, and of errors; few points that draw like all of them.

References
----------
.. [1] Fawcett, T. (2006). An introduction to ROC analysis. Pattern Recognition Letters 27, 861-874.
.. [2] Davis, J. & Goadrich, M. (2006). The relationship between precision-recall and ROC curves.
   ICML 23, 233-240.
.. [3] Bi, J. & Bennett, K. (2003). Regression error characteristic curves. ICML 20, 43-50.
.. [4] Douglas, D. & Peucker, T. (1973). Algorithms for the reduction of the number of points
   required to represent a digitized line or its caricature. Cartographica 10, 112-122.
"""

import heapq
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from project.measure.auc import auc_of_counts
from project.measure.calibration import mass_bins
from project.measure.ranks import tie_runs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CURVE_POINTS = 100
ON_THE_LINE = 1e-9  # as far as rounding puts a point beside a straight line


class Curve(NamedTuple):
    """A line to be drawn straight from point to point, and the one figure it stands for.

    Attributes
    ----------
    x, y : arrays of shape (n_points,), x not falling.
    value : see the function that made it.
    """

    x: FloatArray
    y: FloatArray
    value: float


def average_precision_of_counts(positive: npt.ArrayLike, negative: npt.ArrayLike) -> FloatArray:
    """Precision at each distinct score, averaged over the positive rows that stand there.

    Parameters
    ----------
    positive, negative : arrays of shape (..., n_scores): rows of each label at each distinct
        score, in ascending order of the scores.

    Returns
    -------
    array of shape (...,), in [0, 1]; NaN where no row is positive.
    """
    positive = np.asarray(positive, dtype=np.float64)[..., ::-1]
    hits, precision = _precisions(positive, np.asarray(negative, dtype=np.float64)[..., ::-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((precision * positive).sum(axis=-1) / hits[..., -1], dtype=np.float64)


def roc_curve(
    label: npt.ArrayLike, score: npt.ArrayLike, points: int = CURVE_POINTS
) -> Curve | None:
    """True positives against false positives, as shares, from the highest score down [1]_.

    Parameters
    ----------
    label : array of shape (n_rows,), 0 or 1.
    score : array of shape (n_rows,), of any range, no NaN.
    points : at most so many are kept.

    Returns
    -------
    Curve from (0, 0) to (1, 1), whose value is the ROC-AUC of all points; rows of one score are one
    straight line, which counts ties half as `auc_of_counts` does. None with one label only.
    """
    positive, negative = _counts(label, score)
    if not positive.sum() or not negative.sum():
        return None
    value = float(auc_of_counts(positive, negative))
    x, y = (np.append(0.0, np.cumsum(side[::-1])) / side.sum() for side in (negative, positive))
    return Curve(*_thinned(x, y, points), value)


def precision_recall_curve(
    label: npt.ArrayLike, score: npt.ArrayLike, points: int = CURVE_POINTS
) -> Curve | None:
    """Precision against recall, from the highest score down, as steps.

    Straight lines between the points would promise more than any threshold gives [2]_; steps are
    what average precision is the area of.

    Parameters
    ----------
    label, score, points : as in `roc_curve`.

    Returns
    -------
    Curve from recall 0 to 1, whose value is the average precision of all points. None with one
    label only.
    """
    positive, negative = _counts(label, score)
    if not positive.sum() or not negative.sum():
        return None
    value = float(average_precision_of_counts(positive, negative))
    hits, precision = _precisions(positive[::-1], negative[::-1])
    recall = hits / hits[-1]
    # Each precision holds from the recall before it to its own: two corners.
    x = np.repeat(np.append(0.0, recall), 2)[1:-1]
    return Curve(*_thinned(x, np.repeat(precision, 2), points), value)


def error_curve(
    target: npt.ArrayLike, prediction: npt.ArrayLike, points: int = CURVE_POINTS
) -> Curve:
    """Share of rows whose error is within a tolerance, by tolerance [3]_.

    Parameters
    ----------
    target, prediction : arrays of shape (n_rows,), finite, not empty, in the unit of the target.
    points : at most so many are kept.

    Returns
    -------
    Curve of x in the unit of the target, from 0 to the largest error, and y in [0, 1]. Its value is
    the mean absolute error, which is the area above it.
    """
    y, p = (np.asarray(side, dtype=np.float64) for side in (target, prediction))
    error = np.abs(p - y)
    runs = tie_runs(error)
    within = np.append(0.0, np.cumsum(runs.sizes) / len(error))
    at = error[runs.order][runs.starts]
    x = np.repeat(np.append(0.0, at), 2)[1:]
    return Curve(*_thinned(x, np.repeat(within, 2)[:-1], points), float(error.mean()))


def observed_curve(target: npt.ArrayLike, prediction: npt.ArrayLike, bins: int = 10) -> Curve:
    """Mean target by mean prediction, in bins of equally many rows.

    Parameters
    ----------
    target, prediction : arrays of shape (n_rows,), finite, not empty, in the unit of the target.
    bins : at most so many; equal predictions share one.

    Returns
    -------
    Curve of one point for each bin that has rows; its value is NaN.
    """
    y, p = (np.asarray(side, dtype=np.float64) for side in (target, prediction))
    runs = tie_runs(p)
    of_row = mass_bins(runs.sizes, bins)[runs.of_row]
    rows = np.bincount(of_row, minlength=bins)
    means = [
        np.bincount(of_row, side, minlength=bins)[rows > 0] / rows[rows > 0] for side in (p, y)
    ]
    return Curve(means[0], means[1], float("nan"))


def thin_line(x: FloatArray, y: FloatArray, points: int = CURVE_POINTS) -> IntArray:
    """Choose the points of a line that draw like all of them.

    Both ends stay; then again and again the point that lies farthest from the line so far, until
    there are enough [4]_.

    Parameters
    ----------
    x, y : arrays of shape (n_points,), in units in which a distance is seen alike.
    points : at least 2; how many are kept at most.

    Returns
    -------
    array of shape (at most points,), the places of those that stay, ascending.
    """
    last = len(x) - 1
    kept = {0, last}
    waiting: list[tuple[float, int, int, int]] = []

    def look(start: int, end: int) -> None:
        if end - start < 2:
            return
        across, up = x[end] - x[start], y[end] - y[start]
        inside = slice(start + 1, end)
        away = np.abs(across * (y[inside] - y[start]) - up * (x[inside] - x[start]))
        length = float(np.hypot(across, up))
        if length == 0:
            away = np.hypot(x[inside] - x[start], y[inside] - y[start])
        farthest = int(np.argmax(away))
        distance = float(away[farthest]) / (length or 1.0)
        if distance > ON_THE_LINE:
            heapq.heappush(waiting, (-distance, start, start + 1 + farthest, end))

    look(0, last)
    while waiting and len(kept) < points:
        _, start, middle, end = heapq.heappop(waiting)
        kept.add(middle)
        look(start, middle)
        look(middle, end)
    return np.array(sorted(kept), dtype=np.int64)


def _thinned(x: FloatArray, y: FloatArray, points: int) -> tuple[FloatArray, FloatArray]:
    kept = thin_line(x / (float(x[-1]) or 1.0), y, points)
    return x[kept], y[kept]


def _counts(label: npt.ArrayLike, score: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Rows of each label at each distinct score, ascending."""
    is_positive = np.asarray(label, dtype=np.float64) > 0.5
    runs = tie_runs(np.asarray(score, dtype=np.float64))
    positive = np.add.reduceat(is_positive[runs.order].astype(np.float64), runs.starts)
    return positive, runs.sizes - positive


def _precisions(positive: FloatArray, negative: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Positive rows called so far and precision, from the highest score down."""
    hits = np.cumsum(positive, axis=-1)
    called = hits + np.cumsum(negative, axis=-1)
    return hits, np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
