"""Two scores on the same rows: plain resampling agrees, and verdicts are rarely wrong."""

import numpy as np
import pytest
from sklearn import metrics as sk

from project.measure.paired import paired_bootstrap
from tests.measure.samples import make_scores, rng


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


def test_blocks_of_rows_agree_with_rows():
    label, score = make_scores(8000)
    other = np.clip(score + rng(5).normal(0, 0.1, 8000), 0, 1)
    by_block = paired_bootstrap(score, other, label, "roc_auc", rng(1))
    by_row = paired_bootstrap(score, other, label, "roc_auc", rng(2), exact_rows=10_000)
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
