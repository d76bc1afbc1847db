"""Charts: what is drawn agrees with the numbers."""

import math

import pytest
from django.template import Context, Template

from project.pages.charts import (
    histogram_bars,
    interval_marks,
    line_marks,
    nice_ticks,
)


def test_bars_are_as_high_as_their_counts_and_rare_ones_are_still_seen():
    bars = histogram_bars([1000, 500, 1, 0], 0.0, 1.0, height=80)
    assert [bar.height for bar in bars] == [80, 40, 1.0, 0.0]
    assert all(bar.y + bar.height == pytest.approx(80) for bar in bars)
    assert bars[1].title == "0.250 to 0.500: 500"


@pytest.mark.parametrize("counts", [[], [0, 0]])
def test_a_histogram_of_nothing_has_no_height(counts):
    assert sum(bar.height for bar in histogram_bars(counts, 0, 1)) == 0


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.61, 0.88), (-3, 12), (0, 123456), (1e-6, 2e-6)]
)
def test_ticks_are_round_and_inside_the_range(low, high):
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)


def test_a_line_leaves_out_points_without_a_value_and_keeps_their_place():
    marks, *_ = line_marks([("a", 0.0), ("b", None), ("c", math.nan), ("d", 1.0)], width=300)
    assert [(mark.label, mark.x) for mark in marks] == [("a", 0.0), ("d", 300.0)]
    assert marks[0].y > marks[1].y


def test_a_reference_is_on_the_axis_of_the_line_even_where_no_value_is_near():
    marks, ticks, (rules, ceiling) = line_marks(
        [("a", 0.5), ("b", 0.6)], height=100, references={"rules": 0.6, "ceiling": 0.9}
    )
    assert ceiling.at == 0
    assert rules.at == marks[1].y
    assert rules.text == "rules 0.600"
    assert all(0 <= tick.at <= 100 for tick in ticks)
    html = Template("{% load seedbed %}{% line_chart points references=against %}").render(
        Context({"points": [("a", 0.5)], "against": {"<b>rules</b>": 0.6}})
    )
    assert "&lt;b&gt;rules" in html
    assert line_marks([], references={"rules": 0.6}) == ([], [], [])


def test_an_interval_surrounds_its_value():
    (mark,), _ = interval_marks([{"label": "AUC", "value": 0.8, "low": 0.7, "high": 0.85}])
    assert mark.low < mark.x < mark.high
    assert mark.title == "AUC: 0.800 (0.700 to 0.850)"


def test_tables_of_checks_show_what_fails_first_and_escape_what_they_are_given():
    checks = [
        {"name": "rows", "value": 5, "limit": 3, "verdict": "pass", "remedy": "nothing"},
        {
            "name": "<b>copies</b>",
            "value": 0.5,
            "limit": 0.2,
            "verdict": "refuse",
            "remedy": "Mend",
        },
    ]
    html = Template("{% load seedbed %}{% checks_table checks %}").render(
        Context({"checks": checks})
    )
    assert html.index("copies") < html.index("rows")
    assert "<b>" not in html
    assert "Mend" in html
    assert "nothing" not in html


def test_many_passed_checks_fold_away_and_failed_ones_never_do():
    passed = [
        {"name": f"check {n}", "value": 0.123456, "limit": 1, "verdict": "pass"} for n in range(20)
    ]
    failed = {"name": "copies", "value": 1, "limit": 0, "verdict": "refuse", "remedy": "Mend"}
    html = Template("{% load seedbed %}{% checks_table checks %}").render(
        Context({"checks": [*passed, failed]})
    )
    assert html.index("copies") < html.index("20 checks passed") < html.index("check 0")
    assert "0.123456" not in html
