"""Measures of scores are those of scikit-learn, and their intervals cover what they claim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from project.measure.scores import SCORE_FLOOR, measure_scores
from tests.measure.samples import make_scores, rng


@pytest.mark.parametrize("rows", [50, 3000, 6000])
@pytest.mark.parametrize("decimals", [None, 1])
def test_point_values_are_those_of_scikit_learn(rows, decimals):
    label, score = make_scores(rows, decimals=decimals)
    report = measure_scores(label, score, rng=rng(), replicates=20)
    called = score >= 0.5
    expected = {
        "roc_auc": sk.roc_auc_score(label, score),
        "pr_auc": sk.average_precision_score(label, score),
        "accuracy": sk.accuracy_score(label, called),
        "precision": sk.precision_score(label, called),
        "recall": sk.recall_score(label, called),
        "f1": sk.f1_score(label, called),
        "brier": sk.brier_score_loss(label, score),
    }
    for name, value in expected.items():
        assert report[name].value == pytest.approx(value), name
    inside = np.clip(score, SCORE_FLOOR, 1 - SCORE_FLOOR)
    assert report["log_loss"].value == pytest.approx(sk.log_loss(label, inside))


def test_auc_interval_covers_the_true_value_nineteen_times_in_twenty():
    # Normal scores one apart: the true AUC is Phi(1 / sqrt 2) = 0.7602 whatever map they pass.
    hits = 0
    for seed in range(200):
        draw = rng(seed)
        label = np.repeat([0, 1], [60, 40])
        score = 1 / (1 + np.exp(-(draw.normal(size=100) + label)))
        auc = measure_scores(label, score, rng=draw, replicates=200)["roc_auc"]
        hits += auc.low <= 0.7602 <= auc.high
    assert 0.89 <= hits / 200 <= 0.99


def test_intervals_over_cells_agree_with_intervals_over_rows():
    label, score = make_scores(8000)
    by_cell = measure_scores(label, score, rng=rng(1), replicates=800)
    by_row = measure_scores(label, score, rng=rng(2), replicates=800, exact_rows=10_000)
    for name, metric in by_row.metrics.items():
        width = metric.high - metric.low
        assert by_cell[name].value == pytest.approx(metric.value), name
        assert by_cell[name].low == pytest.approx(metric.low, abs=0.15 * width), name
        assert by_cell[name].high == pytest.approx(metric.high, abs=0.15 * width), name


def test_error_of_calibrated_scores_has_zero_inside_its_interval():
    hits = 0
    for seed in range(60):
        label, score = make_scores(500, seed)
        hits += measure_scores(label, score, rng=rng(seed), replicates=100)["ece"].low == 0
    assert hits >= 54


def test_error_of_miscalibrated_scores_excludes_zero():
    label, score = make_scores(2000)
    ece = measure_scores(label, score**3, rng=rng())["ece"]
    assert ece.low > 0.05
    true = np.mean(np.abs(score - score**3))
    assert ece.low <= true <= ece.high


def test_resampling_whole_groups_widens_the_interval():
    draw = rng()
    group = np.repeat(np.arange(50), 40)
    taste = draw.normal(0, 1.5, 50)[group]
    x = draw.normal(size=2000)
    label = (draw.random(2000) < 1 / (1 + np.exp(-x - taste))).astype(int)
    score = 1 / (1 + np.exp(-x))
    alone = measure_scores(label, score, rng=rng(1))["accuracy"]
    together = measure_scores(label, score, rng=rng(1), groups=group)["accuracy"]
    assert together.value == alone.value
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_groups_of_one_row_are_rows():
    label, score = make_scores(1000)
    alone = measure_scores(label, score, rng=rng(1), replicates=800)["roc_auc"]
    groups = measure_scores(label, score, rng=rng(1), groups=np.arange(1000), replicates=800)
    assert groups["roc_auc"].low == pytest.approx(alone.low, abs=0.004)
    assert groups["roc_auc"].high == pytest.approx(alone.high, abs=0.004)


def test_single_row_is_measured():
    assert measure_scores([1], [0.7], rng=rng())["brier"].value == pytest.approx(0.09)


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        ([], [], "not empty"),
        ([0, 1], [0.5], "same length"),
        ([0, 1], [0.5, np.nan], "finite"),
        ([0, 1], [0.5, 1.5], r"in \[0, 1\]"),
        ([0, 2], [0.5, 0.5], "labels of 0 and 1"),
    ],
)
def test_impossible_input_is_refused(label, score, message):
    with pytest.raises(ValueError, match=message):
        measure_scores(label, score, rng=rng())


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.3, 0.5, 1.0])), min_size=1))
def test_every_interval_is_ordered_and_no_input_breaks_it(rows):
    label = np.array([row[0] for row in rows], dtype=int)
    score = np.array([row[1] for row in rows])
    report = measure_scores(label, score, rng=rng(), replicates=20)
    for metric in report.metrics.values():
        assert np.isnan(metric.low) or metric.low <= metric.high
