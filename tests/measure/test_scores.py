"""Measures of scores are those of scikit-learn, and their intervals cover what they claim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from project.measure.jackknife import Clusters
from project.measure.scores import SCORE_FLOOR, SCORE_METRICS, measure_scores
from tests.measure.samples import make_scores, rng


@pytest.mark.parametrize("rows", [50, 3000, 6000])
@pytest.mark.parametrize("decimals", [None, 1])
def test_point_values_are_those_of_scikit_learn(rows, decimals):
    label, score = make_scores(rows, decimals=decimals)
    report = measure_scores(label, score)
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
        auc = measure_scores(label, score)["roc_auc"]
        hits += auc.low <= 0.7602 <= auc.high
    assert 0.89 <= hits / 200 <= 0.99


def test_leaving_out_of_cells_agrees_with_leaving_out_of_rows():
    label, score = make_scores(500)
    measured = measure_scores(label, score)
    left = np.array(
        [sk.average_precision_score(np.delete(label, i), np.delete(score, i)) for i in range(500)]
    )
    error = np.sqrt((left - left.mean()) @ (left - left.mean()) * 499 / 500)
    ap = measured["pr_auc"]
    slope = ap.value * (1 - ap.value)
    half = stats.t.ppf(0.975, 499) * error / slope
    at = np.log(ap.value / (1 - ap.value))
    expected = 1 / (1 + np.exp(-np.array([at - half, at + half])))
    assert (ap.low, ap.high) == pytest.approx(tuple(expected), abs=0.001)


def test_error_of_calibrated_scores_has_zero_inside_its_interval():
    hits = 0
    for seed in range(60):
        label, score = make_scores(500, seed)
        hits += measure_scores(label, score)["ece"].low == 0
    assert hits >= 54


def test_error_of_miscalibrated_scores_excludes_zero():
    label, score = make_scores(2000)
    ece = measure_scores(label, score**3)["ece"]
    assert ece.low > 0.05
    true = np.mean(np.abs(score - score**3))
    assert ece.low <= true <= ece.high


def test_leaving_out_whole_groups_widens_the_interval():
    draw = rng()
    group = np.repeat(np.arange(50), 40)
    taste = draw.normal(0, 1.5, 50)[group]
    x = draw.normal(size=2000)
    label = (draw.random(2000) < 1 / (1 + np.exp(-x - taste))).astype(int)
    score = 1 / (1 + np.exp(-x))
    alone = measure_scores(label, score)["accuracy"]
    together = measure_scores(label, score, clusters=Clusters.of(group))["accuracy"]
    assert together.value == alone.value
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_clusters_of_one_row_are_rows():
    label, score = make_scores(400)
    alone = measure_scores(label, score)
    clusters = measure_scores(label, score, clusters=Clusters.of(np.arange(400)))
    for name in SCORE_METRICS:
        assert clusters[name].low == pytest.approx(alone[name].low), name


def test_partners_who_recur_widen_the_interval_as_askers_do():
    draw = rng()
    asker, partner = np.divmod(np.arange(1600), 40)
    x = draw.normal(size=1600)
    liked = draw.normal(0, 1.5, 40)[partner]
    label = (draw.random(1600) < 1 / (1 + np.exp(-x - liked))).astype(int)
    score = 1 / (1 + np.exp(-x))

    def width(*ways):
        found = measure_scores(label, score, clusters=Clusters.of(*ways))["accuracy"]
        return found.high - found.low

    assert width(asker, partner) == pytest.approx(width(partner, asker))
    assert width(asker, partner) > 1.2 * width(asker)


def test_below_six_clusters_there_is_a_figure_and_no_interval():
    label, score = make_scores(600)
    five = measure_scores(label, score, clusters=Clusters.of(np.arange(600) % 5))["roc_auc"]
    six = measure_scores(label, score, clusters=Clusters.of(np.arange(600) % 6))["roc_auc"]
    assert five.value == six.value
    assert five.as_dict()["low"] is None
    assert six.low < six.value < six.high


def test_all_rows_right_are_no_proof_that_every_row_is():
    accuracy = measure_scores([0, 1] * 10, [0.1, 0.9] * 10)["accuracy"]
    assert accuracy.value == 1
    assert (accuracy.low, accuracy.high) == pytest.approx(
        proportion_confint(20, 20, method="wilson"), abs=0.02
    )


def test_error_by_chance_is_what_a_perfect_score_shows():
    shown, told = [], []
    for seed in range(80):
        label, score = make_scores(200, seed)
        measured = measure_scores(label, score)
        shown.append(measured["ece"].value)
        told.append(measured["ece_by_chance"].value)
        assert measured["ece_excess"].value == pytest.approx(shown[-1] - told[-1])
    assert np.mean(told) == pytest.approx(np.mean(shown), rel=0.1)


def test_single_row_is_measured():
    assert measure_scores([1], [0.7])["brier"].value == pytest.approx(0.09)


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
        measure_scores(label, score)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.3, 0.5, 1.0])), min_size=1))
def test_every_interval_is_ordered_and_no_input_breaks_it(rows):
    label = np.array([row[0] for row in rows], dtype=int)
    score = np.array([row[1] for row in rows])
    report = measure_scores(label, score)
    for metric in report.metrics.values():
        assert np.isnan(metric.low) or metric.low <= metric.high
