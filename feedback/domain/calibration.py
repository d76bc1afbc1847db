"""Predictions of ratings held against what came."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from feedback.domain.comparisons import MINIMUM_SAMPLES, NOT_ENOUGH
from feedback.domain.means import GroupMeans, cluster_codes, group_means, unit_values
from project.measure.calibration import CALIBRATION_BINS, mass_bins
from project.measure.intervals import SIGNIFICANCE, cluster_mean
from project.measure.ranks import tie_runs

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Predictions against what came, in buckets of about equally many rows.

    Attributes
    ----------
    predicted : array of shape (n_buckets,), mean prediction.
    lower, upper : array of shape (n_buckets,), least and greatest prediction.
    actual : means of what came, by bucket.
    rows, left_out : pairs used, and rows where either side is missing.
    error : expected calibration error, the mean distance of the bucket means, weighted by rows.
    bias, bias_low, bias_high : mean of actual minus predicted and its interval; NaN below two
        clusters.
    off : buckets whose simultaneous interval does not hold the mean prediction.
    verdict : "calibrated" means that nothing speaks against it.
    """

    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray
    actual: GroupMeans
    rows: int
    left_out: int
    error: float
    bias: float
    bias_low: float
    bias_high: float
    off: tuple[int, ...]
    verdict: Literal["calibrated", "off", "not enough evidence"]


def calibration(
    predicted: npt.ArrayLike,
    actual: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    buckets: int = CALIBRATION_BINS,
    minimum: int = MINIMUM_SAMPLES,
) -> Calibration:
    """Hold predictions against what came, in buckets of equally many rows.

    Equal counts rather than equal widths: predictions crowd together, and of buckets of equal
    widths most would be empty. Equal predictions share a bucket, so there may be fewer.

    Parameters
    ----------
    predicted, actual : arrays of shape (n_rows,), in [0, 1]; a row where either is NaN is left out.
    clusters : as in `group_means`.
    buckets : most buckets.
    minimum : a verdict needs as many clusters.

    Returns
    -------
    Calibration
    """
    p, y = unit_values(predicted), unit_values(actual)
    if len(p) != len(y):
        raise ValueError(f"Expected as many predictions as values, got {len(p)} and {len(y)}.")
    keep = ~np.isnan(p) & ~np.isnan(y)
    cluster = cluster_codes(clusters, len(keep))[keep]
    p, y = p[keep], y[keep]
    runs = tie_runs(p)
    _, place = np.unique(mass_bins(runs.sizes, buckets)[runs.of_row], return_inverse=True)
    size = int(place.max(initial=-1)) + 1
    names = [f"{number + 1:02d}" for number in range(size)]
    labels = np.array([*names, ""], dtype=object)[place]
    means = group_means(y, labels, cluster, order=names)
    strict = group_means(
        y, labels, cluster, order=names, confidence=1.0 - SIGNIFICANCE / max(size, 1)
    )
    at = np.bincount(place, p, minlength=size) / np.maximum(np.bincount(place, minlength=size), 1)
    lower, upper = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(lower, place, p)
    np.maximum.at(upper, place, p)
    # A mean of equal numbers may differ from them in the last place.
    off = tuple(
        int(index) for index in np.flatnonzero((strict.low > at + 1e-9) | (strict.high < at - 1e-9))
    )
    bias = cluster_mean(y - p, cluster)
    verdict: Literal["calibrated", "off", "not enough evidence"] = NOT_ENOUGH
    if len(np.unique(cluster)) >= minimum and np.isfinite(bias.low):
        is_biased = bias.low > 0.0 or bias.high < 0.0
        verdict = "off" if off or is_biased else "calibrated"
    error = float(means.count @ np.abs(means.mean - at) / len(p)) if len(p) else np.nan
    return Calibration(
        at,
        lower,
        upper,
        means,
        len(p),
        int(np.count_nonzero(~keep)),
        error,
        bias.value,
        bias.low,
        bias.high,
        off,
        verdict,
    )
