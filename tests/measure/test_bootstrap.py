"""Resampling agrees with SciPy's bootstrap, keeps groups together, and few groups widen it."""

import numpy as np
import pytest
from scipy import stats

from project.measure.bootstrap import (
    FEW_BLOCKS,
    block_weights,
    chunk_sizes,
    percentile_interval,
    resampled_sums,
    resampling_blocks,
    widened_interval,
)
from project.measure.paired import paired_bootstrap
from tests.measure.samples import rng


def interval_of_mean(values, groups, seed, replicates=4_000):
    blocks = resampling_blocks(len(values), groups, rng(seed))
    columns = np.column_stack([values, np.ones(len(values))])
    sums = resampled_sums(columns, blocks, replicates, rng(seed))
    low, high = percentile_interval(sums[:, :1] / sums[:, 1:])
    return float(low[0]), float(high[0])


def test_interval_of_a_mean_is_that_of_scipy():
    values = rng().exponential(size=200)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=9_999, method="percentile", rng=rng(1)
    ).confidence_interval
    width = expected.high - expected.low
    low, high = interval_of_mean(values, None, 2)
    assert low == pytest.approx(expected.low, abs=0.05 * width)
    assert high == pytest.approx(expected.high, abs=0.05 * width)


def test_groups_are_drawn_whole():
    weights = block_weights(7, 300, rng())
    assert weights.shape == (300, 7)
    assert (weights.sum(axis=1) == 7).all()
    # One group holds all the ones: every replicate's sum is a multiple of its size.
    groups = np.repeat([0, 1, 2], 10)
    blocks = resampling_blocks(30, groups, rng())
    ones = (groups == 1).astype(float)[:, None]
    assert set(resampled_sums(ones, blocks, 200, rng())[:, 0]) <= {0.0, 10.0, 20.0, 30.0}


def test_clusters_cover_what_rows_alone_do_not():
    hits = {"rows": 0, "groups": 0}
    for seed in range(150):
        group = np.repeat(np.arange(40), 10)
        values = rng(seed).normal(size=40)[group] + rng(seed + 999).normal(size=400)
        for name, groups in (("rows", None), ("groups", group)):
            low, high = interval_of_mean(values, groups, seed, replicates=400)
            hits[name] += low <= 0 <= high
    assert hits["groups"] / 150 >= 0.88
    assert hits["rows"] / 150 <= 0.75


def test_many_rows_are_drawn_in_blocks_of_equal_size():
    blocks = resampling_blocks(10_000, None, rng())
    assert blocks.count == 2_000
    assert set(np.bincount(blocks.of_row)) == {5}


def test_one_group_a_row_is_asked_for():
    with pytest.raises(ValueError, match="Expected 3 groups"):
        resampling_blocks(3, [1, 2], rng())


def test_every_replicate_is_drawn_once():
    assert chunk_sizes(250) == [100, 100, 50]
    assert sum(chunk_sizes(1)) == 1


def test_few_blocks_have_students_interval():
    values = rng().normal(size=5)
    error = values.std() / np.sqrt(5)  # of the replicates, which know the spread of n
    mean = float(values.mean())
    found = widened_interval(mean, mean - error, mean + error, error, 5)
    expected = stats.t.interval(0.95, 4, loc=mean, scale=stats.sem(values))
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_wider_percentile_interval_is_kept_and_one_block_shows_nothing():
    assert widened_interval(0.5, -9.0, 9.0, 0.1, 3) == (-9.0, 9.0)
    assert widened_interval(0.5, 0.4, 0.6, 0.1, FEW_BLOCKS) == (0.4, 0.6)
    assert widened_interval(0.5, 0.4, 0.6, float("nan"), 1) == (-np.inf, np.inf)


def test_three_groups_that_agree_do_not_decide():
    group = np.repeat([0, 1, 2], 200)
    better = np.repeat([0.01, 0.05, 0.12], 200)
    label = rng().normal(size=600)
    noise = rng(1).normal(size=600)
    found = paired_bootstrap(
        label + 0.3 * noise,
        label + (0.3 + better) * noise,
        label,
        "squared_error",
        rng(),
        groups=group,
    )
    assert found.verdict == "undecided"
    alone = paired_bootstrap(
        label + 0.3 * noise, label + (0.3 + better) * noise, label, "squared_error", rng()
    )
    assert alone.verdict == "better"
