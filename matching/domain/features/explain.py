"""What each feature of one pair was computed from, in plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.domain.features.compute import compute_features
from matching.domain.features.names import COLUMN, FEATURE_NAMES, PRODUCTS, features_of
from matching.domain.geo import distance_km
from matching.domain.travellers import Travellers
from matching.domain.trips import overlap_days
from matching.domain.words import EVEN_HABITS, GRADED_HABITS, FeatureSet


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
    a, b = _readable(left, feature_set), _readable(right, feature_set)

    def sides(*columns: str, **more: Any) -> dict[str, Any]:
        def read(side: dict[str, Any]) -> Any:
            return side[columns[0]] if len(columns) == 1 else {name: side[name] for name in columns}

        return {"left": read(a), "right": read(b), **more}

    def shared(column: str) -> list[str]:
        return [word for word in a[column] or [] if word in (b[column] or [])]

    km = _plain(distance_km(left.destination, right.destination)[0], 1)
    home_km = _plain(distance_km(left.home, right.home)[0], 1)
    temperament = "personality" if feature_set == FeatureSet.TIERED else "extraversion"
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
    for product, parts in PRODUCTS.items():
        inputs[product] = {part: value[part] for part in parts}
    return [
        FeatureExplanation(name, value[name], bool(block.missing[0, COLUMN[name]]), inputs[name])
        for name in features_of(match_type)
    ]


def _plain(number: Any, digits: int = 3) -> float | None:
    return None if np.isnan(number) else round(float(number), digits)


def _readable(side: Travellers, feature_set: str) -> dict[str, Any]:
    """The inputs of one traveller as a feature set reads them: plain values, None where unknown."""
    is_even = feature_set == FeatureSet.TIERED
    degrees = EVEN_HABITS if is_even else GRADED_HABITS
    smoking, drinking = (
        (side.smoking_even, side.drinking_even) if is_even else (side.smoking, side.drinking)
    )

    def words(bits: npt.NDArray[Any], vocabulary: Iterable[str]) -> list[str] | None:
        flags = np.unpackbits(bits.view(np.uint8)[0], bitorder="little")
        return [word for word, flag in zip(vocabulary, flags, strict=False) if flag] or None

    def word(code: int, vocabulary: Sequence[str]) -> str | None:
        return None if code < 0 else vocabulary[code]

    def day(number: float) -> str | None:
        return None if np.isnan(number) else str(np.datetime64(int(number), "D"))

    def habit(number: float) -> str | float | None:
        return next(
            (str(name) for name, value in degrees.items() if value == number), _plain(number)
        )

    numbers = ("destination_lat", "destination_lon", "budget", "age", "extraversion")
    counts = ("group_size", "n_languages", "n_nationalities")
    vocabulary = side.vocabulary
    return {
        **{name: _plain(getattr(side, name)[0]) for name in (*numbers, *counts)},
        "personality": word(int(side.personality[0]), vocabulary.personalities),
        "start_date": day(side.start_day[0]),
        "end_date": day(side.end_day[0]),
        "interests": words(side.interests, vocabulary.interests),
        "languages": words(side.languages, vocabulary.languages),
        "smoking": habit(smoking[0]),
        "drinking": habit(drinking[0]),
        "nationality": word(int(side.nationality[0]), vocabulary.nationalities),
        "religion": word(int(side.religion[0]), vocabulary.religions),
    }
