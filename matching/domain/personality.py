"""Temperament: the three labels, the extraversion behind them, and how alike two people are."""

import math
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Personality(StrEnum):
    """The label beside the continuous extraversion."""

    INTROVERT = "introvert"
    AMBIVERT = "ambivert"
    EXTROVERT = "extrovert"


# Label -> the extraversion of somebody of whom nothing else is known: the ends and the middle.
PERSONALITIES: Final[Mapping[str, float]] = MappingProxyType(
    {Personality.INTROVERT: 0.0, Personality.AMBIVERT: 0.5, Personality.EXTROVERT: 1.0}
)
_LABELS: Final = tuple(PERSONALITIES.values())
# The label of a measured extraversion: ambivert from the first, extrovert from the second.
INTROVERT_BELOW: Final = 1 / 3
EXTROVERT_FROM: Final = 2 / 3
# An introvert and an extrovert still score 1 - 0.6, so that labels give the established table.
PERSONALITY_SPREAD: Final = 0.6
# What two labels can score; other values come from extraversion that was drawn or measured.
LABEL_LIKENESS: Final = tuple(
    sorted({1 - PERSONALITY_SPREAD * abs(a - b) for a in _LABELS for b in _LABELS})
)


def extraversion_of(label: str) -> float | None:
    """Extraversion of somebody of whom only the label is known; None for no known label."""
    return PERSONALITIES.get(label)


def personality_of(extraversion: float) -> Personality:
    """Name the personality of a measured extraversion.

    Parameters
    ----------
    extraversion : float in [0, 1]

    Returns
    -------
    Introvert below 1/3, extrovert from 2/3, else ambivert.
    """
    if extraversion < INTROVERT_BELOW:
        return Personality.INTROVERT
    return Personality.EXTROVERT if extraversion >= EXTROVERT_FROM else Personality.AMBIVERT


def label_likeness(a: str, b: str) -> float:
    """Likeness of two labels by the established table, which asks for the words alone.

    Returns
    -------
    1 for the same word, 0.7 for an ambivert with anybody, 0.4 for an introvert with an extrovert;
    NaN for two words of which one is no label of ours: nothing is known of such a pair.
    """
    if a == b:
        return 1.0
    if Personality.AMBIVERT in (a, b):
        return 0.7
    return 0.4 if {a, b} == {Personality.INTROVERT, Personality.EXTROVERT} else math.nan


def personality_likeness(
    a: "npt.NDArray[np.float64]", b: "npt.NDArray[np.float64]"
) -> "npt.NDArray[np.float64]":
    """Similarity of temperament, 1 - 0.6 |a - b|.

    Parameters
    ----------
    a, b : float64 arrays of shape (n,) in [0, 1], 0 introvert to 1 extrovert

    Returns
    -------
    float64 array of shape (n,) in [0.4, 1]; NaN where either side is unknown.
    """
    return 1 - PERSONALITY_SPREAD * abs(a - b)
