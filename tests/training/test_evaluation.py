"""Reports of models: every row is counted, and what does not exist is null."""

import numpy as np
import pytest

from tests.measure.samples import make_scores
from training.domain.tasks.classification.report import evaluate_classifier


def test_same_seed_gives_the_same_report():
    label, score = make_scores(5000)
    first, second = (evaluate_classifier(label, score).as_dict() for _ in range(2))
    assert first == second


def test_one_label_has_no_auc_and_is_not_an_error():
    report = evaluate_classifier([1, 1, 1], [0.2, 0.5, 0.7])
    assert report.as_dict()["roc_auc"] == {"value": None, "low": None, "high": None}
    assert report["accuracy"].value == pytest.approx(2 / 3)


def test_constant_score_has_chance_auc_and_no_width():
    label, _ = make_scores(400)
    report = evaluate_classifier(label, np.full(400, 0.5))
    assert report["roc_auc"].value == 0.5
    assert report["roc_auc"].low == report["roc_auc"].high == 0.5
    assert report.spread["width_05_95"] == 0
    assert report.spread["most_frequent_share"] == 1
    assert report.spread["coverage_030_070"] == 0


def test_tables_account_for_every_row():
    label, score = make_scores(5000)
    report = evaluate_classifier(label, score)
    assert sum(report.histogram) == 5000
    assert len(report.histogram) == 20
    assert sum(row["rows"] for row in report.calibration) == 5000
    assert all(row["low"] <= row["label_share"] <= row["high"] for row in report.calibration)
    assert report.spread["coverage_030_070"] == 1
