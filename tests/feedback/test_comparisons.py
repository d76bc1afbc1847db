"""Which of several means is best, or that nobody can say."""

import numpy as np
import pytest
from scipy import stats

from feedback.domain.comparisons import NOT_ENOUGH, best_group
from feedback.domain.means import group_means


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(**counts: int) -> np.ndarray:
    return np.repeat(np.array(list(counts), dtype=object), list(counts.values()))


def test_the_best_is_named_when_it_is_above_all_others() -> None:
    rng = _rng()
    y = np.concatenate([rng.beta(8, 4, 200), rng.beta(6, 6, 200), rng.beta(5, 7, 200)])
    best = best_group(group_means(y, _labels(x=200, y=200, z=200)))
    assert (best.verdict, best.label, best.leading) == ("best", "x", ("x",))
    welch = stats.ttest_ind(y[:200], y[200:400], equal_var=False)
    assert best.comparisons[0].p_value == pytest.approx(welch.pvalue, rel=0.5)
    assert best.comparisons[0].p_adjusted == pytest.approx(2 * best.comparisons[0].p_value)


def test_close_groups_lead_together() -> None:
    rng = _rng()
    y = np.concatenate([rng.beta(8, 4, 100), rng.beta(8, 4, 100), rng.beta(3, 9, 100)])
    best = best_group(group_means(y, _labels(x=100, y=100, z=100)))
    assert best.verdict == NOT_ENOUGH
    assert best.label == ""
    assert set(best.leading) == {"x", "y"}


def test_nineteen_perfect_ratings_are_not_compared_and_twenty_are() -> None:
    rng = _rng()
    for count, verdict in ((19, NOT_ENOUGH), (20, "best")):
        y = np.concatenate([np.ones(count), rng.beta(4, 8, 200)])
        best = best_group(group_means(y, _labels(few=count, many=200)))
        assert best.verdict == verdict
        assert best.too_few == (("few",) if count == 19 else ())


def test_one_group_alone_is_not_the_best() -> None:
    best = best_group(group_means(_rng().random(100), _labels(x=100)))
    assert best.verdict == NOT_ENOUGH
    assert "nothing to compare" in best.reason
    assert best_group(group_means([], [])).leading == ()


def test_equal_groups_have_a_best_in_at_most_one_of_twenty_data_sets() -> None:
    rng, found = _rng(), 0
    for _ in range(300):
        means = group_means(rng.beta(7, 5, 160), _labels(a=40, b=40, c=40, d=40))
        found += best_group(means).verdict == "best"
    assert found <= 15


def test_twenty_rows_of_two_sessions_are_not_compared() -> None:
    y = np.concatenate([np.ones(20), _rng().beta(4, 8, 200)])
    sessions = np.concatenate([np.repeat([0, 1], 10), np.arange(2, 202)])
    best = best_group(group_means(y, _labels(few=20, many=200), sessions))
    assert (best.verdict, best.too_few) == (NOT_ENOUGH, ("few",))
    assert "20 sessions" in best.reason


@pytest.mark.slow
def test_equal_groups_of_sessions_have_a_best_in_at_most_one_of_twenty_data_sets() -> None:
    rng, found = _rng(), 0
    session = np.repeat(np.arange(120), 5)
    labels = np.array(["a", "b", "c", "d"], dtype=object)[session % 4]
    for _ in range(300):
        y = np.clip(0.6 + 0.15 * rng.normal(size=120)[session] + 0.1 * rng.normal(size=600), 0, 1)
        found += best_group(group_means(y, labels, session)).verdict == "best"
    assert found <= 15
