"""Metrics are those of scikit-learn, and their intervals cover what they claim to cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from training.domain import evaluation
from training.domain.evaluation import (
    evaluate_classifier,
    evaluate_regressor,
    paired_bootstrap,
    roc_auc,
    rows_to_decide,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def make_scores(rows, seed=0, decimals=None):
    draw = rng(seed)
    score = draw.beta(2, 2, rows)
    label = (draw.random(rows) < score).astype(int)
    return label, score if decimals is None else np.round(score, decimals)


@pytest.mark.parametrize("rows", [50, 3000, 6000])
@pytest.mark.parametrize("decimals", [None, 1])
def test_point_values_are_those_of_scikit_learn(rows, decimals):
    label, score = make_scores(rows, decimals=decimals)
    report = evaluate_classifier(label, score, rng=rng(), replicates=20)
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
    inside = np.clip(score, evaluation.SCORE_FLOOR, 1 - evaluation.SCORE_FLOOR)
    assert report["log_loss"].value == pytest.approx(sk.log_loss(label, inside))
    assert roc_auc(label, score) == pytest.approx(expected["roc_auc"])


def test_auc_interval_covers_the_true_value_nineteen_times_in_twenty():
    # Normal scores one apart: the true AUC is Phi(1 / sqrt 2) = 0.7602 whatever map they pass.
    hits = 0
    for seed in range(200):
        draw = rng(seed)
        label = np.repeat([0, 1], [60, 40])
        score = 1 / (1 + np.exp(-(draw.normal(size=100) + label)))
        auc = evaluate_classifier(label, score, rng=draw, replicates=200)["roc_auc"]
        hits += auc.low <= 0.7602 <= auc.high
    assert 0.89 <= hits / 200 <= 0.99


def test_intervals_over_cells_agree_with_intervals_over_rows(monkeypatch):
    label, score = make_scores(8000)
    by_cell = evaluate_classifier(label, score, rng=rng(1), replicates=800)
    monkeypatch.setattr(evaluation, "EXACT_ROWS", 10_000)
    by_row = evaluate_classifier(label, score, rng=rng(2), replicates=800)
    for name, metric in by_row.metrics.items():
        width = metric.high - metric.low
        assert by_cell[name].value == pytest.approx(metric.value), name
        assert by_cell[name].low == pytest.approx(metric.low, abs=0.15 * width), name
        assert by_cell[name].high == pytest.approx(metric.high, abs=0.15 * width), name


def test_error_of_calibrated_scores_has_zero_inside_its_interval():
    hits = 0
    for seed in range(60):
        label, score = make_scores(500, seed)
        hits += evaluate_classifier(label, score, rng=rng(seed), replicates=100)["ece"].low == 0
    assert hits >= 54


def test_error_of_miscalibrated_scores_excludes_zero():
    label, score = make_scores(2000)
    ece = evaluate_classifier(label, score**3, rng=rng())["ece"]
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
    alone = evaluate_classifier(label, score, rng=rng(1))["accuracy"]
    together = evaluate_classifier(label, score, rng=rng(1), groups=group)["accuracy"]
    assert together.value == alone.value
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_groups_of_one_row_are_rows():
    label, score = make_scores(1000)
    alone = evaluate_classifier(label, score, rng=rng(1), replicates=800)["roc_auc"]
    groups = evaluate_classifier(label, score, rng=rng(1), groups=np.arange(1000), replicates=800)
    assert groups["roc_auc"].low == pytest.approx(alone.low, abs=0.004)
    assert groups["roc_auc"].high == pytest.approx(alone.high, abs=0.004)


def test_one_label_has_no_auc_and_is_not_an_error():
    report = evaluate_classifier([1, 1, 1], [0.2, 0.5, 0.7], rng=rng())
    assert report.as_dict()["roc_auc"] == {"value": None, "low": None, "high": None}
    assert report["accuracy"].value == pytest.approx(2 / 3)


def test_single_row_is_measured():
    assert evaluate_classifier([1], [0.7], rng=rng())["brier"].value == pytest.approx(0.09)


def test_constant_score_has_chance_auc_and_no_width():
    label, _ = make_scores(400)
    report = evaluate_classifier(label, np.full(400, 0.5), rng=rng())
    assert report["roc_auc"].value == 0.5
    assert report["roc_auc"].low == report["roc_auc"].high == 0.5
    assert report.spread["width_05_95"] == 0
    assert report.spread["most_frequent_share"] == 1
    assert report.spread["coverage_030_070"] == 0


def test_tables_account_for_every_row():
    label, score = make_scores(5000)
    report = evaluate_classifier(label, score, rng=rng(), replicates=10)
    assert sum(report.histogram) == 5000
    assert len(report.histogram) == 20
    assert sum(row["rows"] for row in report.calibration) == 5000
    assert all(row["low"] <= row["label_share"] <= row["high"] for row in report.calibration)
    assert report.spread["coverage_030_070"] == 1


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
        evaluate_classifier(label, score, rng=rng())


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.3, 0.5, 1.0])), min_size=1))
def test_every_interval_is_ordered_and_no_input_breaks_it(rows):
    label = np.array([row[0] for row in rows], dtype=int)
    score = np.array([row[1] for row in rows])
    report = evaluate_classifier(label, score, rng=rng(), replicates=20)
    for metric in report.metrics.values():
        assert np.isnan(metric.low) or metric.low <= metric.high


@pytest.mark.parametrize("rows", [300, 9000])
def test_regression_values_are_those_of_scikit_learn(rows):
    draw = rng()
    target = draw.normal(50, 10, rows)
    prediction = target + draw.normal(0, 5, rows)
    report = evaluate_regressor(
        target, prediction, rng=draw, low=prediction - 8.2, high=prediction + 8.2
    )
    assert report["mae"].value == pytest.approx(sk.mean_absolute_error(target, prediction))
    assert report["rmse"].value == pytest.approx(sk.root_mean_squared_error(target, prediction))
    assert report["r2"].value == pytest.approx(sk.r2_score(target, prediction))
    assert report["interval_coverage"].value == pytest.approx(0.9, abs=0.04)
    for metric in report.metrics.values():
        assert metric.low - 1e-9 <= metric.value <= metric.high + 1e-9
    # The standard error of an RMSE of normal errors is sigma / sqrt(2 n).
    width = report["rmse"].high - report["rmse"].low
    assert width == pytest.approx(2 * 1.96 * 5 / np.sqrt(2 * rows), rel=0.25)


def test_constant_target_has_no_r2():
    report = evaluate_regressor(np.full(20, 3.0), np.linspace(0, 1, 20), rng=rng())
    assert report.as_dict()["r2"]["value"] is None
    assert report.as_dict()["spearman"]["value"] is None


@pytest.mark.parametrize("metric", ["roc_auc", "brier", "log_loss"])
def test_paired_bootstrap_agrees_with_plain_resampling(metric):
    label, score = make_scores(400)
    other = np.clip(score + rng(5).normal(0, 0.2, 400), 0.01, 0.99)
    found = paired_bootstrap(score, other, label, metric, rng(1), replicates=2000)
    measure = {
        "roc_auc": sk.roc_auc_score,
        "brier": sk.brier_score_loss,
        "log_loss": sk.log_loss,
    }[metric]
    draw = rng(2)
    plain = []
    for _ in range(600):
        rows = draw.integers(0, 400, 400)
        plain.append(measure(label[rows], score[rows]) - measure(label[rows], other[rows]))
    assert found.difference == pytest.approx(measure(label, score) - measure(label, other))
    assert found.standard_error == pytest.approx(np.std(plain), rel=0.12)
    low, high = np.quantile(plain, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.2 * (high - low))
    assert found.high == pytest.approx(high, abs=0.2 * (high - low))
    assert found.verdict == "better"


def test_blocks_of_rows_agree_with_rows(monkeypatch):
    label, score = make_scores(8000)
    other = np.clip(score + rng(5).normal(0, 0.1, 8000), 0, 1)
    by_block = paired_bootstrap(score, other, label, "roc_auc", rng(1))
    monkeypatch.setattr(evaluation, "EXACT_ROWS", 10_000)
    by_row = paired_bootstrap(score, other, label, "roc_auc", rng(2))
    assert by_block.difference == by_row.difference
    assert by_block.standard_error == pytest.approx(by_row.standard_error, rel=0.1)


def test_verdict_is_said_of_the_first_score():
    label, score = make_scores(2000)
    noise = rng(3).random(2000)
    for metric in ("roc_auc", "brier"):
        assert paired_bootstrap(score, noise, label, metric, rng()).verdict == "better"
        assert paired_bootstrap(noise, score, label, metric, rng()).verdict == "worse"
        same = paired_bootstrap(score, score, label, metric, rng())
        assert same.verdict == "undecided"
        assert same.rows_to_decide is None
        assert same.p_value == 1


def test_equal_scores_are_called_different_one_time_in_twenty():
    wrong = 0
    for seed in range(200):
        draw = rng(seed)
        label = draw.integers(0, 2, 200)
        a, b = label + draw.normal(0, 2, 200), label + draw.normal(0, 2, 200)
        found = paired_bootstrap(a, b, label, "roc_auc", draw, replicates=300)
        wrong += found.verdict != "undecided"
    assert wrong <= 22


def test_one_label_leaves_the_comparison_undecided():
    found = paired_bootstrap([0.1, 0.2], [0.3, 0.1], [1, 1], "roc_auc", rng())
    assert found.verdict == "undecided"
    assert found.as_dict()["difference"] is None


def test_rows_to_decide_grow_with_the_square_of_the_error():
    assert rows_to_decide(0.028, 0.01, 200) == pytest.approx(200, abs=2)
    few, many = rows_to_decide(0.02, 0.01, 200), rows_to_decide(0.01, 0.01, 200)
    assert many == pytest.approx(4 * few, rel=0.01)
    assert rows_to_decide(0.0, 0.01, 200) is None
    assert rows_to_decide(float("nan"), 0.01, 200) is None


def test_same_seed_gives_the_same_report():
    label, score = make_scores(5000)
    first, second = (evaluate_classifier(label, score, rng=rng(4)).as_dict() for _ in range(2))
    assert first == second
