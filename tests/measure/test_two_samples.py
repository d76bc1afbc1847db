"""Tests of two samples are those of SciPy, and find what they say they find."""

import numpy as np
import pytest
from scipy import stats

from project.measure.two_samples import detectable_shift, kolmogorov_smirnov, rank_sum
from tests.measure.samples import rng


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_distance_and_p_value_are_those_of_scipy(shift):
    a, b = rng().normal(size=300).round(2), rng(1).normal(shift, 1, 400).round(2)
    expected = stats.ks_2samp(a, b, method="asymp")
    distance, p_value = kolmogorov_smirnov(a, b)
    assert distance == pytest.approx(expected.statistic)
    # SciPy rounds the size of the samples to a whole number.
    assert p_value == pytest.approx(expected.pvalue, abs=0.01)


@pytest.mark.parametrize("decimals", [0, 9])
def test_rank_sum_is_that_of_scipy(decimals):
    first = rng().random(200) < 0.4
    score = (first * 0.4 + rng(1).normal(size=200)).round(decimals)
    expected = stats.mannwhitneyu(
        score[first],
        score[~first],
        alternative="greater",
        method="asymptotic",
        use_continuity=False,
    )
    auc, p_value = rank_sum(first, score)
    assert auc == pytest.approx(expected.statistic / (first.sum() * (~first).sum()))
    assert p_value == pytest.approx(expected.pvalue)


def test_an_empty_sample_says_nothing():
    assert np.isnan(kolmogorov_smirnov(np.empty(0), np.ones(3))).all()
    assert np.isnan(rank_sum(np.ones(3, dtype=bool), np.arange(3.0))[1])
    assert detectable_shift(0, 10, 0.05) == float("inf")


def test_a_detectable_shift_is_found_four_times_in_five():
    shift = detectable_shift(200, 200, 0.01)
    found = sum(
        kolmogorov_smirnov(rng(s).normal(size=200), rng(s + 999).normal(shift, 1, 200))[1] < 0.01
        for s in range(300)
    )
    assert 0.74 < found / 300 < 0.92
