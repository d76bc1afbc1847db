"""tiered-1 against the established formulas, written again in plain Python from docs/formats.md."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from benchmarks.naive_features import tiered_with_missing
from matching.domain.features.compute import FeatureBlock, compute_features
from matching.domain.features.names import COLUMN
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import INTERESTS, LANGUAGES, NATIONALITIES, RELIGIONS

PAIRS = 6_000
TODAY = date(2026, 1, 1)
HABITS = ("no", "occasionally", "yes", "Occasionally", " NO", "vapes", "")
MISSING_SHARE = 0.12


def draw_travellers(count: int, rng: np.random.Generator, group: bool) -> list[dict]:
    """Draw travellers with gaps, odd words, capitals and empty groups, on a coarse grid."""

    def one(*values):
        return values[rng.integers(len(values))]

    def some(values, most):
        return [str(word) for word in rng.choice(values, rng.integers(0, most + 1), replace=False)]

    def day(first, last):
        return TODAY + timedelta(int(rng.integers(first, last)))

    def draw() -> dict:
        start = day(0, 30)
        person = {
            "destination_lat": one(41.0, 41.1, 41.2, 41.5, 42.0, 42.8, 43.5, -33.9),
            "destination_lon": one(2.0, 2.1, 2.5, 3.5, 179.9, -179.9),
            "start_date": start,
            "end_date": start + timedelta(int(rng.integers(0, 25))),
            "budget": one(0.0, 5_000.0, 7_500.0, 9_000.0, 10_000.0, 20_000.0, 60_000.0),
            "interests": some([*INTERESTS[:9], "chess", "Chess", "FOOD", " food"], 5),
            "age": float(rng.integers(18, 79)),
            "personality": one(
                "introvert", "ambivert", "extrovert", "Introvert", "AMBIVERT ", "shy", "Shy", "odd"
            ),
            "extraversion": one(None, None, 0.0, 0.3, 1 / 3, 0.6, 2 / 3, 1.0),
            "languages": some([*LANGUAGES[:6], "dothraki", "English", " german"], 4),
            "smoking": one(*HABITS),
            "drinking": one(*HABITS),
            "religion": one(*RELIGIONS, "jedi", "Jedi", "Hindu", "NONE"),
            "nationality": one(*NATIONALITIES, "martian", "Martian ", "German", "FRENCH"),
            "group_size": None,
            "n_languages": None,
            "n_nationalities": None,
        }
        if group:
            person |= {
                "group_size": float(one(0, 1, 6, 7, 12, 13, 20, 21, 40, 41, 90)),
                "n_languages": float(rng.integers(0, 8)),
                "n_nationalities": float(rng.integers(0, 8)),
                "smoking": [one(*HABITS) for _ in range(rng.integers(0, 6))],
                "drinking": [one(*HABITS) for _ in range(rng.integers(0, 6))],
            }
        return {k: None if rng.random() < MISSING_SHARE else v for k, v in person.items()}

    return [draw() for _ in range(count)]


def block_of(left: list[dict], right: list[dict], match_type: str) -> FeatureBlock:
    lefts, rights = pd.DataFrame(left), pd.DataFrame(right)
    words = Vocabulary.of(lefts, rights)
    return compute_features(
        Travellers.from_frame(lefts, words),
        Travellers.from_frame(rights, words),
        "tiered-1",
        match_type,
    )


@pytest.mark.parametrize("match_type", ["user_user", "user_group"])
def test_thousands_of_random_pairs_score_as_the_established_formulas_say(match_type):
    rng = np.random.default_rng(20_260_101)
    left = draw_travellers(PAIRS, rng, group=False)
    right = draw_travellers(PAIRS, rng, group=match_type == "user_group")
    block = block_of(left, right, match_type)
    told = [tiered_with_missing(a, b, match_type) for a, b in zip(left, right, strict=True)]
    for name, column in COLUMN.items():
        expected = np.array([values[column] for values, _ in told])
        np.testing.assert_allclose(block.values[:, column], expected, atol=1e-6, err_msg=name)
        missing = np.array([flags[column] for _, flags in told])
        np.testing.assert_array_equal(block.missing[:, column], missing, err_msg=name)


def score(name: str, left: dict, right: dict, match_type: str = "user_user") -> tuple[float, bool]:
    block = block_of([left], [right], match_type)
    return float(block.values[0, COLUMN[name]]), bool(block.missing[0, COLUMN[name]])


def test_a_group_of_nobody_has_no_size():
    assert score("group_size_score", {}, {"group_size": 0}, "user_group") == (0.5, True)
    assert score("group_size_score", {}, {"group_size": 1}, "user_group") == (1.0, False)


@pytest.mark.parametrize(
    ("languages", "nationalities", "expected"),
    [(3, None, 0.75), (None, 2, 0.6), (0, 3, 0.75), (None, None, 0.5)],
)
def test_diversity_of_which_one_side_is_known_averages_the_neutral_half_with_it(
    languages, nationalities, expected
):
    group = {"n_languages": languages, "n_nationalities": nationalities}
    value, missing = score("group_diversity_score", {}, group, "user_group")
    assert (value, missing) == (pytest.approx(expected), True)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Introvert", "introvert", (1.0, False)),
        ("EXTROVERT", " introvert", (pytest.approx(0.4), False)),
        ("shy", "Shy", (1.0, False)),  # the same word, whatever it means
        ("shy", "ambivert", (pytest.approx(0.7), False)),  # anybody with an ambivert
        ("shy", "introvert", (0.5, True)),  # nothing is known of the two
        ("shy", None, (0.5, True)),
    ],
)
def test_personality_asks_for_the_words_alone(one, other, expected):
    there, back = {"personality": one}, {"personality": other}
    assert score("personality_score", there, back) == expected
    assert score("personality_score", back, there) == expected


def test_a_measured_extraversion_names_a_label_that_is_not_known():
    quiet, loud = {"personality": "shy", "extraversion": 0.1}, {"personality": "extrovert"}
    assert score("personality_score", quiet, loud) == (pytest.approx(0.4), False)


def test_occasionally_stands_in_the_middle():
    both = {"smoking": "occasionally", "drinking": "occasionally"}
    for other in ("no", "yes"):
        person = {"smoking": other, "drinking": other}
        assert score("lifestyle_score", both, person) == (0.5, False)


def test_products_are_those_of_the_scores_that_stand_there():
    person = {"destination_lat": 1.0, "destination_lon": 2.0, "interests": ["food"]}
    assert score("destination_interest", person, person | {"interests": None}) == (0.5, True)
    assert score("destination_interest", person, {}) == (0.25, True)
