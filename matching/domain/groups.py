"""A group of people as one traveller: the one aggregation of its members."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from matching.domain.cells import items_of, words_of
from matching.domain.lexicon.folding import FIELD_KINDS, OWN_WORDS, Folded, Lexicon
from matching.domain.personality import extraversion_of
from matching.domain.words import GRADED_HABITS

Member = Mapping[str, Any]


@dataclass(frozen=True)
class GroupTraits:
    """What the members of a group are together; who does not say something is left out of it.

    Numbers are means, sets are unions, words the most common ones. Words whose meaning features ask
    for are folded.

    age, extraversion, budget : means; NaN where no member says
    interests, languages : every word that a member has, sorted, known or not
    known_languages, nationalities : the known ones that a member has, sorted
    smoking, drinking : the word of each member who says, in the order of the members
    gender, nationality, religion, profession, archetype : the most common word, the first in the
        alphabet of several; None where no member says. One that is not known stands there only
        where no member has a known one.
    """

    age: float
    extraversion: float
    budget: float
    interests: list[str]
    languages: list[str]
    known_languages: list[str]
    nationalities: list[str]
    smoking: list[str]
    drinking: list[str]
    gender: str | None
    nationality: str | None
    religion: str | None
    profession: str | None
    archetype: str | None


def describe_group(members: Sequence[Member], lexicon: Lexicon = OWN_WORDS) -> GroupTraits:
    """Describe a group by its members.

    Parameters
    ----------
    members : mappings with the profile columns of `Travellers.from_frame`, gender, profession and
        archetype, all optional; None, NaN and blank text mean that a member does not say.
    lexicon : what words mean

    Returns
    -------
    GroupTraits
    """
    said = {column: _folded(members, column, lexicon) for column in FIELD_KINDS}
    return GroupTraits(
        age=_mean(members, _of("age")),
        extraversion=_mean(members, lambda member: _temperament(member, lexicon)),
        budget=_mean(members, _of("budget")),
        interests=_union(said["interests"]),
        languages=_union(said["languages"]),
        known_languages=_union(said["languages"], known=True),
        nationalities=_union(said["nationality"], known=True),
        smoking=[words[0].word for words in said["smoking"] if words],
        drinking=[words[0].word for words in said["drinking"] if words],
        gender=_most_common(_first_words(members, "gender")),
        nationality=_most_common_known(said["nationality"]),
        religion=_most_common_known(said["religion"]),
        profession=_most_common(_first_words(members, "profession")),
        archetype=_most_common(_first_words(members, "archetype")),
    )


def nearest_habit(words: Sequence[str]) -> str | None:
    """The one word nearest to the mean of several habits by GRADED_HABITS; None for none."""
    degrees = [GRADED_HABITS[word] for word in words if word in GRADED_HABITS]
    if not degrees:
        return None
    mean = float(np.mean(degrees))
    return min(GRADED_HABITS, key=lambda word: abs(GRADED_HABITS[word] - mean))


def group_travellers(
    groups: pd.DataFrame, profiles: pd.DataFrame, lexicon: Lexicon = OWN_WORDS
) -> pd.DataFrame:
    """Describe each group as one traveller, from its members.

    Parameters
    ----------
    groups : DataFrame, one row per group
        external_id, member_ids (list of the members' external_id), destination_lat,
        destination_lon, start_date, end_date; optional group_size (people in all, when more than
        the members known), budget (else the members' mean), interests (added to the members').
    profiles : DataFrame with one row per user
        external_id and the profile columns of `Travellers.from_frame`, budget included.
    lexicon : what words mean

    Returns
    -------
    A travellers frame in the order of `groups`: the traits of `describe_group` that features read,
    group_size, n_languages and n_nationalities. NaN or None where no member says; unknown members
    are left out.
    """
    known_profiles: dict[str, Member] = {
        row["external_id"]: {str(name): value for name, value in row.items()}
        for row in profiles.drop_duplicates("external_id").to_dict("records")
    }
    rows = []
    for group in groups.to_dict("records"):
        known = [name for name in items_of(group.get("member_ids")) if name in known_profiles]
        traits = describe_group([known_profiles[name] for name in known], lexicon)
        size, budget = group.get("group_size"), group.get("budget")
        rows.append(
            {
                **{k: v for k, v in group.items() if k != "member_ids"},
                "member_ids": known,
                "user_id": -1,
                "budget": budget if pd.notna(budget) else traits.budget,
                "interests": sorted({*words_of(group.get("interests")), *traits.interests}),
                "languages": traits.languages,
                "age": traits.age,
                "extraversion": traits.extraversion,
                "smoking": traits.smoking,
                "drinking": traits.drinking,
                "nationality": traits.nationality,
                "religion": traits.religion,
                "group_size": float(size) if pd.notna(size) else _count(known),
                "n_languages": _count(traits.known_languages),
                "n_nationalities": _count(traits.nationalities),
            }
        )
    return pd.DataFrame(rows)


def _number(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)


def _of(name: str) -> Callable[[Member], float]:
    return lambda member: _number(member.get(name))


def _temperament(member: Member, lexicon: Lexicon) -> float:
    """Extraversion, or what the personality label says where none was measured."""
    measured = _number(member.get("extraversion"))
    if not math.isnan(measured):
        return measured
    label = next(iter(words_of(member.get("personality"))), "")
    return _number(extraversion_of(lexicon.fold("personality", label).word))


def _mean(members: Iterable[Member], read: Callable[[Member], float]) -> float:
    known = [number for number in map(read, members) if not math.isnan(number)]
    return float(np.mean(known)) if known else math.nan


def _count(words: Sequence[str]) -> float:
    return float(len(words)) if words else math.nan


def _folded(members: Iterable[Member], column: str, lexicon: Lexicon) -> list[list[Folded]]:
    """What the words of each member come to, without those that say nothing."""
    kind = FIELD_KINDS[column]
    said = [[lexicon.fold(kind, word) for word in words_of(m.get(column))] for m in members]
    return [[folded for folded in words if folded.word] for words in said]


def _union(said: Iterable[list[Folded]], *, known: bool = False) -> list[str]:
    return sorted({w.identity for words in said for w in words if w.is_known or not known})


def _first_words(members: Iterable[Member], column: str) -> list[str]:
    return [word for member in members for word in words_of(member.get(column))[:1]]


def _most_common(words: Sequence[str]) -> str | None:
    words = sorted(words)
    return max(dict.fromkeys(words), key=words.count) if words else None


def _most_common_known(said: Iterable[list[Folded]]) -> str | None:
    first = [words[0] for words in said if words]
    known = [folded.word for folded in first if folded.is_known]
    return _most_common(known or [folded.word for folded in first])
