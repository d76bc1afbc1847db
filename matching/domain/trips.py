"""Trips: the days that two of them share, and the gates that make a pair a candidate."""

from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain.geo import distance_km
from matching.domain.travellers import PairSide, Travellers

MAX_DISTANCE_KM: Final = 200.0  # hard gate: destinations further apart are no match at all
MIN_OVERLAP_DAYS: Final = 1.0  # hard gate


class HardGate(StrEnum):
    """The first hard gate that keeps two from being a candidate pair; `open` where none does."""

    OPEN = "open"
    NO_DESTINATION = "destination_unknown"
    NO_DATES = "dates_unknown"
    TOO_FAR = "too_far_apart"
    NO_SHARED_DAY = "no_shared_day"

    @property
    def words(self) -> str:
        """Why the two are no candidates; empty of the open gate."""
        return _GATE_WORDS[self]


_GATE_WORDS: Final = {
    HardGate.OPEN: "",
    HardGate.NO_DESTINATION: "one of them has no live trip",
    HardGate.NO_DATES: "the dates of a trip are not known",
    HardGate.TOO_FAR: f"their destinations are over {MAX_DISTANCE_KM:.0f} km apart",
    HardGate.NO_SHARED_DAY: "they have no day in common",
}


_GATES: Final = np.array([str(gate) for gate in HardGate])
_GATE_PLACES: Final = {gate: place for place, gate in enumerate(HardGate)}


def overlap_days(
    left: Travellers | PairSide, right: Travellers | PairSide
) -> npt.NDArray[np.float64]:
    """Days that two trips share, row against row.

    Returns
    -------
    float64 array of shape (n,); negative for a gap, NaN where a date is unknown.
    """
    return np.minimum(left.end_day, right.end_day) - np.maximum(left.start_day, right.start_day)


def first_gates(left: Travellers | PairSide, right: Travellers | PairSide) -> npt.NDArray[np.str_]:
    """Which gate each pair meets: destinations within 200 km, and at least one shared day.

    Parameters
    ----------
    left, right : of equal length n

    Returns
    -------
    text array of shape (n,) of `HardGate`.
    """
    far, shared = distance_km(left.destination, right.destination), overlap_days(left, right)
    # Places among the gates: of two that are met the former counts, so it is written last.
    met = np.zeros(len(far), np.intp)
    for gate, is_met in (
        (HardGate.NO_SHARED_DAY, shared < MIN_OVERLAP_DAYS),
        (HardGate.TOO_FAR, far > MAX_DISTANCE_KM),
        (HardGate.NO_DATES, np.isnan(shared)),
        (HardGate.NO_DESTINATION, np.isnan(far)),
    ):
        met[is_met] = _GATE_PLACES[gate]
    return _GATES[met]
