"""Whether a column is spread as it was in another dataset, from its histograms."""

from typing import Final, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri  # scipy.stats takes a second to load

FloatArray = npt.NDArray[np.float64]

# N. Siddiqi, Credit Risk Scorecards (2006), as a rule of thumb: below .1 no
# change, from .25 a large one.
MOVED_PSI: Final = 0.1
MOVED_FAR_PSI: Final = 0.25
SIGNIFICANCE: Final = 0.05  # shared among the columns that are looked at
ABSENT_ROWS: Final = 0.5  # stands for no row in a bin: the logarithm of 0 is none


class Histogram(TypedDict):
    """Rows in each of equal bins from low to high."""

    low: float
    high: float
    counts: list[int]


class Stability(NamedTuple):
    """How far a column moved.

    Attributes
    ----------
    psi : population stability index, 0 where nothing moved; NaN where a side has no row.
    by_chance : what it stays below in 95 of 100 comparisons of all columns where nothing moved.
    distance : largest distance of the two distributions at the edges of bins, in [0, 1]: at most
        that of Kolmogorov and Smirnov.
    is_exact : whether both histograms have the same bins; else rows are spread evenly in theirs.
    """

    psi: float
    by_chance: float
    distance: float
    is_exact: bool

    @property
    def verdict(self) -> str:
        """Moved far, moved, or not beyond chance or the rule of thumb."""
        if not self.psi > max(self.by_chance, MOVED_PSI):
            return "stable"
        return "moved far" if self.psi >= MOVED_FAR_PSI else "moved"


def stability(now: Histogram, before: Histogram, *, columns: int = 1) -> Stability:
    """Say how far a column moved from one dataset to another.

    Parameters
    ----------
    now, before : histograms of the column.
    columns : how many are looked at together; chance is shared among them (Bonferroni).

    Returns
    -------
    Stability

    Notes
    -----
    The index is the sum over the bins of (p - q) log(p / q), of the shares p and q of the rows.
    Where nothing moved it is about (1 / n + 1 / m) times a chi-squared variable with one degree of
    freedom less than there are bins, of n and m independent rows (B. Yurdakul, Statistical
    Properties of Population Stability Index, Western Michigan University, 2018).
    """
    first, second, is_exact = _on_same_bins(now, before)
    n, m = float(first.sum()), float(second.sum())
    if not n or not m:
        return Stability(float("nan"), float("nan"), float("nan"), is_exact)
    distance = float(np.abs(np.cumsum(first) / n - np.cumsum(second) / m).max())
    used = (first > 0) | (second > 0)
    first, second = (np.maximum(side[used], ABSENT_ROWS) for side in (first, second))
    p, q = first / first.sum(), second / second.sum()
    psi = float(((p - q) * np.log(p / q)).sum())
    freedom = int(used.sum()) - 1
    quantile = float(chdtri(freedom, SIGNIFICANCE / max(columns, 1))) if freedom else 0.0
    return Stability(psi, (1 / n + 1 / m) * quantile, distance, is_exact)


def _on_same_bins(now: Histogram, before: Histogram) -> tuple[FloatArray, FloatArray, bool]:
    first, second = (np.asarray(one["counts"], dtype=np.float64) for one in (now, before))
    ends = (now["low"], now["high"]), (before["low"], before["high"])
    if ends[0] == ends[1] and len(first) == len(second):
        return first, second, True
    low, high = min(one[0] for one in ends), max(one[1] for one in ends)
    edges = np.linspace(low, high if high > low else low + 1.0, len(first) + 1)
    return _spread(now, edges), _spread(before, edges), False


def _spread(one: Histogram, edges: FloatArray) -> FloatArray:
    counts = np.asarray(one["counts"], dtype=np.float64)
    if one["high"] <= one["low"]:
        here: FloatArray = np.histogram(np.array([one["low"]]), edges)[0] * counts.sum()
        return here
    own = np.linspace(one["low"], one["high"], len(counts) + 1)
    below = np.concatenate([[0.0], np.cumsum(counts)])
    return np.diff(np.interp(edges, own, below))
