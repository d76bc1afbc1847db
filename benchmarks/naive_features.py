"""The match features pair by pair in plain Python: the reference of the tests and of the benchmark.

Written from docs/formats.md and nothing else: of the package it reads only tables of words, whose
content is data and no formula.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from matching.domain.words import (
    INTEREST_SHARES,
    LANGUAGES,
    NATIONALITIES,
    RELIGIONS,
    UNKNOWN_INTEREST_SHARE,
)

Traveller = dict[str, Any]

NAMES = (
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
# What is drawn here is one of these or no word at all: a word that is not known is missing.
KNOWN = {*LANGUAGES, *NATIONALITIES, *RELIGIONS}
EVEN = {"no": 0.0, "occasionally": 0.5, "yes": 1.0}
GRADED = {"no": 0.0, "occasionally": 0.4, "yes": 1.0}
EXTRAVERSION = {"introvert": 0.0, "ambivert": 0.5, "extrovert": 1.0}


def tiered_features(a: Traveller, b: Traveller, match_type: str) -> list[float]:
    """The 13 tiered-1 features of one pair; 0.5 where missing, NaN where one does not apply."""
    values, _ = tiered_with_missing(a, b, match_type)
    return values


def tiered_with_missing(
    a: Traveller, b: Traveller, match_type: str
) -> tuple[list[float], list[bool]]:
    """The 13 tiered-1 features of one pair, and which of them stand for a missing input."""
    group = match_type == "user_group"
    scores: dict[str, float | None] = {
        "distance_score": tiered_distance(haversine_km(a, b)),
        "date_overlap_score": overlap_score(a, b, group, tiered_overlap),
        "budget_score": budget_score(a, b, group, tiered_budget),
        "interest_score": jaccard(a, b, group),
        "age_score": tiered_age(gap(a["age"], b["age"])),
        "personality_score": 0.5 if group else tiered_personality(label(a), label(b)),
        "language_score": language_score(a, b),
        "lifestyle_score": lifestyle_score(a, b, EVEN),
        "background_score": background_score(a, b),
    }
    missing = {name: score is None for name, score in scores.items()}
    values = {name: 0.5 if score is None else score for name, score in scores.items()}
    if group:
        size = tiered_group_size(known_count(b, "group_size"))
        missing["group_size_score"] = size is None
        values["group_size_score"] = 0.5 if size is None else size
        halves = [
            None if count is None else tiered_count(count)
            for count in (known_count(b, "n_languages"), known_count(b, "n_nationalities"))
        ]
        missing["group_diversity_score"] = None in halves
        values["group_diversity_score"] = sum(0.5 if h is None else h for h in halves) / 2
    for product, first, second in (
        ("destination_interest", "distance_score", "interest_score"),
        ("date_budget", "date_overlap_score", "budget_score"),
    ):
        values[product] = values[first] * values[second]
        missing[product] = missing[first] or missing[second]
    return (
        [values.get(name, math.nan) for name in NAMES],
        [missing.get(name, False) for name in NAMES],
    )


def smooth_features(a: Traveller, b: Traveller, match_type: str) -> list[float]:
    """The 13 smooth-1 features of one pair; NaN for a missing input and for what does not apply."""
    group = match_type == "user_group"
    km = haversine_km(a, b)
    temperament = gap(extraversion(a), extraversion(b))
    distance = [(0, 1), (25, 1), (50, 0.95), (100, 0.85), (150, 0.75), (200, 0.6)]
    overlap = [(0, 0.1), (0.1, 0.3), (0.2, 0.6), (0.3, 0.8), (0.5, 0.9), (0.8, 1)]
    budget = [(0, 1), (0.1, 1), (0.25, 0.8), (0.5, 0.6), (1, 0.4), (2, 0.2)]
    age = [(0, 1), (2, 1), (5, 0.9), (10, 0.7), (15, 0.5), (25, 0.3), (40, 0.1), (60, 0.05)]
    size = [(0, 1), (6, 1), (12, 0.8), (20, 0.6), (40, 0.4), (80, 0.2)]
    count = [(1, 0.5), (2, 0.7), (3, 0.9), (6, 1)]
    scores = {
        "distance_score": 0.0 if km is not None and km > 200 else line(km, distance),
        "date_overlap_score": overlap_score(a, b, group, lambda ratio: line(ratio, overlap)),
        "budget_score": budget_score(a, b, group, lambda share: line(share, budget)),
        "interest_score": weighted_jaccard(a, b),
        "age_score": line(gap(a["age"], b["age"]), age),
        "personality_score": None if temperament is None else 1 - 0.6 * temperament,
        "language_score": language_score(a, b),
        "lifestyle_score": lifestyle_score(a, b, GRADED),
        "background_score": background_score(a, b),
    }
    if group:
        scores["group_size_score"] = line(known_count(b, "group_size"), size)
        languages = line(known_count(b, "n_languages"), count)
        nationalities = line(known_count(b, "n_nationalities"), count)
        scores["group_diversity_score"] = (
            None if languages is None or nationalities is None else (languages + nationalities) / 2
        )
    filled = {name: math.nan if score is None else score for name, score in scores.items()}
    filled["destination_interest"] = filled["distance_score"] * filled["interest_score"]
    filled["date_budget"] = filled["date_overlap_score"] * filled["budget_score"]
    return [filled.get(name, math.nan) for name in NAMES]


def haversine_km(a: Traveller, b: Traveller) -> float | None:
    """Great-circle distance of the destinations."""
    places = [
        a["destination_lat"],
        a["destination_lon"],
        b["destination_lat"],
        b["destination_lon"],
    ]
    if any(place is None for place in places):
        return None
    lat_a, lon_a, lat_b, lon_b = (math.radians(place) for place in places)
    h = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * 6371 * math.asin(math.sqrt(min(h, 1.0)))


def tiered_distance(km: float | None) -> float | None:
    """Tiers of 25, 50, 100, 150 and 200 km."""
    if km is None:
        return None
    if km <= 25:
        return 1.0
    if km <= 50:
        return 0.95
    if km <= 100:
        return 0.85
    if km <= 150:
        return 0.75
    return 0.6 if km <= 200 else 0.0


def overlap_score(a: Traveller, b: Traveller, group: bool, grade: Any) -> float | None:
    """Grade of overlap over the longer trip, or over the user's for a group; 0 under one day."""
    start_a, end_a = a["start_date"], a["end_date"]
    start_b, end_b = b["start_date"], b["end_date"]
    if start_a is None or end_a is None or start_b is None or end_b is None:
        return None
    shared = (min(end_a, end_b) - max(start_a, start_b)).days
    if shared < 1:
        return 0.0
    longer = (end_a - start_a).days
    if not group:
        longer = max(longer, (end_b - start_b).days)
    score: float = grade(shared / longer)
    return score


def tiered_overlap(ratio: float) -> float:
    """Tiers of the overlap ratio."""
    if ratio >= 0.8:
        return 1.0
    if ratio >= 0.5:
        return 0.9
    if ratio >= 0.3:
        return 0.8
    if ratio >= 0.2:
        return 0.6
    return 0.3 if ratio >= 0.1 else 0.1


def budget_score(a: Traveller, b: Traveller, group: bool, grade: Any) -> float | None:
    """Grade of the relative gap; for a group a line that reaches 0 at a gap of 40,000."""
    if a["budget"] is None or b["budget"] is None:
        return None
    difference: float = abs(a["budget"] - b["budget"])
    if group:
        return max(0.0, min(1.0, 1 - difference / 40_000))
    larger = max(a["budget"], b["budget"])
    graded: float = 1.0 if larger == 0 else grade(difference / larger)
    return graded


def tiered_budget(share: float) -> float:
    """Tiers of the relative budget gap."""
    if share <= 0.1:
        return 1.0
    if share <= 0.25:
        return 0.8
    if share <= 0.5:
        return 0.6
    if share <= 1:
        return 0.4
    return 0.2 if share <= 2 else 0.1


def jaccard(a: Traveller, b: Traveller, group: bool) -> float | None:
    """Jaccard index of lower-cased interests; for two users + 0.2 if they share any, at most 1."""
    ours, theirs = words(a["interests"]), words(b["interests"])
    if not ours or not theirs:
        return None
    share = len(ours & theirs) / len(ours | theirs)
    if not group and ours & theirs:
        share = min(share + 0.2, 1.0)
    return share


def weighted_jaccard(a: Traveller, b: Traveller) -> float | None:
    """Jaccard index in which a tag weighs ln(1 / share of travellers who hold it)."""
    ours, theirs = words(a["interests"]), words(b["interests"])
    if not ours or not theirs:
        return None

    def total(tags: set[str]) -> float:
        return sum(-math.log(INTEREST_SHARES.get(tag, UNKNOWN_INTEREST_SHARE)) for tag in tags)

    return total(ours & theirs) / total(ours | theirs)


def tiered_age(years: float | None) -> float | None:
    """Tiers of the age gap."""
    if years is None:
        return None
    for bound, score in ((2, 1.0), (5, 0.9), (10, 0.7), (15, 0.5), (25, 0.3), (40, 0.1)):
        if years <= bound:
            return score
    return 0.05


def tiered_personality(ours: str | None, theirs: str | None) -> float | None:
    """Same 1.0, introvert and extrovert 0.4, anyone with an ambivert 0.7; else nothing is known."""
    if ours is None or theirs is None:
        return None
    if ours == theirs:
        return 1.0
    if ours == "ambivert" or theirs == "ambivert":
        return 0.7
    return 0.4 if {ours, theirs} == {"introvert", "extrovert"} else None


def label(person: Traveller) -> str | None:
    """A known label, else that of the measured extraversion, else a word of somebody else."""
    word = one_word(person["personality"])
    if word in EXTRAVERSION or person["extraversion"] is None:
        return word
    if person["extraversion"] < 1 / 3:
        return "introvert"
    return "extrovert" if person["extraversion"] >= 2 / 3 else "ambivert"


def extraversion(person: Traveller) -> float | None:
    """Measured, else what the label says."""
    if person["extraversion"] is not None:
        return float(person["extraversion"])
    return EXTRAVERSION.get(one_word(person["personality"]) or "")


def language_score(a: Traveller, b: Traveller) -> float | None:
    """Half for a language in common, half for the Jaccard index, of those that are known."""
    ours, theirs = words(a["languages"]) & KNOWN, words(b["languages"]) & KNOWN
    if not ours or not theirs:
        return None
    return 0.5 * bool(ours & theirs) + 0.5 * len(ours & theirs) / len(ours | theirs)


def lifestyle_score(a: Traveller, b: Traveller, degrees: dict[str, float]) -> float | None:
    """Smoking 0.6 and drinking 0.4 by their distance on no, occasionally, yes; the known ones."""
    parts = []
    for name, weight in (("smoking", 0.6), ("drinking", 0.4)):
        distance = gap(habit(a[name], degrees), habit(b[name], degrees))
        if distance is not None:
            parts.append((weight, 1 - distance))
    return of_known(parts)


def habit(value: Any, degrees: dict[str, float]) -> float | None:
    """Number of a habit's word; the mean of the members of a group."""
    if value is None:
        return None
    given = [value] if isinstance(value, str) else value
    known = [degrees[word.strip().lower()] for word in given if word.strip().lower() in degrees]
    return sum(known) / len(known) if known else None


def background_score(a: Traveller, b: Traveller) -> float | None:
    """Nationality 0.6 and religion 0.4 by their graded likeness; the known ones."""
    parts = []
    for name, weight, likeness in (
        ("nationality", 0.6, nationality_likeness),
        ("religion", 0.4, religion_likeness),
    ):
        ours, theirs = one_word(a[name]), one_word(b[name])
        if ours in KNOWN and theirs in KNOWN:
            parts.append((weight, likeness(ours, theirs)))
    return of_known(parts)


def nationality_likeness(ours: str, theirs: str) -> float:
    """Same 1, same region 0.7, same continent 0.4, else 0.1."""
    if ours == theirs:
        return 1.0
    here, there = NATIONALITIES.get(ours), NATIONALITIES.get(theirs)
    if here is None or there is None:
        return 0.1
    if here[1] == there[1]:
        return 0.7
    return 0.4 if here[2] == there[2] else 0.1


def religion_likeness(ours: str, theirs: str) -> float:
    """Same 1, one of them secular 0.5, else 0.2."""
    if ours == theirs:
        return 1.0
    return 0.5 if {"none", "agnostic"} & {ours, theirs} else 0.2


def tiered_group_size(people: float | None) -> float | None:
    """Tiers of the group size."""
    if people is None:
        return None
    for bound, score in ((6, 1.0), (12, 0.8), (20, 0.6), (40, 0.4)):
        if people <= bound:
            return score
    return 0.2


def tiered_count(distinct: float) -> float:
    """Three or more languages or nationalities 1.0, two 0.7, one 0.5."""
    if distinct >= 3:
        return 1.0
    return 0.7 if distinct >= 2 else 0.5


def known_count(b: Traveller, name: str) -> float | None:
    """How many there are; none of anything means that nobody counted."""
    count = b.get(name)
    return None if count is None or count < 1 else count


def words(given: Any) -> set[str]:
    """Words stripped and in lower case, without blanks."""
    return {word.strip().lower() for word in given or () if word.strip()}


def one_word(given: str | None) -> str | None:
    """A word stripped and in lower case; None for a blank."""
    return (given or "").strip().lower() or None


def gap(one: float | None, other: float | None) -> float | None:
    """Absolute difference of two numbers, None where one is unknown."""
    return None if one is None or other is None else abs(one - other)


def of_known(parts: list[tuple[float, float]]) -> float | None:
    """Weighted mean of the known parts."""
    if not parts:
        return None
    return sum(weight * score for weight, score in parts) / sum(weight for weight, _ in parts)


def line(x: float | None, knots: Sequence[tuple[float, float]]) -> float | None:
    """Straight lines through the knots, level beyond the ends."""
    if x is None:
        return None
    if x <= knots[0][0]:
        return knots[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(knots):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return knots[-1][1]
