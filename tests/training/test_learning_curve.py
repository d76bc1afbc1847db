"""The learning curve: parts of whole people, what it is seen against, and what it cannot tell."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from training.domain.fitted import FitSettings
from training.domain.learning.curve import _order, _sizes, measure_learning
from training.domain.learning.forecast import forecast_gain
from training.domain.learning.told import MORE, curve_line, tell_forecast
from training.domain.tasks import get_task
from training.kinds import get_kind
from training.management.tables import print_curve

KIND = get_kind("match_compatibility")
WEIGHTS = {"age_score": 0.6, "budget_score": 0.4}


def make_rows(rows, seed=0, people=60):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.random((rows, 13)), columns=list(KIND.features))
    log_odds = 3 * frame["age_score"] + 2 * frame["budget_score"] + 2 * frame["interest_score"]
    frame["label"] = (draw.random(rows) < 1 / (1 + np.exp(3.5 - log_odds))).astype(int)
    return frame.assign(user_id=draw.integers(0, people, rows))


def curve_of(train, validation, references=None):
    settings = FitSettings(0, (), KIND.monotone, None, WEIGHTS)
    rows = KIND.rows(train)
    fitted = get_task(KIND.task).fit(KIND.inputs(train), rows.target, settings, rows.groups)
    return measure_learning(KIND, settings, fitted, train, validation, references or {})


def test_the_curve_ends_at_the_model_itself_and_rises_to_it():
    train, validation = make_rows(800), make_rows(600, 1)
    curve = curve_of(train, validation, {"rule score": 0.7})
    sizes = [point["rows"] for point in curve["points"]]
    assert sizes[-1] == 800
    assert sizes == sorted(sizes)
    assert len(sizes) == 5
    values = [point["value"] for point in curve["points"]]
    assert values[-1] > values[0]
    assert all(point["low"] < point["value"] < point["high"] for point in curve["points"])
    assert curve["references"] == {"rule score": 0.7}
    forecast = curve["forecast"]
    assert forecast["rows"] == MORE * 800
    assert forecast["gain_low"] <= forecast["gain"] <= forecast["gain_high"]
    assert forecast["low"] <= forecast["value"] <= forecast["high"] <= 1
    assert curve == curve_of(train, validation, {"rule score": 0.7})
    assert "would buy" in tell_forecast(curve, "ROC-AUC")
    # The forecast is two doublings away, and so two steps.
    assert [point[1] is None for point in curve_line(curve)] == [False] * 5 + [True, False]


@pytest.mark.parametrize(
    ("rows", "people", "note"),
    [(399, 60, "show too little"), (800, 4, "of 4 groups")],
)
def test_what_cannot_be_told_has_no_figure_but_a_reason(rows, people, note):
    curve = curve_of(make_rows(rows), make_rows(300, 1, people))
    assert curve["forecast"] is None
    assert note in curve["note"]
    assert "cannot be told" in tell_forecast(curve, "ROC-AUC")
    assert curve["points"][-1]["rows"] == rows
    assert (curve["points"][-1]["low"] is None) == (people == 4)


def test_few_validation_rows_leave_too_much_open():
    curve = curve_of(make_rows(400), make_rows(12, 3))
    assert curve["forecast"] is None
    assert "fits what was seen" in curve["note"]


def test_parts_are_nested_and_of_whole_people():
    groups = np.repeat([5, 3, 9, 1], [4, 3, 2, 1])
    order, ends = _order(10, groups, np.random.default_rng(0))
    assert sorted(order) == list(range(10))
    for end in ends:
        inside, outside = groups[order[:end]], groups[order[end:]]
        assert not set(inside) & set(outside)
    assert ends[-1] == 10


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(800, [50, 100, 200, 400]), (40, []), (100, [25, 50]), (10**6, [1000, 2000, 4000, 8000])],
)
def test_parts_double_and_never_cost_more_than_the_largest(rows, sizes):
    assert _sizes(rows) == sizes


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
def test_a_curve_that_follows_the_law_is_read_on_inside_the_interval(power):
    rows = np.array([100.0, 200, 400, 800, 1600])
    law = 0.75 - 0.2 * (rows / 100) ** -power
    truth = 0.2 * (16**-power - 64**-power)
    gain = forecast_gain(rows, law, np.full(5, 1e-6), 0.0, 8, np.random.default_rng(0))
    assert gain.low < truth < gain.high


def test_a_curve_that_falls_buys_nothing():
    rows = np.array([100.0, 200, 400, 800])
    falling = np.array([0.7, 0.68, 0.66, 0.64])
    gain = forecast_gain(rows, falling, np.full(4, 1e-6), 0.0, 8, np.random.default_rng(0))
    assert gain.value == pytest.approx(0, abs=1e-3)
    assert gain.low < 0 < gain.high


def test_r2_and_its_influence_agree_with_leaving_rows_out():
    draw = np.random.default_rng(0)
    target = draw.normal(size=300)
    prediction = target + draw.normal(size=300)
    task = get_task("regression")
    value, influence = task.primary_influence(target, prediction)
    assert value == pytest.approx(1 - np.mean((target - prediction) ** 2) / target.var())
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    kept = np.arange(300) != 7
    without, _ = task.primary_influence(target[kept], prediction[kept])
    assert 299 * (value - without) == pytest.approx(influence[7], rel=0.05)
    assert np.isnan(task.primary_influence(np.ones(5), np.ones(5))[0])


def test_a_model_without_a_curve_prints_none():
    said = io.StringIO()
    print_curve(Console(file=said), {"metrics": {}, "kind": KIND.name})
    assert said.getvalue() == ""
