"""The features by name: column order, names in the event log, which apply, which are products."""

from functools import cache
from typing import Final

from matching.domain.words import MatchType

# Column order of every feature matrix.
FEATURE_NAMES: Final = (
    "distance_score",
    "date_overlap_score",
    "budget_score",
    "interest_score",
    "age_score",
    "personality_score",
    "language_score",
    "lifestyle_score",
    "background_score",
    "group_size_score",
    "group_diversity_score",
    "destination_interest",
    "date_budget",
)
# The same in the event log.
LOG_NAMES: Final = (
    "distanceScore",
    "dateOverlapScore",
    "budgetScore",
    "interestScore",
    "ageScore",
    "personalityScore",
    "languageScore",
    "lifestyleScore",
    "backgroundScore",
    "groupSizeScore",
    "groupDiversityScore",
    "destination_interest",
    "date_budget",
)
COLUMN: Final = {name: position for position, name in enumerate(FEATURE_NAMES)}
GROUP_ONLY: Final = ("group_size_score", "group_diversity_score")
# Each product and its two factors.
PRODUCTS: Final = {
    "destination_interest": ("distance_score", "interest_score"),
    "date_budget": ("date_overlap_score", "budget_score"),
}
TIERED_DEFAULT: Final = 0.5  # what tiered-1 writes for a missing input, as production does


@cache
def features_of(match_type: str) -> tuple[str, ...]:
    """Names of the features that apply to a match type, in column order.

    Parameters
    ----------
    match_type : "user_user" or "user_group"

    Returns
    -------
    All 13 names for a group; for two users the 11 without group size and group diversity.

    Raises
    ------
    ValueError
        For any other match type.
    """
    if match_type not in tuple(MatchType):
        raise ValueError(f"Expected a match type of {', '.join(MatchType)}; got {match_type!r}.")
    if match_type == MatchType.USER_GROUP:
        return FEATURE_NAMES
    return tuple(name for name in FEATURE_NAMES if name not in GROUP_ONLY)
