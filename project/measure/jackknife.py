"""Standard errors by leaving out one cluster at a time, in one way or in two.

Rows of one person resemble one another, and a pair has two people. So what is left out is a
cluster: all rows of an asker, then all of a partner, then single rows, whose variance the two of
them hold twice.

References
----------
.. [1] Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap, 11 (the jackknife).
.. [2] Cameron, C., Gelbach, J. & Miller, D. (2011). Robust inference with multiway clustering.
   Journal of Business & Economic Statistics 29, 238-249.
.. [3] Kish, L. (1965). Survey Sampling, 8.2 (the effective number of unequal clusters).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# What is left out at a time, at most; more clusters are put together by lot. The standard error of
# 500 blocks has an error of 3 %.
BLOCKS = 500
LOT_SEED = 20_261_127  # the same rows always measure alike
FEWEST_CLUSTERS = 6  # below this nothing can be said of the next cluster
FEW_CLUSTERS = 15  # below this an interval holds, and is wide

# From the block of each row and the number of blocks to the figures of the rows without each block,
# shape (n_blocks, n_figures).
LeaveOut = Callable[[IntArray, int], FloatArray]


@dataclass(frozen=True)
class Clusters:
    """Which rows go together.

    Attributes
    ----------
    ways : arrays of shape (n_rows,), whole numbers from 0; one for each way in which rows go
        together, at most two. None: every row stands for itself.
    """

    ways: tuple[IntArray, ...] = ()

    @classmethod
    def of(cls, *columns: npt.ArrayLike) -> "Clusters":
        """Number the values of each column from 0."""
        return cls(
            tuple(
                np.unique(np.asarray(column), return_inverse=True)[1].astype(np.int64)
                for column in columns
            )
        )

    def where(self, mask: npt.NDArray[np.bool_]) -> "Clusters":
        """Return the clusters of the rows that a mask names."""
        return Clusters.of(*(way[mask] for way in self.ways))

    def counts(self) -> tuple[int, ...]:
        """Number of clusters of each way."""
        return tuple(int(way.max(initial=-1)) + 1 for way in self.ways)

    @property
    def too_few(self) -> bool:
        """Whether a way has too few clusters to say anything of the next one."""
        return bool(self.ways) and min(self.counts()) < FEWEST_CLUSTERS

    def degrees(self, n_rows: int) -> float:
        """Degrees of freedom: the effective number of clusters [3]_ of the poorer way, less one.

        NaN, which gives no interval, where there are too few clusters or one row.
        """
        if self.too_few or n_rows < 2:
            return float("nan")
        effective = [float(n_rows)]
        for way in self.ways:
            sizes = np.bincount(way).astype(np.float64)
            effective.append(float(sizes.sum() ** 2 / (sizes @ sizes)))
        return max(min(*effective, float(BLOCKS)) - 1.0, 1.0)


def jackknife(leave_out: LeaveOut, clusters: Clusters, n_rows: int) -> FloatArray:
    """Variance of figures, each a smooth function of rows.

    Parameters
    ----------
    leave_out : computes the figures without each block; what is not finite is passed over.
    clusters : of the rows.
    n_rows : number of rows.

    Returns
    -------
    array of shape (n_figures,)
        (G - 1) / G times the sum of squares around the mean of the G figures [1]_. In two ways the
        sum of both less that of single rows [2]_, and never below the larger one: the difference
        has an error of its own. NaN below two blocks.
    """
    if len(clusters.ways) < 2:
        way = clusters.ways[0] if clusters.ways else np.arange(n_rows)
        return _one_way(leave_out, way)
    asker, partner = (_one_way(leave_out, way) for way in clusters.ways)
    rows = _one_way(leave_out, np.arange(n_rows))
    return np.asarray(np.maximum.reduce([asker + partner - rows, asker, partner]))


def influence_variance(influence: FloatArray, clusters: Clusters) -> float:
    """Variance of a mean over rows, from how far each row pulls it.

    Parameters
    ----------
    influence : array of shape (n_rows,), of mean 0.
    clusters : of the rows.

    Returns
    -------
    float
        As `jackknife`, with every cluster left out: the mean of the rows without it is its sum over
        the rows of the others. A cluster that holds a quarter of the rows so counts for what it
        would change; its share of all rows would be too little. NaN below two clusters.
    """
    n_rows = len(influence)

    def one_way(way: IntArray) -> float:
        left = -np.bincount(way, weights=influence) / (n_rows - np.bincount(way)).clip(1)
        if len(left) < 2:
            return float("nan")
        return float(left.var()) * (len(left) - 1)

    if len(clusters.ways) < 2:
        return one_way(clusters.ways[0] if clusters.ways else np.arange(n_rows))
    asker, partner = (one_way(way) for way in clusters.ways)
    rows = one_way(np.arange(n_rows))
    return float(max(asker + partner - rows, asker, partner))


def block_counts(slots: IntArray, n_slots: int, block: IntArray, n_blocks: int) -> FloatArray:
    """Rows of each block in each slot, shape (n_blocks, n_slots)."""
    counts = np.bincount(block * n_slots + slots, minlength=n_blocks * n_slots)
    return counts.reshape(n_blocks, n_slots).astype(np.float64)


def block_sums(columns: Sequence[FloatArray], block: IntArray, n_blocks: int) -> FloatArray:
    """Sums of columns over each block, shape (n_blocks, n_columns)."""
    return np.column_stack([np.bincount(block, one, minlength=n_blocks) for one in columns])


def _one_way(leave_out: LeaveOut, way: IntArray) -> FloatArray:
    block, count = _merge(way)
    figures = leave_out(block, count)
    known = np.isfinite(figures)
    number = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, figures, 0.0).sum(axis=0) / number
        squares = (np.where(known, figures - mean, 0.0) ** 2).sum(axis=0)
        return np.asarray(np.where(number > 1, squares * (number - 1) / number, np.nan))


def _merge(way: IntArray) -> tuple[IntArray, int]:
    count = int(way.max(initial=-1)) + 1
    if count <= BLOCKS:
        return way, count
    lot = np.random.default_rng(LOT_SEED).permutation(np.arange(count) % BLOCKS)
    return lot[way], BLOCKS
