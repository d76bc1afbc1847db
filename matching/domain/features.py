"""The one definition of the match features: travellers as columns, and what a pair of them scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Real
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.words import (
    EXTROVERT_FROM,
    FEATURE_SETS,
    HABITS,
    INTEREST_SHARES,
    INTERESTS,
    INTROVERT_BELOW,
    LANGUAGES,
    MATCH_TYPES,
    NATIONALITIES,
    PERSONALITIES,
    RELIGIONS,
    UNKNOWN_INTEREST_SHARE,
    nationality_similarity,
    religion_similarity,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]
MatchType = Literal["user_user", "user_group"]
FeatureSet = Literal["smooth-1", "tiered-1"]

# Column order of every feature matrix, and the names in the event log.
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

EARTH_RADIUS_KM: Final = 6371.0
MAX_DISTANCE_KM: Final = 200.0  # hard gate: destinations further apart are no match at all
MIN_OVERLAP_DAYS: Final = 1.0  # hard gate
GROUP_BUDGET_SCALE: Final = 40_000.0  # budget gap, in currency units, at which a group scores 0
SHARED_INTEREST_BONUS: Final = 0.2  # tiered-1, pairs: added once any interest is shared
TIERED_DEFAULT: Final = 0.5  # tiered-1 writes this for a missing input, as production does
PERSONALITY_SPREAD: Final = 0.6  # an introvert and an extrovert still score 1 - 0.6
SMOKING_WEIGHT: Final = 0.6  # of the lifestyle score; drinking has the rest
NATIONALITY_WEIGHT: Final = 0.6  # of the background score; religion has the rest
CHUNK_ROWS: Final = 16_384  # rows at a time: the working columns stay within the L2 cache

# (upper bound inclusive, score), then the score beyond: the production tiers.
DISTANCE_TIERS: Final = ((25.0, 1.0), (50.0, 0.95), (100.0, 0.85), (150.0, 0.75), (200.0, 0.6))
BUDGET_TIERS: Final = ((0.1, 1.0), (0.25, 0.8), (0.5, 0.6), (1.0, 0.4), (2.0, 0.2))
AGE_TIERS: Final = ((2.0, 1.0), (5.0, 0.9), (10.0, 0.7), (15.0, 0.5), (25.0, 0.3), (40.0, 0.1))
GROUP_SIZE_TIERS: Final = ((6.0, 1.0), (12.0, 0.8), (20.0, 0.6), (40.0, 0.4))
# (lower bound inclusive, score), from the highest.
OVERLAP_TIERS: Final = ((0.8, 1.0), (0.5, 0.9), (0.3, 0.8), (0.2, 0.6), (0.1, 0.3))
DIVERSITY_TIERS: Final = ((3.0, 1.0), (2.0, 0.7))

# smooth-1 goes in straight lines through the corners of the same tiers. Past the last corner the
# age falls to 0.05 at 60 years, a group's size to 0.2 at 80 people. Diversity is still rising at
# three languages or nationalities and full at six, so that mixed groups differ from one another.
DISTANCE_KNOTS: Final = ((0.0, 1.0), *DISTANCE_TIERS)
OVERLAP_KNOTS: Final = ((0.0, 0.1), *reversed(OVERLAP_TIERS))
BUDGET_KNOTS: Final = ((0.0, 1.0), *BUDGET_TIERS)
AGE_KNOTS: Final = ((0.0, 1.0), *AGE_TIERS, (60.0, 0.05))
GROUP_SIZE_KNOTS: Final = ((0.0, 1.0), *GROUP_SIZE_TIERS, (80.0, 0.2))
DIVERSITY_KNOTS: Final = ((1.0, 0.5), (2.0, 0.7), (3.0, 0.9), (6.0, 1.0))
# Likeness of homes, not a feature but a part of the rule score: same town 1, another continent 0.
ORIGIN_KNOTS: Final = (
    (0.0, 1.0),
    (50.0, 0.9),
    (200.0, 0.7),
    (500.0, 0.5),
    (1500.0, 0.25),
    (5000.0, 0.0),
)

# Weights of the rule score, as production has them. `origin` is not a feature column. Production's
# "religion" (pairs) and "nationality" (groups) are read from background_score, which holds both.
RULE_WEIGHTS: Final[dict[str, dict[str, float]]] = {
    "user_user": {
        "distance_score": 0.25,
        "date_overlap_score": 0.20,
        "budget_score": 0.20,
        "interest_score": 0.10,
        "age_score": 0.10,
        "personality_score": 0.05,
        "origin": 0.05,
        "lifestyle_score": 0.03,
        "background_score": 0.02,
    },
    "user_group": {
        "budget_score": 0.20,
        "date_overlap_score": 0.20,
        "interest_score": 0.15,
        "age_score": 0.15,
        "language_score": 0.10,
        "lifestyle_score": 0.10,
        "background_score": 0.10,
    },
}


class VocabularyMismatch(ValueError):
    """Two sets of travellers were encoded with different vocabularies."""

    def __init__(self) -> None:
        super().__init__(
            "Expected both sides encoded with one vocabulary; they differ. Build it with "
            "Vocabulary.of(left_frame, right_frame) and pass it to both Travellers.from_frame calls."
        )


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


def applicable(match_type: str) -> BoolArray:
    """Which of the 13 columns apply to a match type: bool array of shape (13,)."""
    names = features_of(match_type)
    return np.array([name in names for name in FEATURE_NAMES])


@dataclass(frozen=True)
class Vocabulary:
    """The words behind the bits and codes of encoded travellers: known words first, then others.

    Both sides of a pair must share one. Scores do not depend on it: another vocabulary that has
    the words moves bits around and nothing else.
    """

    interests: tuple[str, ...] = INTERESTS
    languages: tuple[str, ...] = LANGUAGES
    nationalities: tuple[str, ...] = tuple(NATIONALITIES)
    religions: tuple[str, ...] = RELIGIONS

    @classmethod
    def of(cls, *frames: pd.DataFrame) -> Vocabulary:
        """Extend the known words by those that the given travellers frames use besides."""

        def extended(known: Sequence[str], column: str) -> tuple[str, ...]:
            used: set[str] = set()
            for frame in frames:
                if column in frame:
                    for value in frame[column]:
                        used.update(_words(value))
            return (*known, *sorted(used.difference(known)))

        return cls(
            extended(INTERESTS, "interests"),
            extended(LANGUAGES, "languages"),
            extended(tuple(NATIONALITIES), "nationality"),
            extended(RELIGIONS, "religion"),
        )

    @cached_property
    def interest_weights(self) -> FloatArray:
        """Inverse document frequency, ln(1 / share), of each interest: shape (n_interests,)."""
        shares = [INTEREST_SHARES.get(tag, UNKNOWN_INTEREST_SHARE) for tag in self.interests]
        weights: FloatArray = -np.log(np.array(shares))
        return weights

    @cached_property
    def interest_tables(self) -> FloatArray:
        """Total weight of every byte value: shape (n_bytes, 256); sums over set bits by lookup."""
        weights = np.zeros(_byte_count(len(self.interests)) * 8)
        weights[: len(self.interests)] = self.interest_weights
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
        return np.stack([bits @ weights[k : k + 8] for k in range(0, len(weights), 8)])

    @cached_property
    def nationality_table(self) -> FloatArray:
        """Likeness of nationalities: shape (n + 1, n + 1), last row and column NaN for code -1."""
        return _similarity_table(self.nationalities, nationality_similarity)

    @cached_property
    def religion_table(self) -> FloatArray:
        """Likeness of religions: shape (n + 1, n + 1), last row and column NaN for code -1."""
        return _similarity_table(self.religions, religion_similarity)


@dataclass(frozen=True)
class Travellers:
    """Encoded travellers, one row per live session or per travelling group, column by column.

    Days are whole days since 1970-01-01. The end date is the day of departure and does not count:
    a trip from the 1st to the 5th lasts 4 days, as in production. Numbers are float64 with NaN
    where unknown; float64 so that tier boundaries fall as they do in plain Python. Word sets are
    bits over `vocabulary`; no bit at all means unknown. Codes are -1 where unknown.
    """

    vocabulary: Vocabulary
    external_id: npt.NDArray[np.object_]
    user_id: IntArray  # int64; -1 for a group
    destination: FloatArray  # (n, 3) unit vector of the destination, NaN unknown
    destination_lat: FloatArray  # degrees
    destination_lon: FloatArray  # degrees
    start_day: FloatArray
    end_day: FloatArray
    budget: FloatArray  # currency units for the trip; a group's mean
    interests: npt.NDArray[np.uint8]  # (n, n_bytes) bits
    interest_weight: FloatArray  # total rarity of the interests
    age: FloatArray  # years; a group's mean
    extraversion: FloatArray  # [0, 1]; a group's mean
    personality: FloatArray  # 0 introvert, 0.5 ambivert, 1 extrovert
    languages: npt.NDArray[np.uint64]  # (n, n_words) bits
    smoking: FloatArray  # [0, 1]; a group's mean
    drinking: FloatArray  # [0, 1]; a group's mean
    nationality: IntArray  # code; a group's most common
    religion: IntArray  # code; a group's most common
    home: FloatArray  # (n, 3) unit vector of the home town, NaN unknown
    group_size: FloatArray  # people; NaN for a single traveller
    n_languages: FloatArray  # distinct languages within a group; NaN for a single traveller
    n_nationalities: FloatArray  # distinct nationalities within a group

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, index: IntArray | slice) -> Travellers:
        """The travellers at the given rows, in that order."""
        columns = {
            field.name: getattr(self, field.name)[index]
            for field in fields(self)
            if field.name != "vocabulary"
        }
        return Travellers(vocabulary=self.vocabulary, **columns)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, vocabulary: Vocabulary | None = None) -> Travellers:
        """Encode a travellers frame.

        Parameters
        ----------
        frame : DataFrame, one row per live session or group
            Columns, all optional (an absent column is wholly missing): external_id, user_id,
            destination_lat, destination_lon, home_lat, home_lon (degrees), start_date, end_date
            (dates, timestamps or ISO text), budget, age, extraversion, personality (label),
            interests, languages (lists of words), smoking, drinking (yes, occasionally, no, or a
            number in [0, 1]), nationality, religion; for groups also group_size, n_languages,
            n_nationalities. Words are compared stripped and in lower case. Where only one of
            extraversion and personality is known, the other follows from it.
        vocabulary : Vocabulary, optional
            Must hold every word of the frame; by default it is made from the frame. Two frames
            that are to be compared need a shared one.

        Raises
        ------
        KeyError
            When the vocabulary lacks a word of the frame.
        """
        vocabulary = vocabulary or Vocabulary.of(frame)
        count = len(frame)
        extraversion = _temperament(frame)
        label = _words_as_numbers(frame, "personality", PERSONALITIES)
        measured = np.select(
            [
                np.isnan(extraversion),
                extraversion < INTROVERT_BELOW,
                extraversion >= EXTROVERT_FROM,
            ],
            [np.nan, 0.0, 1.0],
            0.5,
        )
        interests = _bits(frame, "interests", vocabulary.interests)
        destination_lat = _numbers(frame, "destination_lat")
        destination_lon = _numbers(frame, "destination_lon")
        return cls(
            vocabulary=vocabulary,
            external_id=_objects(frame, "external_id"),
            user_id=(
                frame["user_id"].fillna(-1).to_numpy(np.int64)
                if "user_id" in frame
                else np.full(count, -1, np.int64)
            ),
            destination=unit_vectors(destination_lat, destination_lon),
            destination_lat=destination_lat,
            destination_lon=destination_lon,
            start_day=_days(frame, "start_date"),
            end_day=_days(frame, "end_date"),
            budget=_numbers(frame, "budget"),
            interests=interests,
            interest_weight=_weigh(interests, vocabulary.interest_tables),
            age=_numbers(frame, "age"),
            extraversion=extraversion,
            personality=np.where(np.isnan(label), measured, label),
            languages=_bits(frame, "languages", vocabulary.languages).view(np.uint64),
            smoking=_words_as_numbers(frame, "smoking", HABITS),
            drinking=_words_as_numbers(frame, "drinking", HABITS),
            nationality=_codes(frame, "nationality", vocabulary.nationalities),
            religion=_codes(frame, "religion", vocabulary.religions),
            home=unit_vectors(_numbers(frame, "home_lat"), _numbers(frame, "home_lon")),
            group_size=_numbers(frame, "group_size"),
            n_languages=_numbers(frame, "n_languages"),
            n_nationalities=_numbers(frame, "n_nationalities"),
        )


@dataclass(frozen=True)
class FeatureBlock:
    """Features of n pairs.

    values : float32 (n, 13), in [0, 1]; NaN where the feature does not apply to the match type
        and, in smooth-1, where an input is missing (tiered-1 has 0.5 there).
    missing : bool (n, 13), True where an input was missing; never True for what does not apply.
    """

    values: npt.NDArray[np.float32]
    missing: BoolArray

    def __len__(self) -> int:
        return len(self.values)


def compute_features(
    left: Travellers,
    right: Travellers,
    feature_set: str = "smooth-1",
    match_type: str = "user_user",
    *,
    left_index: IntArray | None = None,
    right_index: IntArray | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> FeatureBlock:
    """Score pairs of travellers, row against row.

    Parameters
    ----------
    left, right : Travellers
        Users on the left; users or groups on the right. Without indices, of equal length.
    feature_set : "smooth-1" or "tiered-1"
    match_type : "user_user" or "user_group"
    left_index, right_index : int arrays of shape (n,), optional
        Rows to pair, gathered chunk by chunk so that millions of pairs need no copy of the columns.
    chunk_rows : int
        Rows at a time; it does not change the result.

    Returns
    -------
    FeatureBlock with n rows.

    Raises
    ------
    ValueError
        For an unknown feature set or match type, or sides of different length.
    VocabularyMismatch
        When the sides were encoded with different vocabularies.
    """
    if feature_set not in FEATURE_SETS:
        raise ValueError(
            f"Expected a feature set of {', '.join(FEATURE_SETS)}; got {feature_set!r}."
        )
    used = applicable(match_type)
    if left.vocabulary != right.vocabulary:
        raise VocabularyMismatch
    count = len(left) if left_index is None else len(left_index)
    if count != (len(right) if right_index is None else len(right_index)):
        raise ValueError("Expected as many travellers on the left as on the right.")
    score = _tiered if feature_set == "tiered-1" else _smooth
    values = np.full((count, len(FEATURE_NAMES)), np.nan, np.float32)
    missing = np.zeros((count, len(FEATURE_NAMES)), np.bool_)
    names = features_of(match_type)
    for rows in _chunks(count, chunk_rows):
        block = score(
            _Gathered(left, rows if left_index is None else left_index[rows]),
            _Gathered(right, rows if right_index is None else right_index[rows]),
            match_type == "user_group",
        )
        scores = np.stack(
            [block[name] for name in names], axis=1, dtype=np.float32, casting="unsafe"
        )
        values[rows, used] = scores
        missing[rows, used] = np.isnan(scores)
    if feature_set == "tiered-1":
        _default_missing(values, missing)
    return FeatureBlock(values, missing)


def candidate_mask(left: Travellers, right: Travellers) -> BoolArray:
    """Which pairs pass the hard gates: destinations within 200 km and at least one shared day.

    Parameters
    ----------
    left, right : Travellers of equal length n

    Returns
    -------
    bool array of shape (n,); False where a destination or a date is unknown.
    """
    near = distance_km(left.destination, right.destination) <= MAX_DISTANCE_KM
    return near & (overlap_days(left, right) >= MIN_OVERLAP_DAYS)


def unit_vectors(lat: FloatArray, lon: FloatArray) -> FloatArray:
    """Points on the unit sphere: (n, 3) float64 of degrees (n,), NaN where either is NaN."""
    phi, theta = np.radians(lat), np.radians(lon)
    across = np.cos(phi)
    return np.column_stack([across * np.cos(theta), across * np.sin(theta), np.sin(phi)])


def distance_km(a: FloatArray, b: FloatArray) -> FloatArray:
    """Great-circle distance between unit vectors, R = 6371 km.

    The haversine of the angle is a quarter of the squared chord, so this is the haversine formula
    with its trigonometry done once for each traveller and not for each pair.

    Parameters
    ----------
    a, b : float64 arrays of shape (n, 3), or that broadcast to it

    Returns
    -------
    float64 array of shape (n,), km; NaN where either is unknown.
    """
    x, y, z = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1], a[..., 2] - b[..., 2]
    half_chord = np.sqrt(x * x + y * y + z * z) / 2
    km: FloatArray = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(half_chord, 1.0))
    return km


def overlap_days(left: Travellers | _Gathered, right: Travellers | _Gathered) -> FloatArray:
    """Days that two trips share: float64 (n,), negative for a gap, NaN where a date is unknown."""
    return np.minimum(left.end_day, right.end_day) - np.maximum(left.start_day, right.start_day)


def origin_score(left: Travellers, right: Travellers) -> FloatArray:
    """Likeness of home towns by their distance: float64 (n,) in [0, 1], NaN where unknown."""
    return _interpolate(distance_km(left.home, right.home), ORIGIN_KNOTS)


def rule_score(
    values: npt.NDArray[Any],
    match_type: str | Sequence[str] | npt.NDArray[Any],
    origin: FloatArray | None = None,
) -> FloatArray:
    """Weigh the features by the production rules: the baseline, and the score when no model serves.

    Works on any stored feature matrix. The home towns are no feature: without `origin` that part
    (0.05 of a pair's weight) counts as unknown. Every part that is NaN counts as unknown, and the
    weights of the others are scaled up to 1.

    Parameters
    ----------
    values : float array of shape (n, 13)
    match_type : one match type for all rows, or n of them
    origin : float array of shape (n,), optional
        From `origin_score`; used for pairs of users only.

    Returns
    -------
    float64 array of shape (n,) in [0, 1]; NaN where no part is known.
    """
    kinds = np.asarray(match_type)
    if kinds.ndim:
        scores = np.full(len(values), np.nan)
        for kind in np.unique(kinds):
            rows = kinds == kind
            scores[rows] = rule_score(
                values[rows], str(kind), None if origin is None else origin[rows]
            )
        return scores
    features_of(str(kinds))
    total, weight = np.zeros(len(values)), np.zeros(len(values))
    for name, part_weight in RULE_WEIGHTS[str(kinds)].items():
        if name == "origin":
            if origin is None:
                continue
            part = origin
        else:
            part = values[:, COLUMN[name]]
        known = ~np.isnan(part)
        total += np.where(known, part, 0.0) * part_weight
        weight += known * part_weight
    scores = np.full(len(values), np.nan)
    np.divide(total, weight, out=scores, where=weight > 0)
    return scores


@dataclass(frozen=True)
class FeatureExplanation:
    """One feature of one pair: its value, whether an input was missing, and what it came from."""

    name: str
    value: float | None
    missing: bool
    inputs: dict[str, Any]


def explain_pair(
    left: Travellers,
    right: Travellers,
    feature_set: str = "smooth-1",
    match_type: str = "user_user",
) -> list[FeatureExplanation]:
    """Say what each feature of one pair was computed from.

    Parameters
    ----------
    left, right : Travellers of length 1, with one vocabulary

    Returns
    -------
    One explanation for each feature that applies, in column order. `inputs` holds plain values:
    `left` and `right` as they were read (None unknown) and what lies between, such as `km`,
    `overlap_days` or `shared`. `value` is None where a missing input leaves the feature unknown.

    Raises
    ------
    ValueError
        Unless both sides have one row.
    """
    if len(left) != 1 or len(right) != 1:
        raise ValueError(f"Expected one traveller a side; got {len(left)} and {len(right)}.")
    block = compute_features(left, right, feature_set, match_type)
    a, b = _readable(left), _readable(right)

    def sides(*columns: str, **more: Any) -> dict[str, Any]:
        def read(side: dict[str, Any]) -> Any:
            return side[columns[0]] if len(columns) == 1 else {name: side[name] for name in columns}

        return {"left": read(a), "right": read(b), **more}

    def shared(column: str) -> list[str]:
        return [word for word in a[column] or [] if word in (b[column] or [])]

    km = _plain(distance_km(left.destination, right.destination)[0], 1)
    home_km = _plain(distance_km(left.home, right.home)[0], 1)
    temperament = "personality" if feature_set == "tiered-1" else "extraversion"
    inputs = {
        "distance_score": sides("destination_lat", "destination_lon", km=km),
        "date_overlap_score": sides(
            "start_date", "end_date", overlap_days=_plain(overlap_days(left, right)[0])
        ),
        "budget_score": sides("budget", gap=_plain(abs(left.budget - right.budget)[0])),
        "interest_score": sides("interests", shared=shared("interests")),
        "age_score": sides("age", gap_years=_plain(abs(left.age - right.age)[0])),
        "personality_score": sides(temperament),
        "language_score": sides("languages", shared=shared("languages")),
        "lifestyle_score": sides("smoking", "drinking"),
        "background_score": sides("nationality", "religion", home_km=home_km),
        "group_size_score": {"group_size": b["group_size"]},
        "group_diversity_score": {
            "n_languages": b["n_languages"],
            "n_nationalities": b["n_nationalities"],
        },
    }
    value = {name: _plain(block.values[0, COLUMN[name]], 6) for name in FEATURE_NAMES}
    for product, parts in {
        "destination_interest": ("distance_score", "interest_score"),
        "date_budget": ("date_overlap_score", "budget_score"),
    }.items():
        inputs[product] = {part: value[part] for part in parts}
    return [
        FeatureExplanation(name, value[name], bool(block.missing[0, COLUMN[name]]), inputs[name])
        for name in features_of(match_type)
    ]


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
        known = [name for name in _words_raw(group.get("member_ids")) if name in table.index]
        members = table.loc[known]
        languages = _union(members, "languages")
        size, budget = group.get("group_size"), group.get("budget")
        rows.append(
            {
                **{k: v for k, v in group.items() if k != "member_ids"},
                "member_ids": known,
                "user_id": -1,
                "budget": budget if pd.notna(budget) else _known_mean(_numbers(members, "budget")),
                "interests": sorted(
                    {*_words(group.get("interests")), *_union(members, "interests")}
                ),
                "languages": languages,
                "age": _known_mean(_numbers(members, "age")),
                "extraversion": _known_mean(_temperament(members)),
                "smoking": _known_mean(_words_as_numbers(members, "smoking", HABITS)),
                "drinking": _known_mean(_words_as_numbers(members, "drinking", HABITS)),
                "nationality": _most_common(members, "nationality"),
                "religion": _most_common(members, "religion"),
                "group_size": float(size) if pd.notna(size) else float(len(known) or math.nan),
                "n_languages": float(len(languages) or math.nan),
                "n_nationalities": float(len(_union(members, "nationality")) or math.nan),
            }
        )
    return pd.DataFrame(rows)


class _Gathered:
    """Travellers of one chunk; a column is gathered when a score first asks for it."""

    def __init__(self, travellers: Travellers, rows: IntArray | slice) -> None:
        self._travellers, self._rows = travellers, rows
        self.vocabulary = travellers.vocabulary

    def __getattr__(self, name: str) -> Any:
        column = getattr(self._travellers, name)
        rows = self._rows
        gathered = column[rows] if isinstance(rows, slice) else column.take(rows, axis=0)
        setattr(self, name, gathered)
        return gathered


def _smooth(a: _Gathered, b: _Gathered, is_group: bool) -> dict[str, FloatArray]:
    common = a.interests & b.interests
    weight = _weigh(common, a.vocabulary.interest_tables)
    union = a.interest_weight + b.interest_weight - weight
    both = (a.interest_weight > 0) & (b.interest_weight > 0)
    interest = np.full(len(union), np.nan)
    np.divide(weight, union, out=interest, where=both)
    return _with_products(
        {
            "distance_score": _interpolate(
                distance_km(a.destination, b.destination), DISTANCE_KNOTS, beyond=0.0
            ),
            "date_overlap_score": _overlap_score(
                a, b, is_group, lambda ratio: _interpolate(ratio, OVERLAP_KNOTS)
            ),
            "budget_score": _budget_score(
                a, b, is_group, lambda gap: _interpolate(gap, BUDGET_KNOTS)
            ),
            "interest_score": np.minimum(interest, 1.0),
            "age_score": _interpolate(np.abs(a.age - b.age), AGE_KNOTS),
            "personality_score": 1 - PERSONALITY_SPREAD * np.abs(a.extraversion - b.extraversion),
            **_graded(a, b),
            "group_size_score": _interpolate(b.group_size, GROUP_SIZE_KNOTS),
            "group_diversity_score": (
                _interpolate(b.n_languages, DIVERSITY_KNOTS)
                + _interpolate(b.n_nationalities, DIVERSITY_KNOTS)
            )
            / 2,
        }
    )


def _tiered(a: _Gathered, b: _Gathered, is_group: bool) -> dict[str, FloatArray]:
    common, either = _set_sizes(a.interests.view(np.uint64), b.interests.view(np.uint64))
    interest = common / np.maximum(either, 1)
    if not is_group:
        interest = np.minimum(interest + SHARED_INTEREST_BONUS * (common > 0), 1.0)
    both = (a.interest_weight > 0) & (b.interest_weight > 0)
    if is_group:
        # Production does not compare temperaments with a group: a constant, not a missing input.
        personality = np.full(len(interest), 0.5)
    else:
        personality = 1 - PERSONALITY_SPREAD * np.abs(a.personality - b.personality)
    return _with_products(
        {
            "distance_score": _step_down(
                distance_km(a.destination, b.destination), DISTANCE_TIERS, beyond=0.0
            ),
            "date_overlap_score": _overlap_score(
                a, b, is_group, lambda ratio: _step_up(ratio, OVERLAP_TIERS, below=0.1)
            ),
            "budget_score": _budget_score(
                a, b, is_group, lambda gap: _step_down(gap, BUDGET_TIERS, beyond=0.1)
            ),
            "interest_score": np.where(both, interest, np.nan),
            "age_score": _step_down(np.abs(a.age - b.age), AGE_TIERS, beyond=0.05),
            "personality_score": personality,
            **_graded(a, b),
            "group_size_score": _step_down(b.group_size, GROUP_SIZE_TIERS, beyond=0.2),
            "group_diversity_score": (
                _step_up(b.n_languages, DIVERSITY_TIERS, below=0.5)
                + _step_up(b.n_nationalities, DIVERSITY_TIERS, below=0.5)
            )
            / 2,
        }
    )


def _graded(a: _Gathered, b: _Gathered) -> dict[str, FloatArray]:
    """The three scores that both feature sets share."""
    common, either = _set_sizes(a.languages, b.languages)
    known = a.languages.any(axis=1) & b.languages.any(axis=1)
    # Half for being able to talk at all, half for how much of their languages they share.
    language = 0.5 * (common > 0) + 0.5 * common / np.maximum(either, 1)
    words = a.vocabulary
    return {
        "language_score": np.where(known, language, np.nan),
        "lifestyle_score": _of_known(
            1 - np.abs(a.smoking - b.smoking), 1 - np.abs(a.drinking - b.drinking), SMOKING_WEIGHT
        ),
        "background_score": _of_known(
            words.nationality_table[a.nationality, b.nationality],
            words.religion_table[a.religion, b.religion],
            NATIONALITY_WEIGHT,
        ),
    }


def _with_products(scores: dict[str, FloatArray]) -> dict[str, FloatArray]:
    scores["destination_interest"] = scores["distance_score"] * scores["interest_score"]
    scores["date_budget"] = scores["date_overlap_score"] * scores["budget_score"]
    return scores


def _default_missing(values: npt.NDArray[np.float32], missing: BoolArray) -> None:
    """Write 0.5 for each missing score, then redo the products that one of them spoilt."""
    values[missing] = TIERED_DEFAULT
    for product, one, other in (
        ("destination_interest", "distance_score", "interest_score"),
        ("date_budget", "date_overlap_score", "budget_score"),
    ):
        rows = missing[:, COLUMN[product]]
        values[rows, COLUMN[product]] = values[rows, COLUMN[one]] * values[rows, COLUMN[other]]


def _overlap_score(
    a: _Gathered, b: _Gathered, is_group: bool, grade: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    days = overlap_days(a, b)
    trip = a.end_day - a.start_day
    if not is_group:
        trip = np.maximum(trip, b.end_day - b.start_day)
    return np.where(days < MIN_OVERLAP_DAYS, 0.0, grade(days / np.maximum(trip, 1.0)))


def _budget_score(
    a: _Gathered, b: _Gathered, is_group: bool, grade: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    gap = np.abs(a.budget - b.budget)
    if is_group:
        closeness: FloatArray = np.clip(1 - gap / GROUP_BUDGET_SCALE, 0.0, 1.0)
        return closeness
    # The smallest positive number keeps two budgets of 0 at a gap of 0.
    return grade(gap / np.maximum(np.maximum(a.budget, b.budget), np.finfo(float).tiny))


def _of_known(first: FloatArray, second: FloatArray, weight: float) -> FloatArray:
    """Weighted mean of two parts, or the one that is known; NaN where neither is."""
    mean = weight * first + (1 - weight) * second
    return np.where(np.isnan(first), second, np.where(np.isnan(second), first, mean))


def _set_sizes(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> tuple[IntArray, IntArray]:
    """Sizes of intersection and union of bit sets of shape (n, n_words)."""
    common = np.bitwise_count(a[:, 0] & b[:, 0]).astype(np.int32)
    either = np.bitwise_count(a[:, 0] | b[:, 0]).astype(np.int32)
    for word in range(1, a.shape[1]):
        common += np.bitwise_count(a[:, word] & b[:, word])
        either += np.bitwise_count(a[:, word] | b[:, word])
    return common, either


def _weigh(bits: npt.NDArray[np.uint8], tables: FloatArray) -> FloatArray:
    total: FloatArray = tables[0].take(bits[:, 0])
    for byte in range(1, len(tables)):
        total += tables[byte].take(bits[:, byte])
    return total


def _interpolate(
    x: FloatArray, knots: Sequence[tuple[float, float]], beyond: float | None = None
) -> FloatArray:
    bounds, scores = zip(*knots, strict=True)
    score: FloatArray = np.interp(x, bounds, scores, right=beyond)
    return score


def _step_down(x: FloatArray, tiers: Sequence[tuple[float, float]], beyond: float) -> FloatArray:
    """Score of the first tier whose upper bound, inclusive, x does not exceed."""
    bounds, scores = zip(*tiers, strict=True)
    passed = sum(((x > bound).view(np.int8) for bound in bounds), np.zeros(len(x), np.int8))
    return np.where(np.isnan(x), np.nan, np.array([*scores, beyond]).take(passed))


def _step_up(x: FloatArray, tiers: Sequence[tuple[float, float]], below: float) -> FloatArray:
    """Score of the highest tier whose lower bound, inclusive, x reaches."""
    bounds, scores = zip(*reversed(tiers), strict=True)
    passed = sum(((x >= bound).view(np.int8) for bound in bounds), np.zeros(len(x), np.int8))
    return np.where(np.isnan(x), np.nan, np.array([below, *scores]).take(passed))


def _chunks(count: int, chunk_rows: int) -> Iterator[slice]:
    for start in range(0, count, chunk_rows):
        yield slice(start, min(start + chunk_rows, count))


def _byte_count(n_words: int) -> int:
    return max(1, -(-n_words // 8))


def _similarity_table(words: Sequence[str], similarity: Callable[[str, str], float]) -> FloatArray:
    table = np.full((len(words) + 1, len(words) + 1), np.nan)
    table[:-1, :-1] = [[similarity(a, b) for b in words] for a in words]
    return table


def _objects(frame: pd.DataFrame, column: str) -> npt.NDArray[np.object_]:
    if column not in frame:
        return np.full(len(frame), None, object)
    return frame[column].to_numpy(object)


def _numbers(frame: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    if column not in frame:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[column]).to_numpy(np.float64, na_value=np.nan)


def _days(frame: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    if column not in frame:
        return np.full(len(frame), np.nan)
    days = pd.to_datetime(frame[column]).to_numpy("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(np.float64))


def _words_raw(value: Any) -> list[Any]:
    """The items of a list-like cell; none for an empty cell."""
    if isinstance(value, str):
        return [value]
    return [] if pd.api.types.is_scalar(value) else list(value)


def _words(value: Any) -> list[str]:
    """The words of a cell, stripped, in lower case, without blanks."""
    words = (str(word).strip().lower() for word in _words_raw(value) if word is not None)
    return [word for word in words if word]


def _bits(frame: pd.DataFrame, column: str, words: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Bit sets of shape (n, n_bytes), padded so that they can be read as 64-bit words."""
    n_bytes = -(-_byte_count(len(words)) // 8) * 8
    flags = np.zeros((len(frame), n_bytes * 8), np.bool_)
    if column in frame:
        position = {word: k for k, word in enumerate(words)}
        for row, value in enumerate(frame[column]):
            for word in _words(value):
                flags[row, position[word]] = True
    return np.packbits(flags, axis=1, bitorder="little")


def _codes(frame: pd.DataFrame, column: str, words: Sequence[str]) -> IntArray:
    codes = np.full(len(frame), -1, np.int64)
    if column in frame:
        position = {word: k for k, word in enumerate(words)}
        for row, value in enumerate(frame[column]):
            for word in _words(value)[:1]:
                codes[row] = position[word]
    return codes


def _words_as_numbers(
    frame: pd.DataFrame, column: str, meaning: Mapping[str, float]
) -> npt.NDArray[np.float64]:
    """Numbers of words, numbers as they are; NaN for what is neither."""

    def number(value: Any) -> float:
        if isinstance(value, Real):
            return float(value)
        return next((meaning[word] for word in _words(value) if word in meaning), math.nan)

    if column not in frame:
        return np.full(len(frame), np.nan)
    return np.array([number(value) for value in frame[column]], np.float64)


def _temperament(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Extraversion, or what the personality label says where none was measured."""
    measured = _numbers(frame, "extraversion")
    label = _words_as_numbers(frame, "personality", PERSONALITIES)
    return np.where(np.isnan(measured), label, measured)


def _known_mean(numbers: FloatArray) -> float:
    known = numbers[~np.isnan(numbers)]
    return float(known.mean()) if len(known) else math.nan


def _union(members: pd.DataFrame, column: str) -> list[str]:
    if column not in members:
        return []
    return sorted({word for value in members[column] for word in _words(value)})


def _most_common(members: pd.DataFrame, column: str) -> str | None:
    if column not in members:
        return None
    words = sorted(word for value in members[column] for word in _words(value)[:1])
    return max(dict.fromkeys(words), key=words.count) if words else None


def _plain(number: Any, digits: int = 3) -> float | None:
    return None if np.isnan(number) else round(float(number), digits)


def _readable(side: Travellers) -> dict[str, Any]:
    """The inputs of one traveller as plain values, None where unknown."""

    def words(bits: npt.NDArray[Any], vocabulary: Iterable[str]) -> list[str] | None:
        flags = np.unpackbits(bits.view(np.uint8)[0], bitorder="little")
        return [word for word, flag in zip(vocabulary, flags, strict=False) if flag] or None

    def word(code: int, vocabulary: Sequence[str]) -> str | None:
        return None if code < 0 else vocabulary[code]

    def day(number: float) -> str | None:
        return None if np.isnan(number) else str(np.datetime64(int(number), "D"))

    def habit(number: float) -> str | float | None:
        return next((name for name, value in HABITS.items() if value == number), _plain(number))

    numbers = ("destination_lat", "destination_lon", "budget", "age", "extraversion")
    counts = ("group_size", "n_languages", "n_nationalities")
    vocabulary = side.vocabulary
    return {
        **{name: _plain(getattr(side, name)[0]) for name in (*numbers, *counts)},
        "personality": {v: k for k, v in PERSONALITIES.items()}.get(side.personality[0]),
        "start_date": day(side.start_day[0]),
        "end_date": day(side.end_day[0]),
        "interests": words(side.interests, vocabulary.interests),
        "languages": words(side.languages, vocabulary.languages),
        "smoking": habit(side.smoking[0]),
        "drinking": habit(side.drinking[0]),
        "nationality": word(int(side.nationality[0]), vocabulary.nationalities),
        "religion": word(int(side.religion[0]), vocabulary.religions),
    }
