"""Trips: the days that two of them share, and the gates that make a pair a candidate."""

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain.geo import distance_km
from matching.domain.travellers import PairSide, Travellers

MAX_DISTANCE_KM: Final = 200.0  # hard gate: destinations further apart are no match at all
MIN_OVERLAP_DAYS: Final = 1.0  # hard gate


def overlap_days(
    left: Travellers | PairSide, right: Travellers | PairSide
) -> npt.NDArray[np.float64]:
    """Days that two trips share, row against row.

    Returns
    -------
    float64 array of shape (n,); negative for a gap, NaN where a date is unknown.
    """
    return np.minimum(left.end_day, right.end_day) - np.maximum(left.start_day, right.start_day)


def candidate_mask(left: Travellers, right: Travellers) -> npt.NDArray[np.bool_]:
    """Which pairs pass the hard gates: destinations within 200 km and at least one shared day.

    Parameters
    ----------
    left, right : Travellers of equal length n

    Returns
    -------
    bool array of shape (n,); False where a destination or a date is unknown.
    """
    near = distance_km(left.destination, right.destination) <= MAX_DISTANCE_KM
    return near & (overlap_days(left, right) >= MIN_OVERLAP_DAYS)
