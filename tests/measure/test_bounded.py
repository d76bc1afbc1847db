"""Intervals of bounded means are those of exact binomial theory and of random weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from project.measure.bounded import END_WEIGHT, bounded_mean_interval
from tests.measure.samples import rng


def _interval(values, rows=None, **more):
    """Interval of one group; each value is the mean of a cluster."""
    rows = np.ones(len(values)) if rows is None else np.asarray(rows, dtype=float)
    group = np.zeros(len(values), dtype=int)
    low, high = bounded_mean_interval(np.asarray(values) * rows, rows, group, 1, **more)
    return float(low[0]), float(high[0])


@pytest.mark.parametrize(("ones", "rows"), [(0, 20), (3, 20), (20, 20), (1, 1), (600, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.995])
def test_votes_with_a_whole_cluster_at_each_end_get_the_exact_interval(ones, rows, confidence):
    votes = np.repeat([1.0, 0.0], [ones, rows - ones])
    found = _interval(votes, end_weight=1.0, confidence=confidence)
    exact = stats.binomtest(ones, rows).proportion_ci(confidence, method="exact")
    assert found == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize("rows", [1, 3], ids=["single", "clusters"])
def test_the_limits_are_quantiles_under_random_weights(rows):
    values, size = rng().beta(7, 5, 20), np.full(20, rows)
    weights = rng(1).dirichlet(np.append(np.ones(20), END_WEIGHT), 200_000)
    low = np.quantile(weights @ np.append(values, 0.0), 0.025)
    high = np.quantile(weights @ np.append(values, 1.0), 0.975)
    assert _interval(values, size) == pytest.approx((low, high), abs=0.006)


def test_equal_ratings_reach_as_far_as_one_that_was_not_seen():
    low, high = _interval(np.full(20, 0.8))
    assert low == pytest.approx(0.8 * stats.beta.ppf(0.025, 20, END_WEIGHT))
    assert high == pytest.approx(1.0 - 0.2 * stats.beta.ppf(0.025, 20, END_WEIGHT))


@pytest.mark.parametrize("rows", [10, 20, 50])
@pytest.mark.parametrize(("least", "most"), [(0, 1), (0.2, 1), (0.25, 0.75), (0.5, 1), (0, 0.25)])
def test_two_values_are_covered_at_every_share(rows, least, most):
    """Exact: over all numbers of the one value, with their binomial probabilities."""
    counts = np.arange(rows + 1)
    limits = np.array(
        [_interval(np.repeat([most, least], [one, rows - one]).astype(float)) for one in counts]
    )
    for share in np.linspace(0.01, 0.99, 99):
        truth = least + (most - least) * share
        held = (limits[:, 0] <= truth + 1e-12) & (truth - 1e-12 <= limits[:, 1])
        assert stats.binom.pmf(counts, rows, share) @ held >= 0.93


def test_a_cluster_that_holds_most_rows_leaves_nearly_all_open():
    even, uneven = _interval(np.full(20, 0.5)), _interval(np.full(20, 0.5), [400] + [1] * 19)
    assert uneven[0] < even[0] - 0.1
    assert uneven[1] > even[1] + 0.1


def test_groups_do_not_touch_each_other_and_an_empty_one_has_none():
    values = rng().random(30)
    low, high = bounded_mean_interval(values, np.ones(30), np.repeat([0, 2], 15), 3)
    assert (low[0], high[0]) == pytest.approx(_interval(values[:15]))
    assert (low[2], high[2]) == pytest.approx(_interval(values[15:]))
    assert np.isnan([low[1], high[1]]).all()


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.3, 1.0]), st.integers(1, 50)), min_size=1),
    st.sampled_from([0.5, 0.95, 0.999]),
)
def test_the_interval_stays_inside_and_around_the_mean(clusters, confidence):
    values, rows = np.array(clusters).T
    low, high = _interval(values, rows, confidence=confidence)
    mean = float(values @ rows / rows.sum())
    assert 0.0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1.0
    assert high > low
