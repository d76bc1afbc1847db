"""Charts: what is drawn agrees with the numbers."""

import math

import pytest
from django.template import Context, Template

from project.pages.charts import (
    histogram_bars,
    interval_marks,
    line_marks,
    mirrored_bars,
    nice_ticks,
    square_chart,
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


def line(x, y, **more):
    return {"label": "ours", "note": "0.800", "x": x, "y": y, "low": (), "high": (), **more}


def test_a_square_goes_from_0_to_1_and_puts_each_point_in_its_place():
    square = square_chart([line([0, 0.25, 1], [0, 0.75, 1])], size=100, diagonal=True)
    assert square.lines[0].path == "0.0,100.0 25.0,25.0 100.0,0.0"
    assert square.diagonal == "M0.0 100.0L100.0 0.0"
    assert square.lines[0].marks == ()
    assert {tick.text: tick.at for tick in square.across}["0.500"] == 50
    assert square_chart([line([], [])]) is None


def test_a_square_of_numbers_fits_them_and_its_diagonal_is_where_both_are_equal():
    square = square_chart(
        [line([40, 60], [50, 80], low=[45, 70], high=[55, 90])],
        size=100,
        is_share=False,
        diagonal=True,
    )
    first, second = square.lines[0].marks
    assert (first.x, second.x) == (0, 40)
    assert first.high < first.y < first.low
    assert first.title == "40: 50 (45 to 55)"
    assert square.diagonal == "M0.0 100.0L100.0 0.0"
    level = square_chart([line([0, 1], [0, 1])], size=100, level=("share", 0.25)).level
    assert (level.at, level.text) == (75, "share")


def test_what_a_square_shows_stands_below_it_in_words():
    steps = line([0, 0.5, 0.5, 0.9], [0.2, 0.2, 0.6, 0.6])
    slope = line([0, 1], [0, 1])
    table = dict(square_chart([steps, slope]).table)
    assert table["0.400"] == ("0.200", "0.400")
    assert table["0.500"] == ("0.600", "0.500")  # of an upright part the upper end
    assert table["1"] == ("-", "1")  # the first line ends before


def test_two_histograms_share_one_scale_and_meet_in_the_middle():
    above, below = mirrored_bars([4, 0], [2, 8], 0, 1, height=80)
    assert [(bar.y, bar.height) for bar in above] == [(20, 20), (40, 0)]
    assert [(bar.y, bar.height) for bar in below] == [(40, 10), (40, 40)]
    assert mirrored_bars([0], [0], 0, 1)[0][0].height == 0


def test_curves_and_histograms_say_in_words_what_they_draw():
    html = Template(
        "{% load seedbed %}{% curve_chart lines title='ROC' x_title='False' y_title='True' %}"
        "{% label_histogram counts 0 1 'Scores' %}"
    ).render(
        Context(
            {
                "lines": [line([0, 1], [0, 1]), line([0, 1], [0, 1], label="<b>rules</b>")],
                "counts": {"label 1": [1, 2], "label 0": [3, 0]},
            }
        )
    )
    assert 'aria-label="ROC: True by False; ours 0.800, &lt;b&gt;rules' in html
    assert html.count("c-s1") == html.count("c-s2") == 2  # each in the key and in the drawing
    assert (
        '<th scope="row">0.500 to 1</th><td class="sb-num">2</td><td class="sb-num">0</td>' in html
    )
