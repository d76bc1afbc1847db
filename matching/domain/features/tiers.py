"""Which values the tiers can give at all, so that a log shows whether it was made with them."""

from typing import Final

from matching.domain.features.names import TIERED_DEFAULT
from matching.domain.features.tiered import (
    AGE_TIERS,
    BUDGET_TIERS,
    DISTANCE_TIERS,
    DIVERSITY_TIERS,
    GROUP_SIZE_TIERS,
    OVERLAP_TIERS,
)
from matching.domain.words import MatchType

_HALVES: Final = (*(score for _, score in DIVERSITY_TIERS), 0.5)


def _values(tiers: tuple[tuple[float, float], ...], *others: float) -> frozenset[float]:
    return frozenset({*(score for _, score in tiers), *others, TIERED_DEFAULT})


# Feature to the values that `tiered-1` gives, and to the match type for which that is so; features
# that are shares of sets, of labels or of money take too many values to tell.
TIER_VALUES: Final = {
    "distance_score": (_values(DISTANCE_TIERS, 0.0), None),
    "date_overlap_score": (_values(OVERLAP_TIERS, 0.1, 0.0), None),
    "budget_score": (_values(BUDGET_TIERS, 0.1), MatchType.USER_USER),
    "age_score": (_values(AGE_TIERS, 0.05), None),
    "group_size_score": (_values(GROUP_SIZE_TIERS, 0.2), MatchType.USER_GROUP),
    "group_diversity_score": (
        frozenset((a + b) / 2 for a in _HALVES for b in _HALVES),
        MatchType.USER_GROUP,
    ),
}
