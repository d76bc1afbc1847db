"""Measures of predicted numbers are those of scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from project.measure.errors import measure_errors
from tests.measure.samples import rng


@pytest.mark.parametrize("rows", [300, 9000])
def test_regression_values_are_those_of_scikit_learn(rows):
    draw = rng()
    target = draw.normal(50, 10, rows)
    prediction = target + draw.normal(0, 5, rows)
    metrics = measure_errors(target, prediction, low=prediction - 8.2, high=prediction + 8.2)
    assert metrics["mae"].value == pytest.approx(sk.mean_absolute_error(target, prediction))
    assert metrics["rmse"].value == pytest.approx(sk.root_mean_squared_error(target, prediction))
    assert metrics["r2"].value == pytest.approx(sk.r2_score(target, prediction))
    assert metrics["interval_coverage"].value == pytest.approx(0.9, abs=0.04)
    for metric in metrics.values():
        assert metric.low - 1e-9 <= metric.value <= metric.high + 1e-9
    # The standard error of an RMSE of normal errors is sigma / sqrt(2 n).
    width = metrics["rmse"].high - metrics["rmse"].low
    assert width == pytest.approx(2 * 1.96 * 5 / np.sqrt(2 * rows), rel=0.25)


def test_constant_target_has_no_r2():
    metrics = measure_errors(np.full(20, 3.0), np.linspace(0, 1, 20))
    assert np.isnan(metrics["r2"].value)
    assert np.isnan(metrics["spearman"].value)
