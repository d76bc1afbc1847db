"""Resampling of rows, of whole groups of rows, or of random blocks of very many rows.

Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap, 13.3 (percentile intervals).
Cameron, C., Gelbach, J. & Miller, D. (2008). Bootstrap-based improvements for inference with
clustered errors. Review of Economics and Statistics 90, 414-427.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from project.measure.intervals import CONFIDENCE, student_reach

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

REPLICATES = 500  # the 2.5 % point rests on 12 replicates; its own error is below a tenth of a sd
PAIRED_REPLICATES = 2_000  # verdicts hang on this one, and it is cheap
EXACT_ROWS = 4_000  # up to this many rows each row is resampled; beyond it, cells or blocks are
BLOCKS = 2_000  # random blocks of rows; a multiple of what an interval needs
REPLICATE_CHUNK = 100  # replicates held in memory at a time
FEW_BLOCKS = 30  # groups or rows below which percentiles of replicates are too narrow


@dataclass(frozen=True)
class Blocks:
    """The unit of resampling: `of_row`, shape (n_rows,), numbers from 0 to count - 1."""

    of_row: IntArray
    count: int


def group_blocks(groups: npt.ArrayLike, n_rows: int) -> Blocks:
    """One block for each distinct group.

    Raises
    ------
    ValueError
        If there is not one group a row.
    """
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise ValueError(f"Expected {n_rows} groups, one a row, got {values.shape}.")
    uniques, codes = np.unique(values, return_inverse=True)
    return Blocks(codes.astype(np.int64), len(uniques))


def resampling_blocks(
    n_rows: int,
    groups: npt.ArrayLike | None,
    rng: np.random.Generator,
    exact_rows: int = EXACT_ROWS,
) -> Blocks:
    """The block of each row: its group, itself, or beyond `exact_rows` one of 2,000 by lot."""
    if groups is not None:
        return group_blocks(groups, n_rows)
    if n_rows <= exact_rows:
        return Blocks(np.arange(n_rows), n_rows)
    return Blocks(rng.permutation(np.arange(n_rows) % BLOCKS), BLOCKS)


def block_weights(n_blocks: int, replicates: int, rng: np.random.Generator) -> FloatArray:
    """How often each block is drawn, shape (replicates, n_blocks)."""
    drawn = rng.integers(0, n_blocks, size=(replicates, n_blocks))
    drawn += n_blocks * np.arange(replicates)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_blocks * replicates)
    return counts.reshape(replicates, n_blocks).astype(np.float64)


def chunk_sizes(replicates: int) -> list[int]:
    """Replicates to draw at a time, so that memory stays small."""
    starts = range(0, replicates, REPLICATE_CHUNK)
    return [min(REPLICATE_CHUNK, replicates - start) for start in starts]


def resampled_sums(
    columns: FloatArray, blocks: Blocks, replicates: int, rng: np.random.Generator
) -> FloatArray:
    """Sums of columns in each replicate.

    Parameters
    ----------
    columns : array of shape (n_rows, n_columns).
    blocks : what is resampled, see `resampling_blocks`.
    replicates : number of replicates.
    rng : draws them.

    Returns
    -------
    array of shape (replicates, n_columns)
    """
    by_block = np.column_stack(
        [np.bincount(blocks.of_row, weights=one, minlength=blocks.count) for one in columns.T]
    )
    return np.concatenate(
        [block_weights(blocks.count, size, rng) @ by_block for size in chunk_sizes(replicates)]
    )


def percentile_interval(replicates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """2.5 % and 97.5 % points of each column; NaN where a column has no finite replicate."""
    tail = (1 - CONFIDENCE) / 2
    low = np.full(replicates.shape[1], np.nan)
    high = np.full(replicates.shape[1], np.nan)
    for column in range(replicates.shape[1]):
        known = replicates[:, column][np.isfinite(replicates[:, column])]
        if len(known):
            low[column], high[column] = np.quantile(known, [tail, 1 - tail])
    return low, high


def widened_interval(
    value: float, low: float, high: float, standard_error: float, n_blocks: int
) -> tuple[float, float]:
    """A percentile interval over few independent blocks, made at least as wide as Student's.

    Percentiles of replicates of three groups know only ten different means; where all three agree,
    they would call it decided. One block shows nothing.

    Parameters
    ----------
    value, low, high : the figure and its percentile interval.
    standard_error : standard deviation of the replicates, which know the spread of n blocks, not
        of n - 1.
    n_blocks : independent blocks; from `FEW_BLOCKS` on the interval stays as it is.
    """
    if n_blocks >= FEW_BLOCKS:
        return low, high
    if n_blocks < 2:
        return float("-inf"), float("inf")
    freedom = n_blocks - 1
    half = student_reach(freedom) * standard_error * float(np.sqrt(n_blocks / freedom))
    return min(low, value - half), max(high, value + half)
