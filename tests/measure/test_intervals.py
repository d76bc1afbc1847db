"""Intervals and corrections are those of statsmodels and SciPy."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint

from project.measure.intervals import (
    cluster_mean,
    detectable,
    holm,
    json_number,
    normal_reach,
    rows_to_decide,
    score_interval,
    student_p_value,
    student_reach,
)
from tests.measure.samples import rng


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_quantiles_are_those_of_scipy(confidence):
    upper = 0.5 + confidence / 2
    assert normal_reach(confidence) == pytest.approx(stats.norm.ppf(upper), rel=1e-12)
    for degrees in (1, 2.5, 9, 1e6):
        expected = stats.t.ppf(upper, degrees)
        assert student_reach(degrees, confidence) == pytest.approx(expected, rel=1e-9)
    assert student_reach(math.inf, confidence) == pytest.approx(normal_reach(confidence))


@pytest.mark.parametrize("statistic", [-3.0, 0.0, 0.4, 8.0])
def test_p_value_is_that_of_scipy(statistic):
    expected = 2 * stats.t.sf(abs(statistic), 7)
    assert student_p_value(statistic, 7) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99]))
def test_interval_of_a_share_is_wilsons(rows, part, confidence):
    count = round(part * rows)
    low, high = score_interval(count / rows, rows, confidence=confidence)
    expected = proportion_confint(count, rows, alpha=1 - confidence, method="wilson")
    assert (float(low), float(high)) == pytest.approx(expected, abs=1e-9)


def test_interval_of_an_unknown_share_is_unknown():
    assert np.isnan(score_interval(np.nan, 50)[0])


@pytest.mark.parametrize("n_clusters", [2, 5, 40])
def test_mean_over_clusters_is_that_of_statsmodels(n_clusters):
    cluster = rng().integers(0, n_clusters, 300)
    cluster[:n_clusters] = np.arange(n_clusters)
    values = rng(1).normal(size=300) + 0.5 * rng(2).normal(size=n_clusters)[cluster]
    found = cluster_mean(values, cluster)
    # statsmodels multiplies by (n - 1) / (n - k) too, which is 1 for a mean.
    fit = sm.OLS(values, np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True
    )
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-9)


def test_one_cluster_has_a_mean_and_no_interval():
    found = cluster_mean(np.array([1.0, 3.0]), [5, 5])
    assert found.value == 2.0
    assert np.isnan(found.low)
    assert np.isnan(cluster_mean(np.empty(0), []).value)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_holm_is_that_of_statsmodels(count):
    p_values = rng(count).beta(0.4, 2, count).round(2)
    expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected.tolist(), abs=1e-12)


def test_an_unknown_p_value_does_not_count():
    assert holm([0.01, float("nan"), 0.02])[0] == pytest.approx(0.02)
    assert np.isnan(holm([float("nan")])[0])


def test_rows_to_decide_are_those_of_statsmodels():
    # Two samples of n rows and variance 1: the error of their difference is sqrt(2 / n).
    expected = NormalIndPower().solve_power(0.3, alpha=0.05, power=0.8)
    found = rows_to_decide(0.3, math.sqrt(2 / 100), 100)
    assert found == pytest.approx(expected, abs=1)
    assert detectable(math.sqrt(2 / found)) == pytest.approx(0.3, rel=0.01)


def test_rows_to_decide_grow_with_the_square_of_the_error():
    assert rows_to_decide(0.028, 0.01, 200) == pytest.approx(200, abs=2)
    few, many = rows_to_decide(0.02, 0.01, 200), rows_to_decide(0.01, 0.01, 200)
    assert many == pytest.approx(4 * few, rel=0.01)
    assert rows_to_decide(0.0, 0.01, 200) is None
    assert rows_to_decide(float("nan"), 0.01, 200) is None


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), -float("inf")])
def test_json_has_null_where_a_figure_does_not_exist(nothing):
    assert json_number(nothing) is None
    assert json_number(np.float32(0.5)) == 0.5
