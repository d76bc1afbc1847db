"""Whether two samples come from the same distribution.

References
----------
.. [1] Smirnov, N. (1948). Table for estimating the goodness of fit of empirical distributions.
   Annals of Mathematical Statistics 19, 279-281.
.. [2] Mann, H. & Whitney, D. (1947). On a test of whether one of two random variables is
   stochastically larger than the other. Annals of Mathematical Statistics 18, 50-60.
"""

from math import log, pi, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogorov, ndtr  # scipy.stats takes a second to load

from project.measure.auc import roc_auc
from project.measure.ranks import tie_runs

FloatArray = npt.NDArray[np.float64]

NORMAL_DENSITY = 1 / sqrt(2 * pi)  # at the middle


def kolmogorov_smirnov(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Largest distance of two empirical distributions, and its asymptotic p-value [1]_.

    Parameters
    ----------
    a, b : arrays of shape (n,) and (m,), no NaN.

    Returns
    -------
    distance in [0, 1], p_value; NaN where a sample is empty. With ties the p-value is too large.
    """
    if not len(a) or not len(b):
        return float("nan"), float("nan")
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    below = [np.searchsorted(side, both, side="right") / len(side) for side in (a, b)]
    distance = float(np.abs(below[0] - below[1]).max())
    root = sqrt(len(a) * len(b) / (len(a) + len(b)))
    return distance, float(kolmogorov(root * distance))


def rank_sum(is_first: npt.NDArray[np.bool_], score: FloatArray) -> tuple[float, float]:
    """ROC-AUC of a score that tells the first sample from the second, and its one-sided p-value.

    Parameters
    ----------
    is_first : array of shape (n_rows,).
    score : array of shape (n_rows,), no NaN.

    Returns
    -------
    auc, p_value : Mann and Whitney's test [2]_ with the variance of ties; NaN where a sample is
        empty. If both are alike the labels can be exchanged, whatever the score was learnt from.
    """
    n_rows, n_first = len(is_first), int(is_first.sum())
    n_second = n_rows - n_first
    auc = roc_auc(is_first, score)
    if not n_first or not n_second:
        return auc, float("nan")
    sizes = tie_runs(score).sizes
    ties = float((sizes**3 - sizes).sum()) / (n_rows * (n_rows - 1))
    variance = (n_rows + 1 - ties) / (12 * n_first * n_second)
    return auc, float(ndtr(-(auc - 0.5) / sqrt(variance))) if variance > 0 else 1.0


def detectable_shift(n: int, m: int, significance: float) -> float:
    """Shift of a column, in standard deviations, that Kolmogorov and Smirnov's test finds 4 times
    in 5.

    Parameters
    ----------
    n, m : rows of the two samples.
    significance : of the test, after what is shared among several columns.

    Notes
    -----
    Of two normal distributions a shift of d moves the distance to 2 Phi(d / 2) - 1, about .399 d,
    and the largest of many measured distances lies about one standard error above it: where that
    meets the critical distance the power is .75 to .85, by simulation at 100 to 1,000 rows.
    """
    if not n or not m:
        return float("inf")
    root = sqrt(1 / n + 1 / m)
    critical = sqrt(-log(significance / 2) / 2)
    return critical * root / NORMAL_DENSITY
