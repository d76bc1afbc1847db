"""The ROC-AUC: its one definition, and how far each row pulls it.

References
----------
.. [1] Hanley, J. & McNeil, B. (1982). The meaning and use of the area under a receiver operating
   characteristic (ROC) curve. Radiology 143, 29-36.
.. [2] DeLong, E., DeLong, D. & Clarke-Pearson, D. (1988). Comparing the areas under two or more
   correlated receiver operating characteristic curves. Biometrics 44, 837-845.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from project.measure.ranks import tie_runs

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def auc_of_counts(positive: npt.ArrayLike, negative: npt.ArrayLike) -> FloatArray:
    """Chance that a positive row scores above a negative one, ties counted half [1]_.

    Parameters
    ----------
    positive, negative : arrays of shape (..., n_scores): rows (or their weights) of each label at
        each distinct score, in ascending order of the scores.

    Returns
    -------
    array of shape (...,), in [0, 1]; NaN where a label has no row.
    """
    positive = np.asarray(positive, dtype=np.float64)
    negative = np.asarray(negative, dtype=np.float64)
    below = np.cumsum(negative, axis=-1) - 0.5 * negative
    wins = (positive * below).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = wins / (positive.sum(axis=-1) * negative.sum(axis=-1))
    return np.asarray(auc, dtype=np.float64)


def roc_auc(
    label: npt.ArrayLike, score: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> float:
    """Area under the ROC curve.

    Parameters
    ----------
    label : array of shape (n_rows,), 0 or 1.
    score : array of shape (n_rows,), of any range, no NaN.
    weight : array of shape (n_rows,), optional; what each row counts.

    Returns
    -------
    float in [0, 1]; NaN with one label only. See `auc_of_counts`.
    """
    is_positive = np.asarray(label, dtype=np.float64) > 0.5
    values = np.asarray(score)
    if weight is None and values.dtype == np.float32:
        return float(auc_of_counts(*count_labels(values, is_positive)))
    values = values.astype(np.float64)
    if not len(values):
        return float("nan")
    runs = tie_runs(values)
    weights = np.ones(len(values)) if weight is None else np.asarray(weight, dtype=np.float64)
    positive, negative = (
        np.add.reduceat((weights * side)[runs.order], runs.starts)
        for side in (is_positive, ~is_positive)
    )
    return float(auc_of_counts(positive, negative))


def count_labels(
    score: npt.NDArray[np.float32], is_positive: BoolArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of each label at each distinct score, in ascending order.

    Parameters
    ----------
    score : array of shape (n_rows,), float32, no NaN; -0.0 equals 0.0.
    is_positive : array of shape (n_rows,).

    Returns
    -------
    positive, negative : arrays of shape (n_scores,)

    Notes
    -----
    One sort of whole numbers serves, several times as fast as sorting floats with their labels: a
    float32 is mapped to an unsigned integer of the same order, and the label is its lowest bit.
    """
    if not len(score):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    bits = (score + np.float32(0)).view(np.uint32)
    keys: npt.NDArray[Any]
    if score.min() >= 0:
        # The bits of non-negative floats already sort like the floats and leave the top bit free.
        keys = (bits << np.uint32(1)) | is_positive
    else:
        is_below = bits >> np.uint32(31)
        ordered_bits = np.where(is_below, ~bits, bits | np.uint32(0x80000000))
        keys = (ordered_bits.astype(np.uint64) << np.uint64(1)) | is_positive
    keys.sort()
    value = keys >> keys.dtype.type(1)
    last = np.flatnonzero(np.append(value[1:] != value[:-1], True))
    positives = np.cumsum(keys & keys.dtype.type(1), dtype=np.int64)[last]
    positive = np.diff(positives, prepend=0)
    return positive, np.diff(last, prepend=-1) - positive


def auc_influence(is_positive: BoolArray, score: FloatArray) -> tuple[float, FloatArray]:
    """The ROC-AUC, and how far each row pulls it.

    Parameters
    ----------
    is_positive : array of shape (n_rows,).
    score : array of shape (n_rows,), no NaN.

    Returns
    -------
    auc : as `roc_auc`.
    influence : array of shape (n_rows,), of mean 0
        From the placement values of [2]_: for a positive row the share of negative rows below it,
        for a negative row the share of positive rows above it, ties half. Each side's placements
        average to the AUC, and a row pulls the more, the rarer its side. All 0 with one label.
    """
    n_rows, n_positive = len(is_positive), int(is_positive.sum())
    n_negative = n_rows - n_positive
    if not n_positive or not n_negative:
        return float("nan"), np.zeros(n_rows)
    runs = tie_runs(score)
    positive = np.add.reduceat(is_positive[runs.order].astype(np.float64), runs.starts)
    negative = runs.sizes - positive
    below = (np.cumsum(negative) - 0.5 * negative) / n_negative
    above = 1 - (np.cumsum(positive) - 0.5 * positive) / n_positive
    auc = float(auc_of_counts(positive, negative))
    placement = np.where(is_positive, below[runs.of_row], above[runs.of_row])
    scale = np.where(is_positive, n_rows / n_positive, n_rows / n_negative)
    return auc, (placement - auc) * scale
