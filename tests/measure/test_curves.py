"""Curves are those of scikit-learn, and their few points draw like all of them."""

import numpy as np
import pytest
from sklearn import metrics as sk

from project.measure.auc import roc_auc
from project.measure.curves import (
    CURVE_POINTS,
    error_curve,
    observed_curve,
    precision_recall_curve,
    roc_curve,
    thin_line,
)
from project.measure.scores import measure_scores
from tests.measure.samples import make_scores, rng

CASES = pytest.mark.parametrize(
    ("rows", "decimals"), [(60, None), (60, 1), (3_000, None), (3_000, 2), (20_000, None)]
)
WIDE = 1_000_000  # keeps every point
FAR = 0.012  # of the height of a square: two pixels of 160


def area(x, y):
    return float(np.trapezoid(y, x))


def points_of(x, y):
    return set(zip(np.round(x, 9), np.round(y, 9), strict=True))


def steps_at(recall, precision, at):
    """scikit-learn's curve, drawn as it draws it, at recalls: it goes from recall 1 to 0."""
    return precision[::-1][np.searchsorted(recall[::-1], at, side="left")]


@CASES
def test_a_roc_curve_is_that_of_scikit_learn(rows, decimals):
    label, score = make_scores(rows, decimals=decimals)
    every, few = roc_curve(label, score, WIDE), roc_curve(label, score)
    assert every.value == pytest.approx(sk.roc_auc_score(label, score))
    assert few.value == every.value == pytest.approx(roc_auc(label, score))
    assert len(few.x) <= CURVE_POINTS
    # Each of our points is one of scikit-learn's; that none of its corners lacks, the area says.
    each = sk.roc_curve(label, score, drop_intermediate=False)[:2]
    assert points_of(every.x, every.y) <= points_of(*each)
    assert points_of(few.x, few.y) <= points_of(every.x, every.y)
    assert area(every.x, every.y) == pytest.approx(every.value)
    assert area(few.x, few.y) == pytest.approx(every.value, abs=FAR)


@CASES
def test_a_precision_recall_curve_is_that_of_scikit_learn(rows, decimals):
    label, score = make_scores(rows, decimals=decimals)
    every, few = (precision_recall_curve(label, score, points) for points in (WIDE, CURVE_POINTS))
    assert every.value == pytest.approx(sk.average_precision_score(label, score))
    assert few.value == every.value
    assert every.value == pytest.approx(measure_scores(label, score)["pr_auc"].value)
    assert len(few.x) <= CURVE_POINTS
    # The area of the steps is the average precision.
    assert area(every.x, every.y) == pytest.approx(every.value)
    assert area(few.x, few.y) == pytest.approx(every.value, abs=FAR)
    precision, recall, _ = sk.precision_recall_curve(label, score)
    middles = (every.x[1:] + every.x[:-1])[np.diff(every.x) > 0] / 2
    held = every.y[1:][np.diff(every.x) > 0]
    expected = steps_at(recall, precision, middles)
    assert np.all(held <= 1)
    assert np.allclose(held, expected)


@pytest.mark.parametrize("curve", [roc_curve, precision_recall_curve])
def test_one_label_has_no_curve(curve):
    assert curve(np.ones(5), np.linspace(0, 1, 5)) is None
    assert curve(np.zeros(5), np.linspace(0, 1, 5)) is None


@pytest.mark.parametrize("rows", [1, 7, 5_000])
def test_the_area_above_an_error_curve_is_the_mean_error(rows):
    target, prediction = rng(rows).normal(size=(2, rows))
    every, few = error_curve(target, prediction, WIDE), error_curve(target, prediction)
    assert every.value == pytest.approx(np.abs(target - prediction).mean())
    assert every.x[-1] - area(every.x, every.y) == pytest.approx(every.value)
    assert few.x[-1] - area(few.x, few.y) == pytest.approx(every.value, rel=0.02)
    assert len(few.x) <= CURVE_POINTS
    assert (few.y[0], few.y[-1]) == (0, 1)
    exact = error_curve(target, target)
    assert (exact.value, exact.x.max()) == (0, 0)


def test_what_came_is_averaged_over_equally_many_rows():
    prediction = np.arange(100) / 100
    curve = observed_curve(prediction * 2, prediction)
    assert np.allclose(curve.x, np.arange(10) / 10 + 0.045)
    assert np.allclose(curve.y, 2 * curve.x)
    assert len(observed_curve(prediction, np.ones(100)).x) == 1


def test_the_points_that_stay_are_never_far_from_those_that_go():
    x = np.linspace(0, 1, 20_000)
    y = x**2 + 0.001 * np.sin(400 * x)
    kept = thin_line(x, y, 100)
    assert len(kept) == 100
    assert (kept[0], kept[-1]) == (0, len(x) - 1)
    assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() < 0.005
    # A straight line needs its two ends alone, and equal points are one.
    assert list(thin_line(x, 2 * x, 100)) == [0, len(x) - 1]
    assert list(thin_line(np.zeros(5), np.zeros(5), 100)) == [0, 4]


def test_many_rows_leave_as_few_points_and_the_same_areas():
    label, score = make_scores(200_000)
    for curve in (roc_curve(label, score), precision_recall_curve(label, score)):
        assert len(curve.x) == CURVE_POINTS
        assert area(curve.x, curve.y) == pytest.approx(curve.value, abs=FAR / 4)
