"""Two arms at every look: errors as in SciPy and a plain jackknife, boundary against integrals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from project.measure.sequential import (
    FEWEST_CLUSTERS,
    anytime_p_value,
    anytime_reach,
    arm_difference,
    clusters_to_decide,
    detectable_difference,
)
from tests.measure.samples import rng


def _arms(a, b, cluster_a=None, cluster_b=None):
    """Difference a - b; rows are clusters of their own unless told."""
    clusters = [
        np.arange(len(a)) if cluster_a is None else cluster_a,
        len(a) + np.arange(len(b)) if cluster_b is None else cluster_b,
    ]
    is_arm = np.repeat([True, False], [len(a), len(b)])
    return arm_difference(np.concatenate([a, b]), is_arm, np.concatenate(clusters))


def test_single_rows_are_welchs_test():
    a, b = rng().normal(0.6, 0.2, 40), rng(1).normal(0.5, 0.4, 25)
    found = _arms(a, b)
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found.difference / found.standard_error == pytest.approx(welch.statistic)
    assert found.degrees == pytest.approx(welch.df)
    low, high = welch.confidence_interval(0.95)
    assert 2 * found.reach_of_one_look() == pytest.approx(high - low)
    assert 2 * stats.norm.sf(found.normal_score) == pytest.approx(welch.pvalue)


def test_sessions_with_a_row_in_both_arms_are_the_paired_test():
    person = rng().normal(size=30)
    a, b = person + 0.1 * rng(1).normal(size=30), person + 0.1 * rng(2).normal(size=30)
    found = _arms(a, b, np.arange(30), np.arange(30))
    paired = stats.ttest_rel(a, b)
    assert found.difference / found.standard_error == pytest.approx(paired.statistic)
    assert found.degrees == pytest.approx(paired.df)


def test_the_error_is_that_of_leaving_out_a_session_at_a_time():
    cluster = rng().integers(0, 12, 90) ** 2 // 9
    y = rng(1).normal(size=90) + rng(2).normal(size=20)[cluster]
    other = rng(3).normal(size=30)
    found, alone = _arms(y, other, cluster, 100 + np.arange(30)), _arms(other, other)
    names = np.unique(cluster)
    left = np.array([y[cluster != one].mean() for one in names])
    # Around the mean of all rows; sessions of 30 clusters of one row are Welch's.
    jackknife = (len(names) - 1) / len(names) * ((left - y.mean()) ** 2).sum()
    assert found.standard_error**2 == pytest.approx(jackknife + alone.standard_error**2 / 2)
    assert (found.clusters, found.other_clusters, found.smaller) == (len(names), 30, len(names))


def test_rows_repeated_within_their_session_change_nothing():
    a, b = rng().random(30), rng(1).random(30)
    once = _arms(a, b)
    tenfold = _arms(
        np.repeat(a, 10), np.repeat(b, 10),
        np.repeat(np.arange(30), 10), np.repeat(np.arange(30, 60), 10),
    )  # fmt: skip
    assert tenfold.standard_error == pytest.approx(once.standard_error)
    assert tenfold.degrees == pytest.approx(once.degrees)


@pytest.mark.parametrize(("rows", "other"), [(0, 5), (1, 5), (5, 0), (0, 0)])
def test_an_arm_of_one_session_has_no_error(rows, other):
    found = _arms(np.full(rows, 0.4), np.full(other, 0.5))
    assert math.isnan(found.standard_error)
    assert math.isnan(found.p_value())
    assert math.isnan(found.reach())
    assert math.isnan(found.reach_of_one_look())
    assert clusters_to_decide(found) is None


def test_equal_arms_without_scatter_do_not_differ():
    found = _arms(np.full(20, 0.5), np.full(20, 0.5))
    assert (found.difference, found.standard_error, found.p_value()) == (0.0, 0.0, 1.0)


@given(st.floats(1, 1e5), st.integers(15, 100_000), st.sampled_from([0.5, 0.1, 0.05, 0.001]))
def test_the_p_value_at_the_boundary_is_its_level(clusters, planned, level):
    reach = anytime_reach(clusters, planned, 1 - level)
    assert anytime_p_value(reach, clusters, planned) == pytest.approx(level, rel=1e-6)
    assert anytime_p_value(1.01 * reach, clusters, planned) < level


def test_the_boundary_is_narrowest_at_the_planned_end_and_near_three_standard_errors_there():
    assert anytime_reach(200, 200) == pytest.approx(3.03, abs=0.01)
    flat = [anytime_reach(200, planned) for planned in range(15, 2_000)]
    assert 15 + int(np.argmin(flat)) == pytest.approx(200, abs=15)


@pytest.mark.parametrize("score", [0.0, 1.5, 4.0])
def test_one_over_the_p_value_is_the_likelihood_ratio_mixed_over_a_normal_effect(score):
    """By numerical integration over effects in standard errors, of variance r."""
    clusters, planned = 80, 200
    r = 8.78 * clusters / planned
    mixed, _ = integrate.quad(
        lambda e: math.exp(score * e - e**2 / 2) * stats.norm.pdf(e, 0, math.sqrt(r)), -40, 40,
        points=[0.0, score],
    )  # fmt: skip
    found = anytime_p_value(score, clusters, planned)
    assert found == pytest.approx(min(1.0, 1 / mixed), rel=1e-3)


def test_interval_and_p_value_decide_alike():
    for seed in range(60):
        found = _arms(rng(seed).random(25) + 0.02 * seed, rng(seed + 100).random(18))
        is_outside = abs(found.difference) > found.reach()
        assert is_outside == (found.p_value() < 0.05)


def test_a_plan_far_away_leaves_all_open():
    found = _arms(rng().random(15), rng(1).random(15))
    assert found.reach(100_000_000) == math.inf
    assert found.p_value(100_000_000) == pytest.approx(1.0, abs=0.01)


def test_clusters_to_decide_are_those_that_detect_the_difference():
    pilot = _arms(rng().normal(0.55, 0.2, 20_000), rng(1).normal(0.5, 0.2, 20_000))
    needed = clusters_to_decide(pilot)
    assert needed is not None
    rows, decided = rng(2), 0
    for _ in range(400):
        found = _arms(rows.normal(pilot.difference, 0.2, needed), rows.normal(0.0, 0.2, needed))
        decided += found.p_value() < 0.05
    assert 0.74 <= decided / 400 <= 0.86
    there = _arms(rows.normal(0.05, 0.2, needed), rows.normal(0.0, 0.2, needed))
    assert detectable_difference(there) == pytest.approx(pilot.difference, rel=0.15)


def test_no_difference_is_never_decided_and_a_huge_one_with_the_fewest():
    same = _arms(np.tile([0.4, 0.6], 20), np.tile([0.4, 0.6], 20))
    assert clusters_to_decide(same) is None
    huge = _arms(np.tile([0.9, 0.91], 20), np.tile([0.1, 0.11], 20))
    assert clusters_to_decide(huge) == FEWEST_CLUSTERS
