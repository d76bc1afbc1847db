"""CSAT by quality of the response and over time.

References
----------
.. [1] Liang, K.-Y. & Zeger, S. (1986). Longitudinal data analysis using generalized linear models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from feedback.domain.comparisons import NOT_ENOUGH
from feedback.domain.means import cluster_codes, unit_values
from feedback.domain.words import QUALITY_EDGES
from project.measure.intervals import SIGNIFICANCE, student_p_value, student_reach


class UnusableEdges(ValueError):
    """Edges of ranges cannot be used; the message says what was expected."""


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
    """Name the range of each value; each holds its left edge, the last one its right edge too.

    Parameters
    ----------
    values : array of shape (n_rows,); NaN is missing.
    edges : edges of the ranges, see `check_edges`.

    Returns
    -------
    labels : array of shape (n_rows,) of text; empty where the value is missing or outside all
        ranges.
    names : all ranges from the lowest to the highest.
    """
    limits = np.array(check_edges(edges))
    y = np.asarray(values, dtype=np.float64)
    names = tuple(f"{left:g} to {right:g}" for left, right in pairwise(limits.tolist()))
    place = np.searchsorted(limits, y, side="right") - 1
    place[y == limits[-1]] = len(names) - 1
    place[(place < 0) | (place >= len(names)) | np.isnan(y)] = len(names)
    return np.array([*names, ""], dtype=object)[place], names


@dataclass(frozen=True)
class Trend:
    """Straight line through values over time: change per day, its interval and what it means."""

    slope: float
    low: float
    high: float
    p_value: float
    verdict: Literal["rising", "falling", "not enough evidence"]


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
    The sandwich variance of the slope with the factor C / (C - 1) and C - 2 degrees of freedom
    [1]_.
    """
    y, x = unit_values(values), np.asarray(days, dtype=np.float64)
    keep = ~np.isnan(y) & np.isfinite(x)
    y, x = y[keep], x[keep]
    cluster, found = pd.factorize(cluster_codes(clusters, len(keep))[keep])
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
