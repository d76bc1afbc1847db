"""Means of groups, against closed forms, brute force and known truths."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from feedback.domain.means import group_means


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(**counts: int) -> np.ndarray:
    return np.repeat(np.array(list(counts), dtype=object), list(counts.values()))


def test_group_means_are_those_of_pandas_in_any_order() -> None:
    rng = _rng()
    y = rng.random(500)
    labels = rng.choice(np.array(["a", "b", "c"], dtype=object), 500)
    y[::17] = np.nan
    means = group_means(y, labels)
    expected = pd.Series(y).groupby(labels)
    assert means.labels == ("a", "b", "c")
    np.testing.assert_allclose(means.mean, expected.mean())
    np.testing.assert_array_equal(means.count, expected.count())
    np.testing.assert_array_equal(means.missing, expected.size() - expected.count())
    shuffled = rng.permutation(500)
    again = group_means(y[shuffled], labels[shuffled])
    np.testing.assert_allclose(again.low, means.low)


def test_many_votes_of_zero_and_one_get_an_interval_inside_the_exact_one_and_around_wilsons() -> (
    None
):
    means = group_means(np.repeat([1.0, 0.0], [600, 400]))
    exact = stats.binomtest(600, 1000).proportion_ci(method="exact")
    wilson = stats.binomtest(600, 1000).proportion_ci(method="wilson")
    assert exact.low < means.low[0] < wilson.low
    assert wilson.high < means.high[0] < exact.high


def test_many_spread_values_get_the_interval_of_student() -> None:
    y = _rng().beta(7, 5, 2_000)
    means = group_means(y)
    student = stats.t.interval(0.95, len(y) - 1, y.mean(), stats.sem(y))
    np.testing.assert_allclose([means.low[0], means.high[0]], student, atol=3e-4)


def test_equal_ratings_do_not_prove_that_the_next_one_is_equal() -> None:
    alone = group_means(np.ones(3))
    assert alone.low[0] < 0.6
    assert alone.high[0] == 1.0
    beside_others = group_means(
        np.concatenate([np.ones(3), _rng().integers(0, 2, 200)]), _labels(same=3, mixed=200)
    )
    assert beside_others.low[1] < 0.65


@pytest.mark.parametrize("size", [10, 30, 100])
@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        pytest.param(lambda rng, n: rng.beta(7.2, 4.8, n), 0.6, id="spread"),
        pytest.param(lambda rng, n: rng.binomial(1, 0.6, n), 0.6, id="votes"),
        pytest.param(lambda rng, n: rng.binomial(1, 0.95, n), 0.95, id="rare"),
        pytest.param(lambda rng, n: rng.choice([0, 0.5, 1], n, p=[0.2, 0.3, 0.5]), 0.65, id="ties"),
    ],
)
def test_intervals_hold_the_truth_about_19_times_of_20(draw, truth: float, size: int) -> None:
    rng, held = _rng(), []
    for _ in range(200):
        means = group_means(draw(rng, 4 * size), _labels(a=size, b=size, c=size, d=size))
        held.extend((means.low <= truth) & (truth <= means.high))
    assert 0.925 <= np.mean(held) <= 1.0


def test_rows_of_one_session_do_not_count_as_opinions_of_their_own() -> None:
    rng, held, held_by_rows = _rng(), [], []
    sessions = np.repeat(np.arange(20), 5)
    for _ in range(300):
        y = np.clip(0.6 + 0.1 * rng.normal(size=20)[sessions] + 0.1 * rng.normal(size=100), 0, 1)
        for into, clusters in ((held, sessions), (held_by_rows, None)):
            means = group_means(y, None, clusters)
            into.append(means.low[0] <= 0.6 <= means.high[0])
    assert np.mean(held) >= 0.925
    assert np.mean(held_by_rows) < 0.85


def test_rows_without_a_session_are_clusters_of_their_own() -> None:
    y = _rng().random(60)
    clusters = np.array([None, "", np.nan] * 20, dtype=object)
    alone = group_means(y)
    assert group_means(y, None, clusters).clusters[0] == 60
    assert group_means(y, None, clusters).low[0] == pytest.approx(alone.low[0])


def test_missing_values_and_labels_are_counted_and_change_nothing() -> None:
    y, labels = _rng().random(40), _labels(a=20, b=20)
    plain = group_means(y, labels)
    more = group_means(
        np.concatenate([y, [np.nan, np.nan, 0.1, 0.2]]),
        np.concatenate([labels, np.array(["a", None, None, ""], dtype=object)]),
    )
    np.testing.assert_array_equal(more.missing, [1, 0])
    assert more.unlabelled == 2
    np.testing.assert_allclose(more.low, plain.low)


def test_nothing_has_no_interval_and_one_session_hardly_any() -> None:
    nothing = group_means([], order=["all"])
    assert nothing.count[0] == 0
    assert np.isnan([nothing.mean[0], nothing.low[0], nothing.high[0]]).all()
    one = group_means([0.4, 0.4, 0.4], None, ["a", "a", "a"])
    assert one.mean[0] == pytest.approx(0.4)
    assert one.high[0] - one.low[0] > 0.9


def test_values_outside_the_unit_range_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1, got 75"):
        group_means([0.5, 75.0])


@given(
    arrays(float, st.integers(0, 60), elements=st.sampled_from([0.0, 0.25, 1.0, np.nan])),
    st.integers(1, 5),
)
def test_intervals_stay_inside_and_around_the_mean(y: np.ndarray, groups: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        means = group_means(y, [f"g{n % groups}" for n in range(len(y))])
    known = ~np.isnan(means.low)
    assert (means.low[known] >= 0).all()
    assert (means.high[known] <= 1).all()
    assert (means.low[known] <= means.mean[known] + 1e-12).all()
    assert (means.high[known] >= means.mean[known] - 1e-12).all()
    assert (means.high[known] > means.low[known]).all()
    assert int(means.count.sum() + means.missing.sum()) == len(y)
