"""How far a column moved: figures by hand, chance, and histograms of other ranges."""

import math

import numpy as np
import pytest
from scipy import stats

from training.domain.drift import Histogram, stability


def histogram(values: np.ndarray, low: float = 0.0, high: float = 1.0) -> Histogram:
    counts = np.histogram(values, 20, (low, high))[0]
    return {"low": low, "high": high, "counts": counts.tolist()}


def bins(*counts: int) -> Histogram:
    return {"low": 0.0, "high": 1.0, "counts": list(counts)}


def test_the_index_is_the_sum_over_bins_that_the_books_give() -> None:
    found = stability(bins(30, 70), bins(50, 50))
    by_hand = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)
    assert found.psi == pytest.approx(by_hand)
    assert found.distance == pytest.approx(0.2)
    assert found.by_chance == pytest.approx(stats.chi2.isf(0.05, 1) * (1 / 100 + 1 / 100))
    assert found.verdict == "moved"
    assert stability(bins(50, 50), bins(30, 70)).psi == pytest.approx(by_hand)


def test_equal_histograms_did_not_move_however_many_rows() -> None:
    found = stability(bins(5, 0, 95), bins(50, 0, 950))
    assert (found.psi, found.distance, found.verdict) == (0.0, 0.0, "stable")
    assert stability(bins(7), bins(3)).verdict == "stable"


def test_a_bin_that_is_empty_on_one_side_gives_a_finite_index() -> None:
    found = stability(bins(100, 0), bins(0, 100))
    assert math.isfinite(found.psi)
    assert (found.distance, found.verdict) == (1.0, "moved far")


def test_a_side_without_rows_has_no_figure_and_no_verdict() -> None:
    found = stability(bins(0, 0), bins(1, 2))
    assert math.isnan(found.psi)
    assert found.verdict == "stable"


def test_few_rows_that_differ_by_chance_alone_did_not_move() -> None:
    rng = np.random.default_rng(3)
    found = stability(histogram(rng.uniform(size=30)), histogram(rng.uniform(size=30)))
    assert found.psi > 0.1
    assert found.verdict == "stable"


def test_the_distance_is_at_most_that_of_kolmogorov_and_smirnov() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.beta(2, 3, 500), rng.beta(3, 2, 400)
    found = stability(histogram(a), histogram(b))
    exact = stats.ks_2samp(a, b).statistic
    assert exact - 0.1 < found.distance <= exact


def test_histograms_of_other_ranges_are_laid_over_each_other() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.uniform(0, 50, 20_000), rng.uniform(0, 100, 20_000)
    found = stability(histogram(a, 0, 50), histogram(b, 0, 100))
    assert not found.is_exact
    assert found.distance == pytest.approx(0.5, abs=0.02)
    same = stability(histogram(b, 0, 100), histogram(b[b < 99], 0, 99))
    assert same.verdict == "stable"
    constant = stability(bins(3, 0), {"low": 5.0, "high": 5.0, "counts": [4, 0]})
    assert constant.distance == 1.0


def test_the_more_columns_are_looked_at_the_more_chance_is_given() -> None:
    one, many = (stability(bins(30, 70), bins(50, 50), columns=n) for n in (1, 13))
    assert many.by_chance > one.by_chance
    assert many.psi == one.psi


@pytest.mark.slow
def test_chance_is_exceeded_in_about_five_of_a_hundred_comparisons() -> None:
    rng = np.random.default_rng(11)
    beyond = 0
    for _ in range(2_000):
        a, b = rng.beta(2, 2, 1_000), rng.beta(2, 2, 800)
        found = stability(histogram(a), histogram(b))
        beyond += found.psi > found.by_chance
    assert 0.03 < beyond / 2_000 < 0.08
