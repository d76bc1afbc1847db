"""The features against a plain scalar reference, and the rules that every feature keeps."""

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.naive_features import NAMES, smooth_features, tiered_features
from matching.domain.features.columns import applicable
from matching.domain.features.compute import FeatureBlock, VocabularyMismatch, compute_features
from matching.domain.features.explain import explain_pair
from matching.domain.features.names import COLUMN, FEATURE_NAMES, LOG_NAMES, features_of
from matching.domain.features.rules import RULE_WEIGHTS, origin_score, rule_score
from matching.domain.groups import group_travellers
from matching.domain.lexicon.folding import Lexicon
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.trips import HardGate, first_gates
from matching.domain.words import INTERESTS, LANGUAGES, NATIONALITIES, RELIGIONS
from tests.matching.drawn import draw_travellers

TODAY = date(2026, 1, 1)
REFERENCE = {"smooth-1": smooth_features, "tiered-1": tiered_features}
EMPTY = dict.fromkeys(
    [
        *("destination_lat", "destination_lon", "home_lat", "home_lon", "start_date", "end_date"),
        *("budget", "interests", "age", "personality", "extraversion", "languages", "smoking"),
        *("drinking", "religion", "nationality", "group_size", "n_languages", "n_nationalities"),
    ]
)
FULL = EMPTY | {
    "destination_lat": 41.38,
    "destination_lon": 2.17,
    "start_date": date(2026, 3, 1),
    "end_date": date(2026, 3, 11),
    "budget": 20_000.0,
    "interests": ["hiking", "food"],
    "age": 30.0,
    "personality": "introvert",
    "extraversion": 0.2,
    "languages": ["english", "german"],
    "smoking": "no",
    "drinking": "yes",
    "religion": "none",
    "nationality": "german",
    "home_lat": 52.52,
    "home_lon": 13.4,
}
GROUP = FULL | {"group_size": 4.0, "n_languages": 2.0, "n_nationalities": 3.0}


def block_of(
    left, right, feature_set="smooth-1", match_type="user_user", **options
) -> FeatureBlock:
    lefts, rights = pd.DataFrame(left), pd.DataFrame(right)
    words = Vocabulary.of(lefts, rights)
    return compute_features(
        Travellers.from_frame(lefts, words),
        Travellers.from_frame(rights, words),
        feature_set,
        match_type,
        **options,
    )


def score(name, left=None, right=None, feature_set="smooth-1", match_type="user_user"):
    base = GROUP if match_type == "user_group" else FULL
    block = block_of([FULL | (left or {})], [base | (right or {})], feature_set, match_type)
    return block.values[0, COLUMN[name]]


HABIT_WORDS = ["no", "occasionally", "yes", "No", " YES", "vapes"]


def maybe(strategy):
    return st.none() | strategy


def travellers(group=False):
    """Travellers with gaps, on a coarse grid so that tier boundaries come up."""
    person = {
        "destination_lat": maybe(st.sampled_from([41.0, 41.2, 41.5, 42.0, 43.5, -33.9])),
        "destination_lon": maybe(st.sampled_from([2.0, 2.1, 2.5, 3.5, 179.9, -179.9])),
        "start_date": maybe(st.integers(0, 30).map(lambda n: TODAY + timedelta(n))),
        "end_date": maybe(st.integers(10, 60).map(lambda n: TODAY + timedelta(n))),
        "budget": maybe(st.sampled_from([0.0, 7_500.0, 9_000.0, 10_000.0, 5_000.0, 60_000.0])),
        "interests": maybe(
            st.lists(st.sampled_from([*INTERESTS, "Chess", "FOOD", " food", ""]), max_size=6)
        ),
        "age": maybe(st.integers(18, 78).map(float)),
        "personality": maybe(
            st.sampled_from(
                ["introvert", "ambivert", "extrovert", "Introvert ", "shy", "SHY", "odd"]
            )
        ),
        "extraversion": maybe(st.sampled_from([0.0, 0.2, 1 / 3, 0.5, 2 / 3, 0.9])),
        "languages": maybe(
            st.lists(st.sampled_from([*LANGUAGES, "dothraki", "English", " german "]), max_size=4)
        ),
        "smoking": maybe(st.sampled_from(HABIT_WORDS)),
        "drinking": maybe(st.sampled_from(HABIT_WORDS)),
        "religion": maybe(st.sampled_from([*RELIGIONS, "jedi", "None", "Hindu"])),
        "nationality": maybe(st.sampled_from([*NATIONALITIES, "martian", "German", "FRENCH "])),
    }
    if group:
        person |= {
            "group_size": maybe(
                st.sampled_from([0.0, 2.0, 6.0, 7.0, 12.0, 13.0, 40.0, 41.0, 90.0])
            ),
            "n_languages": maybe(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, 7.0])),
            "n_nationalities": maybe(st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0])),
            "smoking": maybe(st.lists(st.sampled_from(HABIT_WORDS), max_size=9)),
            "drinking": maybe(st.lists(st.sampled_from(HABIT_WORDS), max_size=9)),
        }
    return st.fixed_dictionaries(person)


@pytest.fixture(scope="module")
def drawn():
    return draw_travellers(120, 7, TODAY, group_count=20)


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
@pytest.mark.parametrize("match_type", ["user_user", "user_group"])
@settings(max_examples=60)
@given(data=st.data())
def test_every_pair_scores_as_the_scalar_reference_says(feature_set, match_type, data):
    rights = travellers(group=match_type == "user_group")
    pairs = data.draw(st.lists(st.tuples(travellers(), rights), min_size=1, max_size=12))
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    block = block_of(left, right, feature_set, match_type)
    expected = [REFERENCE[feature_set](a, b, match_type) for a, b in pairs]
    np.testing.assert_allclose(block.values, expected, atol=1e-6)


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_drawn_pairs_score_as_the_scalar_reference_says(drawn, feature_set):
    for match_type, rights in zip(("user_user", "user_group"), drawn, strict=True):
        rng = np.random.default_rng(3)
        i, j = rng.integers(0, len(drawn[0]), 400), rng.integers(0, len(rights), 400)
        left = drawn[0].iloc[i].to_dict("records")
        right = rights.iloc[j].to_dict("records")
        words = Vocabulary.of(*drawn)
        block = compute_features(
            Travellers.from_frame(drawn[0], words),
            Travellers.from_frame(rights, words),
            feature_set,
            match_type,
            left_index=i,
            right_index=j,
        )
        expected = [
            REFERENCE[feature_set](a, b, match_type) for a, b in zip(left, right, strict=True)
        ]
        np.testing.assert_allclose(block.values, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "change", "match_type", "expected"),
    [
        ("age_score", {"age": 32.0}, "user_user", 1.0),
        ("age_score", {"age": 33.0}, "user_user", 0.9),
        ("age_score", {"age": 70.0}, "user_user", 0.1),
        ("age_score", {"age": 71.0}, "user_user", 0.05),
        ("budget_score", {"budget": 18_000.0}, "user_user", 1.0),
        ("budget_score", {"budget": 15_000.0}, "user_user", 0.8),
        ("budget_score", {"budget": 10_000.0}, "user_user", 0.6),
        ("budget_score", {"budget": 0.0}, "user_user", 0.4),
        ("budget_score", {"budget": 30_000.0}, "user_group", 0.75),
        ("budget_score", {"budget": 70_000.0}, "user_group", 0.0),
        ("interest_score", {"interests": ["Hiking", "FOOD "]}, "user_user", 1.0),
        ("interest_score", {"interests": ["food", "art"]}, "user_user", 1 / 3 + 0.2),
        ("interest_score", {"interests": ["food", "art"]}, "user_group", 1 / 3),
        ("interest_score", {"interests": ["art"]}, "user_user", 0.0),
        ("personality_score", {"personality": "extrovert"}, "user_user", 0.4),
        ("personality_score", {"personality": "ambivert"}, "user_user", 0.7),
        ("personality_score", {"personality": "extrovert"}, "user_group", 0.5),
        ("date_overlap_score", {"start_date": date(2026, 3, 3)}, "user_user", 1.0),
        ("date_overlap_score", {"start_date": date(2026, 3, 4)}, "user_user", 0.9),
        ("date_overlap_score", {"start_date": date(2026, 3, 8)}, "user_user", 0.8),
        ("date_overlap_score", {"start_date": date(2026, 3, 10)}, "user_user", 0.3),
        ("date_overlap_score", {"start_date": date(2026, 3, 11)}, "user_user", 0.0),
        ("group_size_score", {"group_size": 6.0}, "user_group", 1.0),
        ("group_size_score", {"group_size": 13.0}, "user_group", 0.6),
        ("group_diversity_score", {"n_languages": 1.0}, "user_group", 0.75),
    ],
)
def test_tiers_are_those_of_production(name, change, match_type, expected):
    assert score(name, None, change, "tiered-1", match_type) == pytest.approx(expected)


def test_distance_tiers_include_their_upper_bounds():
    one_degree_km = 6371 * math.pi / 180
    for km, expected in [(25, 1.0), (50, 0.95), (100, 0.85), (150, 0.75), (200, 0.6)]:
        here = {"destination_lat": 0.0, "destination_lon": 0.0}
        inside = {"destination_lat": (km - 1e-6) / one_degree_km, "destination_lon": 0.0}
        outside = {"destination_lat": (km + 1e-6) / one_degree_km, "destination_lon": 0.0}
        assert score("distance_score", here, inside, "tiered-1") == np.float32(expected)
        assert score("distance_score", here, outside, "tiered-1") < np.float32(expected)


def test_smooth_scores_meet_the_tiers_at_their_bounds():
    assert score("age_score", right={"age": 40.0}) == np.float32(0.7)
    assert score("budget_score", right={"budget": 15_000.0}) == np.float32(0.8)
    assert score("date_overlap_score", right={"end_date": date(2026, 3, 6)}) == np.float32(0.9)


def test_smooth_personality_of_plain_labels_is_the_production_table():
    label = {"extraversion": None}
    for other, expected in (("introvert", 1.0), ("ambivert", 0.7), ("extrovert", 0.4)):
        value = score("personality_score", label, label | {"personality": other})
        assert value == np.float32(expected)


UNKNOWN_ALONE = [
    ("language_score", "languages", ["dothraki"]),
    ("lifestyle_score", "smoking", "vapes"),
    ("background_score", "nationality", "martian"),
    ("background_score", "religion", "jedi"),
]


@pytest.mark.parametrize(("name", "column", "word"), UNKNOWN_ALONE)
def test_a_word_that_nobody_knows_is_missing_and_never_different(name, column, word):
    empty = EMPTY | {"interests": ["food"]}
    known = {"languages": ["german"], "smoking": "no", "nationality": "german", "religion": "none"}
    for other in (word, known[column]):
        pair = [empty | {column: word}], [empty | {column: other}]
        smooth, tiered = (block_of(*pair, name) for name in ("smooth-1", "tiered-1"))
        assert np.isnan(smooth.values[0, COLUMN[name]])
        assert tiered.values[0, COLUMN[name]] == 0.5
        assert smooth.missing[0, COLUMN[name]]
        assert tiered.missing[0, COLUMN[name]]


def test_a_language_that_nobody_knows_leaves_the_known_ones_as_they_are():
    ours, theirs = {"languages": ["english", "dothraki"]}, {"languages": ["english"]}
    assert score("language_score", ours, theirs) == 1.0


@pytest.mark.parametrize(
    ("column", "one", "other", "expected"),
    [
        ("nationality", "Germany", "german", 1.0),
        ("nationality", "DE", "Deutschland", 1.0),
        ("nationality", "swiss", "german", 0.7),
        ("nationality", "Swiss", "Greece", 0.4),
        ("nationality", "NULL", "null", None),
        ("religion", "catholicism", "christian", 1.0),
        ("religion", "NULL", "null", None),
        ("religion", "judaism but not too serious about it", "jewish", 1.0),
        ("religion", "atheism", "agnosticism and very serious about it", 0.5),
    ],
)
def test_background_compares_what_words_mean(column, one, other, expected):
    value = score(
        "background_score",
        {"nationality": None, "religion": None, column: one},
        {"nationality": None, "religion": None, column: other},
    )
    assert (None if np.isnan(value) else round(float(value), 3)) == expected


def test_habits_compare_what_words_mean():
    ours = {"smoking": "when drinking", "drinking": "socially"}
    theirs = {"smoking": "sometimes", "drinking": "rarely"}
    assert score("lifestyle_score", ours, theirs) == 1.0
    assert score("lifestyle_score", ours, {"smoking": "trying to quit"}, "tiered-1") == (
        pytest.approx(0.6 * 0.5 + 0.4 * 0.5)
    )


def test_two_who_share_an_interest_that_nobody_knows_share_something_rare():
    ours = {"interests": ["hiking", "Board games"]}
    unknown = score("interest_score", ours, {"interests": ["board-game"]})
    known = score("interest_score", ours, {"interests": ["hiking"]})
    assert unknown > 0.5 > known
    assert unknown + known == pytest.approx(1.0)


def test_the_lexicon_says_how_rare_an_unknown_interest_is_and_what_a_taught_word_means():
    lexicon = Lexicon(1, {"nationality": {"martian": ""}}, {"board game": 0.32})
    frame = pd.DataFrame(
        [
            FULL | {"interests": ["hiking", "board games"], "nationality": "Martian"},
            FULL | {"interests": ["board game"], "nationality": "martian"},
        ]
    )
    users = Travellers.from_frame(frame, Vocabulary.of(frame, lexicon=lexicon))
    block = compute_features(users.take(slice(0, 1)), users.take(slice(1, 2)))
    assert block.values[0, COLUMN["interest_score"]] == pytest.approx(0.5)  # hiking: 0.32 too
    assert block.values[0, COLUMN["background_score"]] == 1.0
    bare = Travellers.from_frame(frame)
    with pytest.raises(VocabularyMismatch):
        compute_features(users, bare)


def test_a_group_counts_known_words_and_keeps_the_others():
    odd = {"nationality": "martian", "languages": ["dothraki"], "smoking": "vapes"}
    profiles = pd.DataFrame(
        [
            FULL | {"external_id": "a", "nationality": "Germany", "languages": ["Deutsch"]},
            FULL | {"external_id": "b"} | odd,
            FULL | {"external_id": "c"} | odd,
        ]
    )
    groups = pd.DataFrame([{"external_id": "g", "member_ids": ["a", "b", "c"]}])
    group = group_travellers(groups, profiles).iloc[0]
    assert group["nationality"] == "german"
    assert group["languages"] == ["dothraki", "german"]
    assert (group["n_languages"], group["n_nationalities"]) == (1, 1)
    assert group["smoking"] == ["no", "vapes", "vapes"]
    taught = Lexicon(1, {"nationality": {"martian": ""}, "language": {"dothraki": ""}})
    group = group_travellers(groups, profiles, taught).iloc[0]
    assert group["nationality"] == "martian"
    assert (group["n_languages"], group["n_nationalities"]) == (2, 2)


def test_a_rare_shared_interest_counts_for_more_than_a_common_one():
    rare = score("interest_score", {"interests": ["skiing", "hiking"]}, {"interests": ["skiing"]})
    common = score("interest_score", {"interests": ["skiing", "hiking"]}, {"interests": ["hiking"]})
    assert rare > 0.5 > common


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_pair_scores_are_symmetric_and_in_range(drawn, feature_set):
    users = Travellers.from_frame(drawn[0])
    i, j = np.triu_indices(len(users), 1)
    there = compute_features(users, users, feature_set, left_index=i, right_index=j)
    back = compute_features(users, users, feature_set, left_index=j, right_index=i)
    np.testing.assert_array_equal(there.values, back.values)
    used = there.values[:, applicable("user_user")]
    assert used.min() >= 0
    assert used.max() <= 1
    assert not there.missing.any()


def test_a_traveller_is_wholly_like_themselves(drawn):
    users = Travellers.from_frame(drawn[0])
    block = compute_features(users, users)
    np.testing.assert_array_equal(block.values[:, applicable("user_user")], 1.0)


@pytest.mark.parametrize(
    ("column", "spoilt"),
    [
        ("destination_lat", {"distance_score", "destination_interest"}),
        ("end_date", {"date_overlap_score", "date_budget"}),
        ("budget", {"budget_score", "date_budget"}),
        ("interests", {"interest_score", "destination_interest"}),
        ("age", {"age_score"}),
        ("languages", {"language_score"}),
        ("smoking", set()),  # drinking is still known
        ("religion", set()),  # nationality is still known
        ("n_languages", {"group_diversity_score"}),
        ("group_size", {"group_size_score"}),
    ],
)
def test_a_missing_input_spoils_its_own_features_and_no_other(column, spoilt):
    for feature_set in ("smooth-1", "tiered-1"):
        whole = block_of([FULL], [GROUP], feature_set, "user_group")
        block = block_of([FULL], [GROUP | {column: None}], feature_set, "user_group")
        flagged = {name for name in FEATURE_NAMES if block.missing[0, COLUMN[name]]}
        assert flagged == spoilt
        values = block.values[0, [COLUMN[name] for name in spoilt]]
        if feature_set == "smooth-1":
            assert np.isnan(values).all()
        others = [COLUMN[name] for name in FEATURE_NAMES if name not in spoilt]
        if column not in ("smoking", "religion", "n_languages"):
            np.testing.assert_array_equal(block.values[0, others], whole.values[0, others])


def test_tiered_defaults_are_one_half_and_products_use_them():
    block = block_of([FULL], [FULL | {"interests": []}], "tiered-1")
    assert block.values[0, COLUMN["interest_score"]] == 0.5
    assert block.values[0, COLUMN["destination_interest"]] == 0.5
    assert block.missing[0, COLUMN["destination_interest"]]
    nothing = block_of([EMPTY], [EMPTY], "tiered-1")
    assert nothing.values[0, COLUMN["age_score"]] == 0.5
    assert nothing.values[0, COLUMN["date_budget"]] == 0.25


def test_group_features_do_not_apply_to_two_users_and_are_not_missing():
    assert set(FEATURE_NAMES) - set(features_of("user_user")) == {
        "group_size_score",
        "group_diversity_score",
    }
    assert features_of("user_group") == FEATURE_NAMES == NAMES
    for feature_set in ("smooth-1", "tiered-1"):
        block = block_of([FULL], [FULL], feature_set)
        assert np.isnan(block.values[0, ~applicable("user_user")]).all()
        assert not block.missing.any()


def test_chunk_size_changes_nothing(drawn):
    users = Travellers.from_frame(drawn[0])
    i, j = np.triu_indices(len(users), 1)
    whole = compute_features(users, users, left_index=i, right_index=j)
    small = compute_features(users, users, left_index=i, right_index=j, chunk_rows=37)
    assert whole.values.tobytes() == small.values.tobytes()


def test_a_single_pair_scores_as_it_does_among_many(drawn):
    users = Travellers.from_frame(drawn[0])
    many = compute_features(users.take(slice(0, 50)), users.take(slice(50, 100)))
    one = compute_features(users.take(np.array([7])), users.take(np.array([57])))
    assert one.values.tobytes() == many.values[7:8].tobytes()


def test_a_larger_vocabulary_changes_no_score(drawn):
    frame = drawn[0]
    odd = frame.assign(interests=[[*tags, f"tag {k}"] for k, tags in enumerate(frame["interests"])])
    plain = Travellers.from_frame(frame)
    wide = Travellers.from_frame(frame, Vocabulary.of(frame, odd))
    a, b = slice(0, 60), slice(60, 120)
    np.testing.assert_allclose(
        compute_features(plain.take(a), plain.take(b)).values,
        compute_features(wide.take(a), wide.take(b)).values,
        atol=1e-6,
    )


def test_no_rows_give_no_rows():
    empty = Travellers.from_frame(pd.DataFrame(columns=list(EMPTY)))
    assert len(empty) == 0
    assert compute_features(empty, empty).values.shape == (0, 13)
    assert compute_features(empty, empty, "tiered-1", "user_group").missing.shape == (0, 13)


def test_a_frame_without_columns_is_wholly_missing():
    bare = Travellers.from_frame(pd.DataFrame(index=[0, 1]))
    block = compute_features(bare, bare)
    np.testing.assert_array_equal(block.missing, np.tile(applicable("user_user"), (2, 1)))


def test_dates_are_read_from_text_dates_and_timestamps():
    frame = pd.DataFrame({"start_date": ["2026-03-01"], "end_date": [date(2026, 3, 4)]})
    side = Travellers.from_frame(frame)
    assert side.end_day[0] - side.start_day[0] == 3
    stamps = frame.apply(pd.to_datetime)
    assert Travellers.from_frame(stamps).start_day[0] == side.start_day[0]


def test_sides_of_different_vocabularies_are_refused():
    known = Travellers.from_frame(pd.DataFrame([FULL]))
    foreign = Travellers.from_frame(pd.DataFrame([FULL | {"interests": ["chess"]}]))
    with pytest.raises(VocabularyMismatch, match="one vocabulary"):
        compute_features(known, foreign)


def test_unknown_names_and_unequal_sides_are_refused():
    one = Travellers.from_frame(pd.DataFrame([FULL]))
    two = Travellers.from_frame(pd.DataFrame([FULL, FULL]))
    with pytest.raises(ValueError, match="smooth-1, tiered-1"):
        compute_features(one, one, "smooth-2")
    with pytest.raises(ValueError, match="user_user, user_group"):
        compute_features(one, one, "smooth-1", "solo")
    with pytest.raises(ValueError, match="as many travellers"):
        compute_features(one, two)


def test_gate_needs_200_km_and_a_shared_day():
    def meets(**change):
        users = Travellers.from_frame(pd.DataFrame([FULL, FULL | change]))
        return first_gates(users.take(slice(0, 1)), users.take(slice(1, 2)))[0]

    assert meets() == HardGate.OPEN
    assert meets(start_date=date(2026, 3, 10)) == HardGate.OPEN
    assert meets(start_date=date(2026, 3, 11)) == HardGate.NO_SHARED_DAY
    assert meets(destination_lat=43.17) == HardGate.OPEN  # 199 km north
    assert meets(destination_lat=43.19) == HardGate.TOO_FAR
    assert meets(destination_lat=None) == HardGate.NO_DESTINATION
    assert meets(end_date=None) == HardGate.NO_DATES


def test_rule_weights_add_up_to_one():
    for weights in RULE_WEIGHTS.values():
        assert sum(weights.values()) == pytest.approx(1)


# Of `rule-1`, written out here once more: a rule score of which two parts are swapped still adds
# up to one. `origin` comes beside the features.
RULE_1 = {
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
        "date_overlap_score": 0.20,
        "budget_score": 0.20,
        "interest_score": 0.15,
        "age_score": 0.15,
        "language_score": 0.10,
        "lifestyle_score": 0.10,
        "background_score": 0.10,
    },
}


@pytest.mark.parametrize("match_type", RULE_1)
def test_each_part_of_the_rule_score_has_its_own_weight(match_type):
    parts = [*FEATURE_NAMES, "origin"]
    alone = np.eye(len(parts))  # in each row one part is 1, and every other is known to be 0
    scores = rule_score(alone[:, :-1], match_type, origin=alone[:, -1])
    expected = [RULE_1[match_type].get(name, 0.0) for name in parts]
    assert dict(zip(parts, scores, strict=True)) == pytest.approx(
        dict(zip(parts, expected, strict=True)), abs=1e-12
    )


@pytest.mark.parametrize("match_type", RULE_1)
def test_rule_score_is_the_weighted_mean_of_the_parts_that_are_known(match_type):
    rng = np.random.default_rng(4)
    values = rng.random((200, len(FEATURE_NAMES)))
    values[rng.random(values.shape) < 0.4] = np.nan
    origin = np.where(rng.random(200) < 0.4, np.nan, rng.random(200))
    scores = rule_score(values, match_type, origin=origin)
    for row, score in zip(range(200), scores, strict=True):
        parts = {name: values[row, COLUMN[name]] for name in FEATURE_NAMES} | {
            "origin": origin[row]
        }
        known = [name for name in RULE_1[match_type] if not math.isnan(parts[name])]
        weights = [RULE_1[match_type][name] for name in known]
        expected = np.average([parts[name] for name in known], weights=weights) if known else np.nan
        assert score == pytest.approx(expected, nan_ok=True)


def test_rule_score_weighs_what_is_known():
    values = np.full((3, 13), np.nan)
    values[0, COLUMN["distance_score"]] = 0.8
    values[1, COLUMN["distance_score"]], values[1, COLUMN["age_score"]] = 1.0, 0.3
    scores = rule_score(values, "user_user")
    assert scores[0] == pytest.approx(0.8)
    assert scores[1] == pytest.approx((0.25 * 1.0 + 0.10 * 0.3) / 0.35)
    assert np.isnan(scores[2])
    assert rule_score(values, "user_user", origin=np.array([0.2] * 3))[2] == pytest.approx(0.2)


def test_rule_score_of_mixed_match_types_is_that_of_each(drawn):
    values = np.random.default_rng(0).random((4, 13))
    kinds = np.array(["user_user", "user_group", "user_user", "user_group"])
    mixed = rule_score(values, kinds)
    for kind in ("user_user", "user_group"):
        np.testing.assert_array_equal(mixed[kinds == kind], rule_score(values, kind)[kinds == kind])


def test_origin_score_falls_with_the_distance_of_homes():
    homes = pd.DataFrame(
        {"home_lat": [52.5, 52.5, 48.9, -33.9], "home_lon": [13.4, 13.4, 2.4, 151]}
    )
    side = Travellers.from_frame(homes)
    here = Travellers.from_frame(homes.iloc[[0, 0, 0, 0]])
    scores = origin_score(here, side)
    assert scores[0] == scores[1] == 1
    assert 1 > scores[2] > scores[3] == 0


def test_explanation_holds_inputs_values_and_what_is_missing():
    frame = pd.DataFrame([FULL, FULL | {"age": None, "interests": ["Food", "chess"]}])
    users = Travellers.from_frame(frame)
    a, b = users.take(slice(0, 1)), users.take(slice(1, 2))
    told = {e.name: e for e in explain_pair(a, b)}
    assert tuple(told) == features_of("user_user")
    assert told["age_score"].missing
    assert told["age_score"].value is None
    assert told["age_score"].inputs == {"left": 30.0, "right": None, "gap_years": None}
    assert told["interest_score"].inputs["shared"] == ["food"]
    assert told["interest_score"].inputs["right"] == ["food", "chess"]
    assert told["date_overlap_score"].inputs["overlap_days"] == 10
    assert told["distance_score"].inputs["km"] == 0
    assert told["destination_interest"].inputs["distance_score"] == 1
    for name, explanation in told.items():
        value = compute_features(a, b).values[0, COLUMN[name]]
        assert explanation.value == (None if np.isnan(value) else pytest.approx(value, abs=1e-6))
    tiered = {e.name: e for e in explain_pair(a, b, "tiered-1")}
    assert tiered["age_score"].missing
    assert tiered["age_score"].value == 0.5
    assert tiered["personality_score"].inputs == {"left": "introvert", "right": "introvert"}


def test_explanation_takes_one_pair_only(drawn):
    users = Travellers.from_frame(drawn[0])
    with pytest.raises(ValueError, match="one traveller a side"):
        explain_pair(users, users)


def test_a_group_is_described_by_its_members():
    profiles = pd.DataFrame(
        [
            FULL | {"external_id": "a", "age": 20.0, "smoking": "yes", "nationality": "polish"},
            FULL | {"external_id": "b", "age": None, "interests": ["Art"], "languages": None},
            FULL | {"external_id": "c", "age": 30.0, "extraversion": None},
        ]
    )
    groups = pd.DataFrame(
        [
            {"external_id": "g", "member_ids": ["a", "b", "c", "gone"], "destination_lat": 1.0},
            {"external_id": "h", "member_ids": [], "destination_lat": 2.0},
        ]
    )
    full, bare = group_travellers(groups, profiles).to_dict("records")
    assert full["age"] == 25
    assert full["interests"] == ["art", "food", "hiking"]
    assert full["languages"] == ["english", "german"]
    assert full["extraversion"] == pytest.approx((0.2 + 0.2 + 0.0) / 3)
    assert full["smoking"] == ["yes", "no", "no"]
    assert full["nationality"] == "german"
    assert (full["group_size"], full["n_languages"], full["n_nationalities"]) == (3, 2, 2)
    assert full["member_ids"] == ["a", "b", "c"]
    assert full["destination_lat"] == 1.0
    assert math.isnan(bare["age"])
    assert math.isnan(bare["group_size"])
    assert pd.isna(bare["nationality"])
    assert len(Travellers.from_frame(group_travellers(groups, profiles))) == 2


def test_log_names_stand_in_column_order():
    assert len(LOG_NAMES) == len(FEATURE_NAMES) == 13
    for name, logged in zip(FEATURE_NAMES, LOG_NAMES, strict=True):
        assert logged.replace("_", "").lower() == name.replace("_", "")
