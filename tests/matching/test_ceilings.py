"""The ceiling of tiered features: reached by no stronger model, and no higher than the truth."""

from datetime import date
from functools import cache

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score

from matching.domain.ceilings import ceiling_of
from matching.domain.features.compute import compute_features
from matching.domain.features.names import COLUMN
from matching.domain.outcomes import draw_outcomes, feature_probability, personal_effects
from matching.domain.pairing import find_candidates, own_groups, sample_pairs
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import MatchType, Preset
from tests.matching.drawn import draw_travellers

TODAY = date(2026, 1, 1)
ROWS = 16_000


@cache
def draw_pairs(match_type, *, users=900, seed=7, change=None):
    """Smooth and tiered features of pairs, left rows, their travellers and candidates."""
    frames = draw_travellers(users, seed, TODAY, group_count=users // 4)
    if change:
        change(frames[0])
    words = Vocabulary.of(*frames)
    left, groups = (Travellers.from_frame(frame, words) for frame in frames)
    right, candidates = left, find_candidates(left)
    if match_type == "user_group":
        right, candidates = groups, find_candidates(left, groups, own_groups(*frames))
    pairs = sample_pairs(candidates, min(ROWS, candidates.pair_count), 1, 0, ROWS)
    smooth, tiered = (
        compute_features(
            left, right, name, match_type, left_index=pairs.left, right_index=pairs.right
        )
        for name in ("smooth-1", "tiered-1")
    )
    logged = np.where(tiered.missing, np.float32(np.nan), tiered.values)
    return smooth.values, logged, pairs.left, ceiling_of(candidates, left, right, "tiered-1")


def expected_auc(score, truth):
    """ROC-AUC over labels that are drawn with probability `truth`, without the draw."""
    label = np.repeat([1, 0], len(score))
    weight = np.concatenate([truth, 1 - truth]).astype(np.float64)
    return roc_auc_score(label, np.tile(score, 2), sample_weight=weight)


@pytest.mark.parametrize("match_type", MatchType)
def test_no_stronger_model_is_above_the_ceiling_and_it_is_below_that_of_smooth(match_type):
    smooth, logged, _, ceiling = draw_pairs(match_type)
    truth = feature_probability(smooth, match_type, "balanced")
    best = ceiling.probability(logged, "balanced")
    known = [k for k in range(13) if len(np.unique(logged[:, k])) > 1]
    half = np.arange(len(truth)) % 2 == 0
    # The stronger model learns from the probabilities themselves, of which no label has a hint.
    stronger = HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.1, max_leaf_nodes=15, random_state=0
    ).fit(logged[half][:, known], truth[half])
    fresh = truth[~half]
    reached = expected_auc(best[~half], fresh)
    assert expected_auc(stronger.predict(logged[~half][:, known]), fresh) < reached + 0.001
    assert 0.001 < expected_auc(fresh, fresh) - reached < 0.02


@pytest.mark.parametrize("preset", Preset)
@pytest.mark.parametrize("match_type", MatchType)
def test_it_means_what_it_says_at_every_level(match_type, preset):
    smooth, logged, left, ceiling = draw_pairs(match_type)
    best = ceiling.probability(logged, preset)
    effects = personal_effects(5, np.arange(900))
    drawn = draw_outcomes(smooth, match_type, preset, effects, np.random.default_rng(0), left)
    for truth, margin in ((drawn.feature_probability, 0.015), (drawn.label, 0.05)):
        level = np.digitize(best, [0.2, 0.4, 0.6, 0.8])
        for band in np.unique(level):
            rows = level == band
            assert truth[rows].mean() == pytest.approx(best[rows].mean(), abs=margin)


def test_two_hundred_users_are_enough_for_it():
    smooth, logged, _, ceiling = draw_pairs("user_user", users=200)
    truth = feature_probability(smooth, "user_user", "balanced")
    best = ceiling.probability(logged, "balanced")
    assert 0.002 < expected_auc(truth, truth) - expected_auc(best, truth) < 0.02
    assert np.isfinite(best).all()


def test_of_few_pairs_little_is_learnt():
    smooth, logged, _, ceiling = draw_pairs("user_user", users=30)
    assert len(logged) < 100
    assert all(len(levels) == 2 for levels in ceiling.knots.values())
    truth = feature_probability(smooth, "user_user", "balanced")
    assert np.corrcoef(truth, ceiling.probability(logged, "balanced"))[0, 1] > 0.8


def test_missing_inputs_have_a_ceiling_too():
    def forget(users):
        users.loc[::6, "budget"] = np.nan
        users.loc[::7, "interests"] = None

    smooth, logged, _, ceiling = draw_pairs("user_user", change=forget)
    assert set(ceiling.gaps) == {
        COLUMN[name]
        for name in ("budget_score", "interest_score", "destination_interest", "date_budget")
    }
    truth = feature_probability(smooth, "user_user", "balanced")
    best = ceiling.probability(logged, "balanced")
    for name in ("budget_score", "interest_score"):
        rows = np.isnan(logged[:, COLUMN[name]])
        assert truth[rows].mean() == pytest.approx(best[rows].mean(), abs=0.02)
    # What no pair of the population lacked counts as the mean.
    none_lacking = draw_pairs("user_user")[3]
    assert np.isfinite(none_lacking.probability(logged, "balanced")).all()
