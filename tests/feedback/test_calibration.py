"""Predictions held against what came."""

import numpy as np
import pytest

from feedback.domain.calibration import calibration
from feedback.domain.comparisons import NOT_ENOUGH


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_ten_buckets_hold_equally_many_rows_in_order() -> None:
    p = _rng().random(1_000)
    result = calibration(p, p)
    assert result.actual.count.tolist() == [100] * 10
    assert (result.lower[1:] >= result.upper[:-1]).all()
    expected = np.sort(p).reshape(10, 100).mean(axis=1)
    np.testing.assert_allclose(result.predicted, expected)
    np.testing.assert_allclose(result.actual.mean, expected)
    assert result.error == pytest.approx(0.0, abs=1e-12)


def test_equal_predictions_share_one_bucket() -> None:
    y = _rng().random(300)
    result = calibration(np.full(300, 0.5), y)
    assert len(result.actual) == 1
    assert result.actual.mean[0] == pytest.approx(y.mean())
    mixed = calibration(np.repeat([0.2, 0.8], [290, 10]), y)
    assert mixed.actual.count.tolist() == [290, 10]


def test_honest_predictions_are_calibrated_and_bold_ones_are_off() -> None:
    rng = _rng()
    truth = rng.uniform(0.2, 0.8, 4_000)
    y = rng.beta(12 * truth, 12 * (1 - truth))
    honest, bold = calibration(truth, y), calibration(np.clip(truth + 0.1, 0, 1), y)
    assert honest.verdict == "calibrated"
    assert bold.verdict == "off"
    assert bold.bias == pytest.approx(-0.1, abs=0.01)
    assert bold.error == pytest.approx(0.1, abs=0.01)
    narrow = calibration(0.5 + 0.5 * (truth - 0.5), y)
    assert abs(narrow.bias) < 0.01
    assert narrow.verdict == "off"
    assert 0 in narrow.off
    assert 9 in narrow.off


def test_honest_predictions_are_called_off_in_few_data_sets() -> None:
    rng, off = _rng(), 0
    for _ in range(200):
        truth = rng.uniform(0.2, 0.8, 300)
        off += calibration(truth, rng.beta(12 * truth, 12 * (1 - truth))).verdict == "off"
    assert off <= 26  # two tests of 5 %, and chance


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_few_pairs_give_no_verdict_on_calibration(rows: int) -> None:
    result = calibration(np.linspace(0.1, 0.9, rows), np.linspace(0.9, 0.1, rows))
    assert result.verdict == NOT_ENOUGH
    assert result.rows == rows


def test_many_pairs_of_few_sessions_give_no_verdict_on_calibration() -> None:
    predicted, actual = np.linspace(0.1, 0.9, 190), np.linspace(0.9, 0.1, 190)
    assert calibration(predicted, actual, np.arange(190) % 19).verdict == NOT_ENOUGH
    assert calibration(predicted, actual, np.arange(190) % 38).verdict == "off"


def test_pairs_with_a_missing_side_are_left_out_and_counted() -> None:
    result = calibration([0.5, np.nan, 0.5, 0.4], [0.5, 0.5, np.nan, 0.4])
    assert (result.rows, result.left_out) == (2, 2)
