"""A group of people as one traveller: the one aggregation, for features, sessions and reports."""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.cells import items_of, read_degrees, read_numbers, words_of
from matching.domain.travellers import read_temperament
from matching.domain.words import HABITS


def group_travellers(groups: pd.DataFrame, profiles: pd.DataFrame) -> pd.DataFrame:
    """Describe each group as one traveller, from its members.

    Parameters
    ----------
    groups : DataFrame, one row per group
        external_id, member_ids (list of the members' external_id), destination_lat,
        destination_lon, start_date, end_date; optional group_size (people in all, when more than
        the members known), budget (else the members' mean), interests (added to the members').
    profiles : DataFrame with one row per user
        external_id and the profile columns of `Travellers.from_frame`, budget included.

    Returns
    -------
    A travellers frame in the order of `groups`: means of age, budget, extraversion, smoking and
    drinking; unions of interests and languages; the most common nationality and religion (ties:
    first in the alphabet); group_size, n_languages, n_nationalities. NaN or None where no member
    says; unknown members are left out.
    """
    table = profiles.drop_duplicates("external_id").set_index("external_id")
    rows = []
    for group in groups.to_dict("records"):
        known = [name for name in items_of(group.get("member_ids")) if name in table.index]
        members = table.loc[known]
        languages = _union(members, "languages")
        size, budget = group.get("group_size"), group.get("budget")
        rows.append(
            {
                **{k: v for k, v in group.items() if k != "member_ids"},
                "member_ids": known,
                "user_id": -1,
                "budget": budget
                if pd.notna(budget)
                else _known_mean(read_numbers(members, "budget")),
                "interests": sorted(
                    {*words_of(group.get("interests")), *_union(members, "interests")}
                ),
                "languages": languages,
                "age": _known_mean(read_numbers(members, "age")),
                "extraversion": _known_mean(read_temperament(members)),
                "smoking": _known_mean(read_degrees(members, "smoking", HABITS)),
                "drinking": _known_mean(read_degrees(members, "drinking", HABITS)),
                "nationality": _most_common(members, "nationality"),
                "religion": _most_common(members, "religion"),
                "group_size": float(size) if pd.notna(size) else float(len(known) or math.nan),
                "n_languages": float(len(languages) or math.nan),
                "n_nationalities": float(len(_union(members, "nationality")) or math.nan),
            }
        )
    return pd.DataFrame(rows)


def _known_mean(numbers: npt.NDArray[np.float64]) -> float:
    known = numbers[~np.isnan(numbers)]
    return float(known.mean()) if len(known) else math.nan


def _union(members: pd.DataFrame, column: str) -> list[str]:
    if column not in members:
        return []
    return sorted({word for value in members[column] for word in words_of(value)})


def _most_common(members: pd.DataFrame, column: str) -> str | None:
    if column not in members:
        return None
    words = sorted(word for value in members[column] for word in words_of(value)[:1])
    return max(dict.fromkeys(words), key=words.count) if words else None
