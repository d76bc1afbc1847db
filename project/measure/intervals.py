"""Figures with their intervals, and the quantiles and corrections that intervals are made of.

References
----------
.. [1] Wilson, E. B. (1927). Probable inference. JASA 22, 209-212.
.. [2] Liang, K.-Y. & Zeger, S. (1986). Longitudinal data analysis using generalized linear models.
.. [3] Holm, S. (1979). A simple sequentially rejective multiple test procedure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, ceil, exp, isfinite, log, sqrt, tanh
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri, stdtr, stdtrit  # scipy.stats takes a second to load

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CONFIDENCE = 0.95
SIGNIFICANCE = 1.0 - CONFIDENCE
LARGEST_EXPONENT = 700.0  # exp() of more is infinite
POWER = 0.80  # of finding an effect, in the number of rows that would decide


class MetricFields(TypedDict):
    """A `Metric` as JSON; a figure that does not exist is None."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Metric:
    """A figure and its 95 % interval; NaN where it does not exist (one label, constant target)."""

    value: float
    low: float
    high: float

    def as_dict(self) -> MetricFields:
        return {
            "value": json_number(self.value),
            "low": json_number(self.low),
            "high": json_number(self.high),
        }


# How far a figure is from the end of its range: a share from 0 and 1, a loss from 0, an R2 from
# its 1, a correlation from -1 and 1. On that scale errors are the same everywhere.
Scale = Literal["share", "loss", "r2", "correlation"]


def figure_interval(value: float, variance: float, degrees: float, scale: Scale) -> Metric:
    """95 % interval of a figure, made on a scale on which it has no end.

    Parameters
    ----------
    value : the figure.
    variance : of the figure.
    degrees : degrees of freedom of the variance; NaN gives no interval.
    scale : share: logit; loss: logarithm; r2: log(1 - R2); correlation: Fisher's atanh.

    Returns
    -------
    Metric
        Student's interval on that scale, with the standard error divided by the scale's slope. At
        an end of the range (all rows right) a share has Wilson's interval of so many votes as there
        are degrees and one more; other figures have none.
    """
    value, variance = float(value), float(variance)
    nan = float("nan")
    if not (isfinite(value) and isfinite(degrees)):
        return Metric(value, nan, nan)
    if scale == "share" and value in (0.0, 1.0):
        return Metric(value, *(float(end) for end in score_interval(value, degrees + 1.0)))
    room = {
        "share": value * (1.0 - value),
        "loss": value,
        "r2": 1.0 - value,
        "correlation": 1.0 - value**2,
    }[scale]
    if room <= 0 or not isfinite(variance):
        return Metric(value, nan, nan)
    half = student_reach(degrees) * sqrt(variance) / room
    if scale == "share":
        at = log(value / (1.0 - value))
        low, high = expit(at - half), expit(at + half)
    elif scale == "loss":
        low, high = value * exp(-half), value * exp(min(half, LARGEST_EXPONENT))
    elif scale == "r2":
        low, high = 1.0 - room * exp(min(half, LARGEST_EXPONENT)), 1.0 - room * exp(-half)
    else:
        low, high = tanh(atanh(value) - half), tanh(atanh(value) + half)
    return Metric(value, float(low), float(high))


def json_number(value: float | None) -> float | None:
    """A plain float for JSON; None where the figure does not exist (NaN, infinite)."""
    return float(value) if value is not None and isfinite(value) else None


def json_numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Plain floats for JSON, with None as of `json_number`."""
    if np.isfinite(values).all():
        return list(values.tolist())
    return [json_number(value) for value in values.tolist()]


def normal_reach(confidence: float = CONFIDENCE) -> float:
    """Standard errors to either side that hold this share of a normal distribution."""
    return float(ndtri(0.5 + confidence / 2.0))


def student_reach(degrees: float, confidence: float = CONFIDENCE) -> float:
    """Standard errors to either side that hold this share of Student's distribution.

    Parameters
    ----------
    degrees : degrees of freedom, above 0; infinite for the normal distribution.
    """
    return float(stdtrit(degrees, 0.5 + confidence / 2.0))


def student_p_value(statistic: float, degrees: float) -> float:
    """Two-sided p-value of Student's statistic."""
    return float(2.0 * stdtr(degrees, -abs(statistic)))


def score_interval(
    share: npt.ArrayLike,
    rows: npt.ArrayLike,
    confidence: float = CONFIDENCE,
) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of a share [1]_, which stays inside [0, 1].

    Parameters
    ----------
    share : array of any shape, in [0, 1]; NaN gives NaN.
    rows : array that broadcasts with it: the independent votes of 0 and 1 behind each share.
    confidence : coverage.

    Returns
    -------
    low, high : arrays of the common shape.
    """
    share, rows = np.asarray(share, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        square = normal_reach(confidence) ** 2 / rows
        centre = (share + square / 2.0) / (1.0 + square)
        half = np.sqrt(square * (share * (1.0 - share) + square / 4.0)) / (1.0 + square)
    return (
        np.asarray(np.clip(centre - half, 0.0, 1.0), dtype=np.float64),
        np.asarray(np.clip(centre + half, 0.0, 1.0), dtype=np.float64),
    )


def cluster_mean(values: FloatArray, cluster: npt.ArrayLike) -> Metric:
    """Mean of rows whose errors within a cluster go together [2]_.

    Parameters
    ----------
    values : array of shape (n_rows,), no NaN.
    cluster : array of shape (n_rows,); equal for rows of one cluster.

    Returns
    -------
    Metric
        The interval is Student's with one degree less than clusters, over the residuals summed by
        cluster, times C / (C - 1); NaN below two clusters, and all NaN without rows.
    """
    nan = float("nan")
    if not len(values):
        return Metric(nan, nan, nan)
    mean = float(values.mean())
    found, codes = np.unique(np.asarray(cluster), return_inverse=True)
    if len(found) < 2:
        return Metric(mean, nan, nan)
    half = student_reach(len(found) - 1) * cluster_error(values - mean, codes, len(found))
    return Metric(mean, mean - half, mean + half)


def cluster_error(residuals: FloatArray, cluster: IntArray, n_clusters: int) -> float:
    """Standard error of a mean from its residuals, summed by cluster, times C / (C - 1) [2]_.

    Parameters
    ----------
    residuals : array of shape (n_rows,), of mean 0.
    cluster : array of shape (n_rows,), from 0 to n_clusters - 1; `n_clusters` is at least 2.
    """
    sums = np.bincount(cluster, residuals, minlength=n_clusters)
    return float(np.sqrt(sums @ sums * n_clusters / (n_clusters - 1))) / len(residuals)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values [3]_; NaN stays and does not count."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    ordered = known[np.argsort(p[known], kind="stable")]
    steps = (len(ordered) - np.arange(len(ordered))) * p[ordered]
    adjusted[ordered] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(one) for one in adjusted]


def detectable(standard_error: float) -> float:
    """Smallest difference that a two-sided test of this standard error finds with `POWER`."""
    return (normal_reach() + float(ndtri(POWER))) * standard_error


def rows_to_decide(difference: float, standard_error: float, rows: float) -> int | None:
    """Rows with which a difference of this size would be significant four times in five.

    Parameters
    ----------
    difference, standard_error : as measured on `rows` rows; the error shrinks with their root.

    Returns
    -------
    int, or None when the difference is zero or not finite. Normal theory: (z_.975 + z_.80)^2
    (se / difference)^2 rows.
    """
    if not np.isfinite(difference) or not np.isfinite(standard_error) or difference == 0:
        return None
    return max(1, ceil(rows * (detectable(standard_error) / difference) ** 2))
