"""CSAT by quality of the response and over time.

References
----------
.. [1] Marriott, F. & Pope, J. (1954). Bias in the estimation of autocorrelations. Biometrika 41
       (1 + 3 rho where a mean is taken out; 2 + 4 rho where a line is).
.. [2] Bartlett, M. (1946). On the theoretical specification and sampling properties of
       autocorrelated time-series. JRSS Supplement 8 (effective length of a series).
.. [3] MacKinnon, J. & White, H. (1985). Some heteroskedasticity-consistent covariance matrix
       estimators with improved finite sample properties. Journal of Econometrics 29.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from feedback.domain.comparisons import NOT_ENOUGH
from feedback.domain.means import FloatArray, unit_values
from feedback.domain.words import QUALITY_EDGES
from project.measure.intervals import SIGNIFICANCE, student_p_value, student_reach

MINIMUM_WEEKS: Final = 6  # of a trend: below, the correlation of weeks cannot be told (simulation)
HIGHEST_CORRELATION: Final = 0.95  # of neighbouring weeks


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
    """Straight line through weekly means, and what it means if looked at once.

    Attributes
    ----------
    slope, low, high : change of the mean a day and its 95 % interval; NaN where unknown.
    p_value : two-sided, of one look.
    weeks : whole weeks with a value.
    verdict : "rising", "falling" or "not enough evidence".
    reason : one sentence.
    """

    slope: float
    low: float
    high: float
    p_value: float
    weeks: int
    verdict: Literal["rising", "falling", "not enough evidence"]
    reason: str


def trend(values: npt.ArrayLike, days: npt.ArrayLike, *, minimum: int = MINIMUM_WEEKS) -> Trend:
    """Change of the mean a day, from weekly means whose neighbours resemble each other.

    Parameters
    ----------
    values : array of shape (n_rows,), in [0, 1]; NaN is missing.
    days : array of shape (n_rows,), whole days since any day; weeks are counted back from the last
        one with a value, and the days before the first whole week are left out.
    minimum : weeks with a value below which there is no line.

    Returns
    -------
    Trend

    Notes
    -----
    What happens on a day moves all its ratings, and the next days': sessions are not independent
    of each other then, and errors by session find a trend in most series without one. Weekly means
    carry what is left of it. Least squares over the n weeks t; the residuals' correlation rho of
    neighbours is freed of its bias, rho + (2 + 4 rho) / n [1]_, and put to [0, .95]. With C of
    rho^|i - j|, the variance of the slope is s^2 t'Ct / (t't)^2, s^2 the residual squares over
    n - tr(HC), and n (1 - rho) / (1 + rho) - 2 are the degrees of freedom [2]_. Weeks of few
    ratings scatter more: the variance is at least that of the jackknife (HC3) [3]_.
    """
    y, day = unit_values(values), np.asarray(days, dtype=np.float64)
    keep = ~np.isnan(y) & np.isfinite(day)
    y, day = y[keep], day[keep]
    back = (day.max(initial=0.0) - day).astype(np.int64)
    whole = int(back.max(initial=-1) + 1) // 7
    week = whole - 1 - back // 7
    count = np.bincount(week[week >= 0], minlength=whole)
    found = np.flatnonzero(count)
    if len(found) < minimum:
        weeks = f"{len(found)} {'week' if len(found) == 1 else 'weeks'}"
        reason = f"Ratings of {weeks}: a trend is looked for from {minimum} whole weeks on."
        return Trend(np.nan, np.nan, np.nan, np.nan, len(found), NOT_ENOUGH, reason)
    means = np.bincount(week[week >= 0], y[week >= 0], minlength=whole)[found] / count[found]
    slope, error, degrees = _weekly_slope(means, found.astype(np.float64))
    if error <= 1e-12:
        reason = "The weeks lie on a line: nothing tells how far the next one lies off it."
        return Trend(slope / 7.0, np.nan, np.nan, np.nan, len(found), NOT_ENOUGH, reason)
    reach = student_reach(degrees) * error
    p_value = student_p_value(slope / error, degrees)
    verdict: Literal["rising", "falling", "not enough evidence"] = NOT_ENOUGH
    reason = f"The scatter of {len(found)} weeks may explain it."
    if p_value < SIGNIFICANCE:
        verdict = "rising" if slope > 0 else "falling"
        reason = f"More than the scatter of {len(found)} weeks explains, if looked at once."
    low, high = (slope - reach) / 7.0, (slope + reach) / 7.0
    return Trend(slope / 7.0, low, high, p_value, len(found), verdict, reason)


def _weekly_slope(means: FloatArray, weeks: FloatArray) -> tuple[float, float, float]:
    """Slope a week of the means, its standard error and degrees of freedom; see `trend`."""
    n = len(means)
    t = weeks - weeks.mean()
    spread = float(t @ t)
    slope = float(t @ means) / spread
    residual = means - means.mean() - slope * t
    squares = float(residual @ residual)
    if squares <= 1e-24:
        return slope, 0.0, float(n - 2)
    # Neighbours in the list are neighbours in time, but for weeks without a rating.
    raw = float(residual[1:] @ residual[:-1]) / squares
    rho = float(np.clip(raw + (2.0 + 4.0 * raw) / n, 0.0, HIGHEST_CORRELATION))
    alike = rho ** np.abs(np.subtract.outer(weeks, weeks))
    tct = float(t @ alike @ t)
    free = n - float(alike.sum()) / n - tct / spread
    variance = squares / free * tct / spread**2
    leverage = 1.0 / n + t**2 / spread
    jackknife = float(np.sum((t * residual / (1.0 - leverage)) ** 2)) / spread**2
    degrees = max(n * (1.0 - rho) / (1.0 + rho) - 2.0, 1.0)
    return slope, float(np.sqrt(max(variance, jackknife))), degrees
