"""Numbers of people who were merged, and of whom they are now."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def as_present(numbers: IntArray, merged: Mapping[int, int]) -> IntArray:
    """Replace numbers of records that were merged by those of the people they are now.

    Parameters
    ----------
    numbers : int64 (n,), of people.
    merged : number of each record that was merged to that of the person it is now; no number is on
        both sides.

    Returns
    -------
    int64 (n,); what is no merged number stays.
    """
    if not merged:
        return numbers
    before = np.array(sorted(merged), np.int64)
    after = np.array([merged[number] for number in before.tolist()], np.int64)
    places = np.minimum(np.searchsorted(before, numbers), len(before) - 1)
    return np.where(before[places] == numbers, after[places], numbers)
