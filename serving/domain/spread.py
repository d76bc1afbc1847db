"""Whether scores tell people apart: the fault that this product ends is one score for everybody."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PLACES: Final = 6  # decimals; by less differ two ways to compute one score
MINIMUM_DIFFERENT: Final = 10  # different ones among so many pairs, or half of more


@dataclass(frozen=True)
class Spread:
    """How much some scores vary.

    Attributes
    ----------
    scored : how many there are; those that do not exist are left out.
    different : of them, at six decimals.
    lowest, highest : of them; None without any.
    most_common, most_common_share : the score that most pairs have, and their share in [0, 1].
    """

    scored: int
    different: int
    lowest: float | None
    highest: float | None
    most_common: float | None
    most_common_share: float

    @property
    def wanted(self) -> int:
        """How many different ones there have to be."""
        return max(min(MINIMUM_DIFFERENT, self.scored), self.scored // 2)

    @property
    def is_enough(self) -> bool:
        """Whether the scores tell pairs apart."""
        return self.scored > 0 and self.different >= self.wanted


def spread_of(scores: Sequence[float | None]) -> Spread:
    """Measure how much scores vary; None and NaN are no scores."""
    there = (score for score in scores if score is not None and not math.isnan(score))
    known = [round(score, PLACES) for score in there]
    if not known:
        return Spread(0, 0, None, None, None, 0.0)
    (common, count), *_ = Counter(known).most_common(1)
    return Spread(
        scored=len(known),
        different=len(set(known)),
        lowest=min(known),
        highest=max(known),
        most_common=common,
        most_common_share=count / len(known),
    )
