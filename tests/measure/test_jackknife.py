"""Leaving out clusters gives the standard errors of statsmodels, in one way and in two."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from project.measure.intervals import figure_interval
from project.measure.jackknife import (
    BLOCKS,
    Clusters,
    block_sums,
    influence_variance,
    jackknife,
)
from tests.measure.samples import rng


def rows_of(askers=30, partners=20):
    draw = rng()
    asker, partner = np.divmod(np.arange(askers * partners), partners)
    values = draw.normal(size=askers)[asker] + draw.normal(size=partners)[partner]
    return asker, partner, values + draw.normal(size=len(asker))


def mean_without(values):
    def leave_out(block, n_blocks):
        sums = block_sums([np.ones_like(values), values], block, n_blocks)
        left = sums.sum(axis=0) - sums
        return left[:, 1:] / left[:, :1]

    return leave_out


def test_one_way_is_the_cluster_robust_variance_of_statsmodels():
    asker, _, values = rows_of()
    fit = sm.OLS(values, np.ones_like(values)).fit(
        cov_type="cluster", cov_kwds={"groups": asker, "df_correction": False}
    )
    found = jackknife(mean_without(values), Clusters.of(asker), len(values))
    assert found[0] == pytest.approx(fit.bse[0] ** 2, rel=1e-9)


def test_two_ways_are_those_of_statsmodels():
    asker, partner, values = rows_of()
    fit = sm.OLS(values, np.ones_like(values)).fit()
    expected = cov_cluster_2groups(fit, asker, partner, use_correction=False)[0][0, 0]
    clusters = Clusters.of(asker, partner)
    found = jackknife(mean_without(values), clusters, len(values))
    assert found[0] == pytest.approx(expected, rel=0.06)  # G / (G - 1) of each part
    assert influence_variance(values - values.mean(), clusters) == pytest.approx(found[0], rel=0.01)


def test_the_variance_of_a_mean_is_that_of_leaving_out_uneven_clusters():
    way = np.repeat(np.arange(9), [120, 60, 30, 12, 6, 6, 3, 2, 1])
    values = rng(4).normal(size=9)[way] + rng(5).normal(size=len(way))
    left = np.array([values[way != one].mean() for one in range(9)])
    expected = 8 / 9 * ((left - left.mean()) ** 2).sum()
    clusters = Clusters.of(way)
    found = influence_variance(values - values.mean(), clusters)
    assert found == pytest.approx(expected)
    assert found == pytest.approx(jackknife(mean_without(values), clusters, len(values))[0])


def test_two_ways_are_never_below_the_larger_one():
    draw = rng(3)
    asker, partner = np.divmod(np.arange(400), 20)
    for _ in range(20):
        values = draw.normal(size=400)
        values -= values.mean()
        both = influence_variance(values, Clusters.of(asker, partner))
        for way in (asker, partner):
            assert both >= influence_variance(values, Clusters.of(way))


def test_many_clusters_are_left_out_in_blocks_by_lot():
    values = rng().normal(size=5_000)
    found = jackknife(mean_without(values), Clusters(), len(values))
    assert found[0] == pytest.approx(values.var() / 5_000, rel=0.15)
    again = jackknife(mean_without(values), Clusters(), len(values))
    assert found[0] == again[0]


def test_degrees_are_the_effective_clusters_of_the_poorer_way_less_one():
    even = np.arange(120) % 12
    uneven = np.repeat(np.arange(12), [109, *[1] * 11])
    assert Clusters.of(even).degrees(120) == 11
    assert Clusters.of(uneven).degrees(120) == 1
    assert Clusters.of(np.arange(120), even).degrees(120) == 11
    assert Clusters().degrees(1_000_000) == BLOCKS - 1
    assert np.isnan(Clusters.of(np.arange(120) % 5).degrees(120))


def test_clusters_of_some_rows_are_numbered_anew():
    clusters = Clusters.of([7, 7, 3, 9], ["a", "b", "b", "c"])
    assert clusters.counts() == (3, 3)
    assert clusters.where(np.array([True, False, False, True])).counts() == (2, 2)


@pytest.mark.parametrize("scale", ["share", "loss", "r2", "correlation"])
def test_intervals_stay_inside_the_range_of_the_figure(scale):
    ends = {"share": (0, 1), "loss": (0, np.inf), "r2": (-np.inf, 1), "correlation": (-1, 1)}
    low, high = ends[scale]
    for value in (0.01, 0.5, 0.99):
        for variance in (1e-6, 0.01, 100.0):
            found = figure_interval(value, variance, 7, scale)
            assert low <= found.low <= value <= found.high <= high
