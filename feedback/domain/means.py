"""Means of groups of values in [0, 1], with intervals that allow for clusters.

Missing values are counted and left out, never filled.

The interval of a mean takes the clusters of rows (sessions) as its units, so that ten rows of one
session do not count as ten opinions, and needs no spread to be seen: three equal ratings do not
prove that a fourth is equal too (`project.measure.bounded`).

Comparisons of groups need a variance. It is quasi-binomial: Var(mean) = phi m (1 - m) / n, where
the dispersion phi is measured from the rows (1 for votes of 0 and 1; about .08 for ratings that
spread by .13) with the sums of each cluster, and a small group borrows dispersion from the others.

References
----------
.. [1] McCullagh, P. & Nelder, J. (1989). Generalized Linear Models, 4.5 (over-dispersion).
.. [2] Liang, K.-Y. & Zeger, S. (1986). Longitudinal data analysis using generalized linear models.
.. [3] Smyth, G. (2004). Linear models and empirical Bayes methods (moderated variances).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.bounded import bounded_mean_interval
from project.measure.intervals import CONFIDENCE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Rows that the dispersion of the other groups counts like. By simulation: enough for groups of
# three, too few to hide that one group of fifty is more divided than the rest.
BORROWED_DEGREES = 10.0


@dataclass(frozen=True)
class GroupMeans:
    """Means of groups, and what their uncertainty is made of; all arrays have shape (n_groups,).

    Attributes
    ----------
    labels : name of each group.
    count : rows with a value.
    missing : rows without one.
    clusters : clusters among the rows with a value; equal to `count` without clustering.
    mean : mean value; NaN for an empty group.
    low, high : 95 % interval of the mean, within [0, 1]; NaN for an empty group.
    effective : independent votes of 0 and 1 that would pin the mean down as well.
    degrees : degrees of freedom of the dispersion.
    unlabelled : rows with a value that belong to no group.
    """

    labels: tuple[str, ...]
    count: IntArray
    missing: IntArray
    clusters: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    effective: FloatArray
    degrees: FloatArray
    unlabelled: int

    def __len__(self) -> int:
        return len(self.labels)


def group_means(
    values: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    *,
    order: Sequence[str] | None = None,
    confidence: float = CONFIDENCE,
) -> GroupMeans:
    """Mean of each group with its interval.

    Parameters
    ----------
    values : array of shape (n_rows,), in [0, 1]; NaN is missing.
    labels : array of shape (n_rows,) of text; empty, None and NaN belong to no group. None: one
        group "all".
    clusters : array of shape (n_rows,) of text or numbers; rows of one cluster are not independent.
        Empty, None and NaN are clusters of their own. None: all rows are independent.
    order : the groups to show, in this order, empty ones too; others are left out. None: those
        that occur, sorted.
    confidence : coverage of the intervals.

    Returns
    -------
    GroupMeans

    Raises
    ------
    ValueError
        When a value lies outside [0, 1] or lengths differ.

    Notes
    -----
    With the residuals r of group g summed by cluster to S, C clusters and n rows, the variance of
    the mean is a / n, a = C / (C - 1) sum(S^2) / n [2]_. Its dispersion phi = a / (m (1 - m)) [1]_
    is averaged with that of all groups, which counts like `BORROWED_DEGREES` clusters [3]_ and
    contains one pseudo row of the greatest possible variance: n / phi are the effective votes.
    """
    y = unit_values(values)
    codes, names = _codes(labels, len(y), order)
    known = ~np.isnan(y)
    size = len(names)
    missing = np.bincount(codes[~known & (codes >= 0)], minlength=size)
    unlabelled = int(np.count_nonzero(known & (codes < 0)))
    keep = known & (codes >= 0)
    y, g = y[keep], codes[keep]
    count = np.bincount(g, minlength=size)
    with np.errstate(invalid="ignore"):
        mean = np.clip(np.bincount(g, y, minlength=size) / count, 0.0, 1.0)

    cluster = cluster_codes(clusters, len(keep))[keep]
    pair, pairs = pd.factorize(g * (int(cluster.max(initial=0)) + 1) + cluster)
    group_of = pairs // (int(cluster.max(initial=0)) + 1)
    n_clusters = np.bincount(group_of, minlength=size)
    sums = np.bincount(pair, y - mean[g], minlength=len(pairs))
    squares = np.bincount(group_of, sums**2, minlength=size)
    free = np.maximum(n_clusters - 1, 0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(free > 0, squares / count * n_clusters / free, 0.0)
    most = np.where(count > 0, mean * (1.0 - mean), 0.0)

    overall = (y.sum() + 1.0) / (len(y) + 2.0)
    pseudo = overall * (1.0 - overall)
    pooled = (free @ variance + pseudo) / (free @ most + pseudo)
    with np.errstate(invalid="ignore", divide="ignore"):
        dispersion = np.where(
            most > 0,
            (free * variance + BORROWED_DEGREES * pooled * most)
            / ((free + BORROWED_DEGREES) * most),
            pooled,
        )
        effective = count / dispersion
    degrees = np.minimum(free + BORROWED_DEGREES, free.sum())
    degrees[count == 0] = 0.0
    low, high = bounded_mean_interval(
        np.bincount(pair, y, minlength=len(pairs)),
        np.bincount(pair, minlength=len(pairs)),
        group_of,
        size,
        confidence,
    )
    return GroupMeans(
        tuple(names),
        count,
        missing,
        n_clusters,
        mean,
        low,
        high,
        np.where(count > 0, effective, 0.0),
        degrees,
        unlabelled,
    )


def unit_values(values: npt.ArrayLike) -> FloatArray:
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 1:
        raise ValueError(f"Expected one dimension, got shape {y.shape}.")
    outside = ~np.isnan(y) & ~((y >= 0.0) & (y <= 1.0))
    if outside.any():
        raise ValueError(f"Expected values from 0 to 1, got {y[outside][0]:g}.")
    return y


def texts(labels: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Return labels as text, empty where there is none."""
    array = np.asarray(labels, dtype=object)
    return np.where(pd.isna(array), "", array)


def cluster_codes(clusters: npt.ArrayLike | None, rows: int) -> IntArray:
    """Return the cluster of each row; rows without one are clusters of their own."""
    if clusters is None:
        return np.arange(rows)
    array = np.asarray(clusters)
    if len(array) != rows:
        raise ValueError(f"Expected {words.tally(rows, 'cluster')}, got {len(array)}.")
    codes, found = pd.factorize(array if array.dtype.kind in "iu" else texts(array))
    codes = codes.astype(np.int64)
    alone = np.append(pd.Index(found) == "", False)[codes]
    codes[alone] = len(found) + np.arange(np.count_nonzero(alone))
    return codes


def _codes(
    labels: npt.ArrayLike | None, rows: int, order: Sequence[str] | None
) -> tuple[IntArray, list[str]]:
    """Return the group of each row, -1 for none, and the names of the groups."""
    if labels is None:
        return np.zeros(rows, np.int64), ["all"]
    array = texts(labels)
    if len(array) != rows:
        raise ValueError(f"Expected {words.tally(rows, 'label')}, got {len(array)}.")
    codes, found = pd.factorize(array)
    wanted = sorted(str(one) for one in found if one != "") if order is None else list(order)
    place = pd.Index(wanted, dtype=object).get_indexer(pd.Index(found, dtype=object))
    return np.append(place, -1)[codes], wanted
