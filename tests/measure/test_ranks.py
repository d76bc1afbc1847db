"""Ranks and their correlation are those of SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from project.measure.errors import measure_errors
from project.measure.jackknife import Clusters
from project.measure.ranks import average_ranks, rank_correlation, rank_correlation_influence
from tests.measure.samples import rng


@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, 3.0, np.inf]), max_size=30))
def test_ranks_are_those_of_scipy(values):
    array = np.array(values, dtype=np.float64)
    assert average_ranks(array).tolist() == stats.rankdata(array).tolist()


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_correlation_is_that_of_scipy(decimals):
    x = rng().normal(size=500).round(decimals)
    y = (x + rng(1).normal(size=500)).round(decimals)
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_rows_without_a_value_are_left_out():
    x = np.array([1.0, np.nan, 2.0, 3.0, np.inf])
    y = np.array([2.0, 9.0, 4.0, 8.0, -1.0])
    assert rank_correlation(x, y) == pytest.approx(1.0)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([], [])])
def test_too_few_or_constant_values_have_none(x, y):
    assert np.isnan(rank_correlation(np.array(x, dtype=float), np.array(y, dtype=float)))


@pytest.mark.parametrize("decimals", [1, 9])
def test_influence_is_what_leaving_a_row_out_does(decimals):
    x = rng().normal(size=150).round(decimals)
    y = x + rng(1).normal(size=150)
    rho, influence = rank_correlation_influence(x, y)
    left = [stats.spearmanr(np.delete(x, i), np.delete(y, i)).statistic for i in range(150)]
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert influence == pytest.approx(149 * (rho - np.array(left)), abs=0.03)
    assert influence.mean() == pytest.approx(0, abs=1e-12)


def test_interval_covers_the_true_correlation_nineteen_times_in_twenty():
    # Spearman's rho of a bivariate normal of correlation r is 6 / pi asin(r / 2).
    true = 6 / np.pi * np.arcsin(0.3)
    hits = 0
    for seed in range(300):
        x = rng(seed).normal(size=60)
        y = 0.6 * x + 0.8 * rng(seed + 1_000).normal(size=60)
        found = measure_errors(y, x)["spearman"]
        hits += found.low <= true <= found.high
    assert 0.92 <= hits / 300 <= 0.98


def test_three_clusters_say_nothing():
    found = measure_errors(
        np.arange(50.0), rng().normal(size=50), clusters=Clusters.of(np.arange(50) % 3)
    )["spearman"]
    assert np.isfinite(found.value)
    assert np.isnan(found.low)
