"""Signs that events which are said to be real were drawn by a program."""

from typing import Final

import numpy as np
import numpy.typing as npt

from project import words

FEWEST_EVENTS: Final = 50  # fewer show nothing
SHORTEST_SPAN_SECONDS: Final = 3_600  # a log of people is longer than an hour
EVEN_GAPS_SHARE: Final = 0.9
# Kolmogorov's distance at which an even spread is given up in 1 of 20 columns that are even.
EVEN_DISTANCE: Final = 1.358
MINIMUM_EVEN_COLUMNS: Final = 3


def find_signs(occurred_ms: npt.NDArray[np.int64], features: npt.NDArray[np.float32]) -> list[str]:
    """Say what looks drawn; each is a reason to ask, none a proof.

    Parameters
    ----------
    occurred_ms : int64 (n,), milliseconds since 1970
    features : float32 (n, k) in [0, 1]; NaN missing

    Returns
    -------
    A sentence for each sign; empty for fewer than FEWEST_EVENTS.
    """
    count = len(occurred_ms)
    if count < FEWEST_EVENTS:
        return []
    signs = []
    ordered = np.sort(occurred_ms)
    span = (ordered[-1] - ordered[0]) / 1000
    if span < SHORTEST_SPAN_SECONDS:
        signs.append(f"all {count:,} times lie within {words.tally(span, 'second')}")
    gaps = np.diff(ordered)
    _, times = np.unique(gaps, return_counts=True)
    if gaps.any() and times.max() >= EVEN_GAPS_SHARE * len(gaps):
        gap = np.median(gaps) / 1000
        signs.append(f"the times follow one another evenly, every {gap:,.10g} seconds")
    even = _even_columns(features)
    if even >= MINIMUM_EVEN_COLUMNS:
        signs.append(
            f"the values of {even} features are spread over 0 to 1 as evenly as random numbers"
        )
    return signs


def _even_columns(features: npt.NDArray[np.float32]) -> int:
    even = 0
    for column in features.T:
        known = np.sort(column[~np.isnan(column)].astype(np.float64))
        count = len(known)
        if count < FEWEST_EVENTS:
            continue
        steps = np.arange(count + 1) / count
        distance = max(np.max(steps[1:] - known), np.max(known - steps[:-1]))
        even += bool(distance * np.sqrt(count) < EVEN_DISTANCE)
    return even
