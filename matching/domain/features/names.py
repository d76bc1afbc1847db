"""The features by name: column order, names in the event log, which apply, which are products."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.domain.words import MATCH_TYPES

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
    if match_type not in MATCH_TYPES:
        raise ValueError(f"Expected a match type of {', '.join(MATCH_TYPES)}; got {match_type!r}.")
    if match_type == "user_group":
        return FEATURE_NAMES
    return tuple(name for name in FEATURE_NAMES if name not in GROUP_ONLY)


def applicable(match_type: str) -> npt.NDArray[np.bool_]:
    """Which of the 13 columns apply to a match type.

    Returns
    -------
    bool array of shape (13,)
    """
    names = features_of(match_type)
    return np.array([name in names for name in FEATURE_NAMES])


def fill_products(columns: Any) -> None:
    """Write each product that is missing where both of its factors are known, in place.

    Parameters
    ----------
    columns : mapping of feature names to float arrays of shape (n,), or a frame of n rows
        NaN where missing. A product that is there stays as it is; one whose factors are not both
        among the columns is left alone.
    """
    for product, (first, second) in PRODUCTS.items():
        if first not in columns or second not in columns:
            continue
        if product not in columns:
            columns[product] = np.asarray(columns[first]) * np.asarray(columns[second])
            continue
        there = np.asarray(columns[product])
        missing = np.isnan(there)
        if missing.any():
            derived = np.asarray(columns[first]) * np.asarray(columns[second])
            columns[product] = np.where(missing, derived, there)
