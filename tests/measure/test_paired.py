"""Two scores on the same rows: plain resampling agrees, and verdicts are rarely wrong."""

import numpy as np
import pytest
from sklearn import metrics as sk

from project.measure.jackknife import Clusters
from project.measure.paired import paired_difference
from tests.measure.samples import make_scores, rng


@pytest.mark.parametrize("metric", ["roc_auc", "brier", "log_loss"])
def test_paired_difference_agrees_with_plain_resampling(metric):
    label, score = make_scores(400)
    other = np.clip(score + rng(5).normal(0, 0.2, 400), 0.01, 0.99)
    found = paired_difference(score, other, label, metric)
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


def test_three_clusters_that_agree_do_not_decide_and_twenty_do():
    label, noise = rng().normal(size=600), rng(1).normal(size=600)
    cluster = np.arange(600) % 20
    better = 0.01 + 0.1 * rng(2).random(20)[cluster]
    mine, other = label + 0.3 * noise, label + (0.3 + better) * noise

    def verdict(of_row):
        clusters = Clusters.of(of_row)
        return paired_difference(mine, other, label, "squared_error", clusters=clusters).verdict

    assert verdict(cluster % 3) == "undecided"
    assert verdict(cluster) == "better"


def test_verdict_is_said_of_the_first_score():
    label, score = make_scores(2000)
    noise = rng(3).random(2000)
    for metric in ("roc_auc", "brier"):
        assert paired_difference(score, noise, label, metric).verdict == "better"
        assert paired_difference(noise, score, label, metric).verdict == "worse"
        same = paired_difference(score, score, label, metric)
        assert same.verdict == "undecided"
        assert same.rows_to_decide is None
        assert same.p_value == 1


def test_equal_scores_are_called_different_one_time_in_twenty():
    wrong = 0
    for seed in range(200):
        draw = rng(seed)
        label = draw.integers(0, 2, 200)
        a, b = label + draw.normal(0, 2, 200), label + draw.normal(0, 2, 200)
        found = paired_difference(a, b, label, "roc_auc")
        wrong += found.verdict != "undecided"
    assert wrong <= 22


def test_one_label_leaves_the_comparison_undecided():
    found = paired_difference([0.1, 0.2], [0.3, 0.1], [1, 1], "roc_auc")
    assert found.verdict == "undecided"
    assert found.as_dict()["difference"] is None
