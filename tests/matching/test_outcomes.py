"""Synthetic outcomes: probabilities that mean what they say, ceilings where they belong."""

from datetime import date

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from matching.domain.features.compute import compute_features
from matching.domain.features.names import COLUMN, FEATURE_NAMES, features_of
from matching.domain.features.rules import rule_score
from matching.domain.outcomes import (
    PICKINESS_SD,
    TASTE_SD,
    THRESHOLDS,
    UTILITY,
    draw_outcomes,
    mean_sigmoid,
    personal_effects,
)
from matching.domain.pairing import find_candidates, own_groups, sample_pairs
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import MatchType, Preset
from tests.matching.drawn import draw_travellers

TODAY = date(2026, 1, 1)
ROWS = 40_000


@pytest.fixture(scope="module")
def events():
    """Features, effects, left users and rule score of many pairs, by match type."""
    frames = draw_travellers(1_500, 7, TODAY, group_count=400)
    words = Vocabulary.of(*frames)
    users, groups = (Travellers.from_frame(frame, words) for frame in frames)
    effects = personal_effects(5, users.user_id)
    found = {
        "user_user": (find_candidates(users), users),
        "user_group": (find_candidates(users, groups, own_groups(*frames)), groups),
    }
    made = {}
    for match_type, (candidates, right) in found.items():
        pairs = sample_pairs(candidates, min(ROWS, candidates.pair_count), 1, 0, ROWS)
        values = compute_features(
            users,
            right,
            match_type=match_type,
            left_index=pairs.left,
            right_index=pairs.right,
        ).values
        made[match_type] = values, effects, pairs.left
    return made


def drawn(events, match_type, preset="balanced", seed=0):
    values, effects, left = events[match_type]
    return draw_outcomes(values, match_type, preset, effects, np.random.default_rng(seed), left)


@pytest.mark.parametrize("match_type", MatchType)
def test_ceilings_and_rule_score_lie_where_the_design_wants_them(events, match_type):
    outcomes = drawn(events, match_type)
    feature = roc_auc_score(outcomes.label, outcomes.feature_probability)
    oracle = roc_auc_score(outcomes.label, outcomes.true_probability)
    rule = roc_auc_score(outcomes.label, rule_score(events[match_type][0], match_type))
    assert 0.80 < feature < 0.88
    assert feature + 0.01 < oracle < 0.92
    assert 0.003 < feature - rule < 0.03


@pytest.mark.parametrize("match_type", MatchType)
def test_presets_shift_the_share_of_positive_labels(events, match_type):
    share = {preset: drawn(events, match_type, preset).label.mean() for preset in Preset}
    assert share["balanced"] == pytest.approx(0.5, abs=0.04)
    assert share["strict"] == pytest.approx(0.33, abs=0.05)
    assert share["loose"] == pytest.approx(0.67, abs=0.05)


@pytest.mark.parametrize("match_type", MatchType)
def test_both_probabilities_are_calibrated_at_every_level(events, match_type):
    outcomes = drawn(events, match_type)
    for probability in (outcomes.true_probability, outcomes.feature_probability):
        level = np.digitize(probability, [0.2, 0.4, 0.6, 0.8])
        for band in range(5):
            rows = level == band
            gap = outcomes.label[rows].mean() - probability[rows].mean()
            assert abs(gap) < 0.03


def test_feature_probability_is_the_mean_over_users(events):
    values = events["user_user"][0][:40]
    crowd = personal_effects(99, np.arange(20_000))
    for row in values:
        one = draw_outcomes(
            np.tile(row, (20_000, 1)), "user_user", "strict", crowd, np.random.default_rng(0)
        )
        error = one.true_probability.std() / np.sqrt(20_000)
        assert one.feature_probability[0] == pytest.approx(
            one.true_probability.mean(dtype=np.float64), abs=5 * error + 1e-4
        )


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_quadrature_agrees_with_a_fine_sum(spread):
    mean = np.linspace(-8, 8, 41)
    z = np.linspace(-9, 9, 4001)
    density = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    exact = (1 / (1 + np.exp(-(mean[:, None] + spread * z)))) @ density
    np.testing.assert_allclose(mean_sigmoid(mean, np.full(41, spread)), exact, atol=1e-3)


def test_label_one_means_accept_or_chat(events):
    outcomes = drawn(events, "user_user")
    assert set(np.unique(outcomes.outcome)) == {1, 2, 3, 4}
    np.testing.assert_array_equal(outcomes.label == 1, outcomes.outcome <= 2)
    share = np.bincount(outcomes.outcome)[1:] / len(outcomes)
    assert share.min() > 0.1


def test_same_seed_same_bytes(events):
    one, again, other = (drawn(events, "user_user", seed=seed) for seed in (3, 3, 4))
    for name in ("outcome", "label", "true_probability", "feature_probability"):
        assert getattr(one, name).tobytes() == getattr(again, name).tobytes()
    assert one.outcome.tobytes() != other.outcome.tobytes()
    assert one.true_probability.tobytes() == other.true_probability.tobytes()


def test_a_user_has_the_same_effects_in_every_chunk():
    everyone = personal_effects(5, np.arange(1_000))
    some = personal_effects(5, np.array([17, 3]))
    np.testing.assert_array_equal(some.threshold, everyone.threshold[[17, 3]])
    np.testing.assert_array_equal(some.tastes, everyone.tastes[[17, 3]])
    assert not np.array_equal(personal_effects(6, np.arange(1_000)).tastes, everyone.tastes)


def test_effects_are_independent_normal_deviates():
    effects = personal_effects(5, np.arange(50_000))
    deviates = np.column_stack([effects.threshold / PICKINESS_SD, effects.tastes / TASTE_SD])
    assert deviates.shape == (50_000, 14)
    np.testing.assert_allclose(deviates.mean(axis=0), 0, atol=0.025)
    np.testing.assert_allclose(np.cov(deviates.T), np.eye(14), atol=0.035)
    assert 0.045 < (np.abs(deviates) > 1.96).mean() < 0.055


@pytest.mark.parametrize("match_type", MatchType)
def test_a_missing_feature_counts_as_the_population_mean(match_type):
    nobody = personal_effects(5, np.arange(13))
    means = np.full((13, 13), np.nan)
    for name in features_of(match_type):
        means[:, COLUMN[name]] = UTILITY[match_type][name][1]
    gaps = means.copy()
    np.fill_diagonal(gaps, np.nan)
    full = draw_outcomes(means, match_type, "loose", nobody, np.random.default_rng(0))
    some = draw_outcomes(gaps, match_type, "loose", nobody, np.random.default_rng(0))
    np.testing.assert_array_equal(full.true_probability, some.true_probability)
    np.testing.assert_array_equal(full.feature_probability, some.feature_probability)


def test_frozen_means_are_those_of_the_population(events):
    for match_type, (values, _, _) in events.items():
        for name in features_of(match_type):
            measured = np.mean(values[:, COLUMN[name]], dtype=np.float64)
            assert measured == pytest.approx(UTILITY[match_type][name][1], abs=0.05)


@pytest.mark.parametrize("match_type", MatchType)
def test_a_better_pair_is_likelier_to_match(match_type):
    values = np.full((2, 13), 0.4)
    crowd = personal_effects(5, np.zeros(2, np.int64))
    for name in features_of(match_type):
        values[1] = values[0]
        values[1, COLUMN[name]] = 0.9
        outcomes = draw_outcomes(values, match_type, "balanced", crowd, np.random.default_rng(0))
        assert outcomes.feature_probability[1] > outcomes.feature_probability[0]


def test_every_feature_and_preset_has_its_constants():
    for match_type in MatchType:
        assert tuple(UTILITY[match_type]) == features_of(match_type)
        assert set(THRESHOLDS[match_type]) == set(Preset)


def test_no_pairs_have_no_outcomes():
    nobody = personal_effects(5, np.empty(0, np.int64))
    empty = np.empty((0, len(FEATURE_NAMES)))
    assert len(draw_outcomes(empty, "user_user", "strict", nobody, np.random.default_rng(0))) == 0


def test_unknown_presets_and_match_types_are_refused():
    nobody = personal_effects(5, np.empty(0, np.int64))
    empty = np.empty((0, len(FEATURE_NAMES)))
    with pytest.raises(ValueError, match="balanced, strict, loose"):
        draw_outcomes(empty, "user_user", "harsh", nobody, np.random.default_rng(0))
    with pytest.raises(ValueError, match="user_user, user_group"):
        draw_outcomes(empty, "solo", "strict", nobody, np.random.default_rng(0))
