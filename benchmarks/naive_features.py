"""The match features pair by pair in plain Python: the reference of the tests and of the benchmark."""

import itertools
import math
from datetime import date
from typing import Any

from matching.domain.personality import PERSONALITIES
from matching.domain.words import (
    HABITS,
    INTEREST_SHARES,
    UNKNOWN_INTEREST_SHARE,
    nationality_similarity,
    religion_similarity,
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


def tiered_features(a: Traveller, b: Traveller, match_type: str) -> list[float]:
    """The 13 tiered-1 features of one pair; 0.5 for a missing input, NaN for what does not apply."""
    group = match_type == "user_group"
    scores = {
        "distance_score": tiered_distance(haversine_km(a, b)),
        "date_overlap_score": overlap_score(a, b, group, tiered_overlap),
        "budget_score": budget_score(a, b, group, tiered_budget),
        "interest_score": jaccard(a, b, group),
        "age_score": tiered_age(gap(a, b, "age")),
        "personality_score": 0.5 if group else tiered_personality(a, b),
        "language_score": language_score(a, b),
        "lifestyle_score": lifestyle_score(a, b),
        "background_score": background_score(a, b),
    }
    if group:
        scores["group_size_score"] = tiered_group_size(b.get("group_size"))
        scores["group_diversity_score"] = mean_of_counts(b, tiered_count)
    scores = {name: 0.5 if score is None else score for name, score in scores.items()}
    scores["destination_interest"] = scores["distance_score"] * scores["interest_score"]
    scores["date_budget"] = scores["date_overlap_score"] * scores["budget_score"]
    return [scores.get(name, math.nan) for name in NAMES]


def smooth_features(a: Traveller, b: Traveller, match_type: str) -> list[float]:
    """The 13 smooth-1 features of one pair; NaN for a missing input and for what does not apply."""
    group = match_type == "user_group"
    km = haversine_km(a, b)
    temperament = gap(a, b, "extraversion")
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
        "age_score": line(gap(a, b, "age"), age),
        "personality_score": None if temperament is None else 1 - 0.6 * temperament,
        "language_score": language_score(a, b),
        "lifestyle_score": lifestyle_score(a, b),
        "background_score": background_score(a, b),
    }
    if group:
        scores["group_size_score"] = line(b.get("group_size"), size)
        scores["group_diversity_score"] = mean_of_counts(b, lambda n: line(n, count))
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
    dates: list[date | None] = [a["start_date"], a["end_date"], b["start_date"], b["end_date"]]
    if any(day is None for day in dates):
        return None
    start_a, end_a, start_b, end_b = dates
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
    difference = abs(a["budget"] - b["budget"])
    if group:
        return max(0.0, min(1.0, 1 - difference / 40_000))
    larger = max(a["budget"], b["budget"])
    score: float = 1.0 if larger == 0 else grade(difference / larger)
    return score


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
    if not a["interests"] or not b["interests"]:
        return None
    ours = {tag.lower() for tag in a["interests"]}
    theirs = {tag.lower() for tag in b["interests"]}
    share = len(ours & theirs) / len(ours | theirs)
    if not group and ours & theirs:
        share = min(share + 0.2, 1.0)
    return share


def weighted_jaccard(a: Traveller, b: Traveller) -> float | None:
    """Jaccard index in which a tag weighs ln(1 / share of travellers who hold it)."""
    if not a["interests"] or not b["interests"]:
        return None
    ours = {tag.lower() for tag in a["interests"]}
    theirs = {tag.lower() for tag in b["interests"]}

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


def tiered_personality(a: Traveller, b: Traveller) -> float | None:
    """Same 1.0, introvert and extrovert 0.4, anyone with an ambivert 0.7."""
    if a["personality"] is None or b["personality"] is None:
        return None
    if a["personality"] == b["personality"]:
        return 1.0
    return 0.7 if "ambivert" in (a["personality"], b["personality"]) else 0.4


def language_score(a: Traveller, b: Traveller) -> float | None:
    """Half for a language in common, half for the Jaccard index."""
    ours, theirs = set(a["languages"] or ()), set(b["languages"] or ())
    if not ours or not theirs:
        return None
    return 0.5 * bool(ours & theirs) + 0.5 * len(ours & theirs) / len(ours | theirs)


def lifestyle_score(a: Traveller, b: Traveller) -> float | None:
    """Smoking 0.6 and drinking 0.4 by their distance on no, occasionally, yes; the known ones."""
    return of_known(
        [
            (weight, 1 - abs(habit(a[name]) - habit(b[name])))
            for name, weight in (("smoking", 0.6), ("drinking", 0.4))
            if a[name] is not None and b[name] is not None
        ]
    )


def background_score(a: Traveller, b: Traveller) -> float | None:
    """Nationality 0.6 and religion 0.4 by their graded likeness; the known ones."""
    return of_known(
        [
            (weight, similarity(a[name], b[name]))
            for name, weight, similarity in (
                ("nationality", 0.6, nationality_similarity),
                ("religion", 0.4, religion_similarity),
            )
            if a[name] is not None and b[name] is not None
        ]
    )


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


def mean_of_counts(b: Traveller, grade: Any) -> float | None:
    """Mean grade of the number of languages and of nationalities."""
    if b.get("n_languages") is None or b.get("n_nationalities") is None:
        return None
    score: float = (grade(b["n_languages"]) + grade(b["n_nationalities"])) / 2
    return score


def habit(value: Any) -> float:
    """Number of a habit's word; a group's mean is a number already."""
    return HABITS[value] if isinstance(value, str) else float(value)


def gap(a: Traveller, b: Traveller, name: str) -> float | None:
    """Absolute difference of a number; extraversion follows from the label where unmeasured."""
    values = [side[name] for side in (a, b)]
    if name == "extraversion":
        values = [
            PERSONALITIES[side["personality"]] if value is None and side["personality"] else value
            for value, side in zip(values, (a, b), strict=True)
        ]
    return None if None in values else abs(values[0] - values[1])


def of_known(parts: list[tuple[float, float]]) -> float | None:
    """Weighted mean of the known parts."""
    if not parts:
        return None
    return sum(weight * score for weight, score in parts) / sum(weight for weight, _ in parts)


def line(x: float | None, knots: list[tuple[float, float]]) -> float | None:
    """Straight lines through the knots, level beyond the ends."""
    if x is None:
        return None
    if x <= knots[0][0]:
        return knots[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(knots):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return knots[-1][1]
