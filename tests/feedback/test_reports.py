"""Reports and status: which rows they are about, what is joined, what the commands print."""

import json
from collections.abc import Callable
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from feedback.domain.words import REPORT_KINDS
from feedback.models import FeedbackSource
from feedback.queries.reports import build_report, read_edges
from feedback.queries.reports import rows as rows_of_reports
from feedback.queries.sources import SYNTHETIC_LABEL, choose_scope
from feedback.queries.status import feedback_status
from feedback.services.schedule import switch_on
from project.refusal import Refusal
from tests.factories import make_admin
from tests.feedback.collected import answer, judge, rate, real_source, synthetic

pytestmark = pytest.mark.django_db


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


# --- Which rows ----------------------------------------------------------------------------------


def test_generated_rows_stand_in_and_every_report_says_so() -> None:
    synthetic()
    for kind in REPORT_KINDS:
        report = build_report(kind, choose_scope())
        assert report["scope"]["origin"] == "synthetic"
        assert report["scope"]["label"] == SYNTHETIC_LABEL
        json.dumps(report, allow_nan=False)


def test_real_and_generated_rows_are_mixed_only_when_asked() -> None:
    generated = build_report("csat", choose_scope(source=synthetic().name))["rows"]
    people = real_source()
    rate(people, [0.2, 0.4, 0.6])
    assert build_report("csat", choose_scope())["rows"] == 3
    assert build_report("csat", choose_scope(origin="real"))["rows"] == 3
    assert build_report("csat", choose_scope(origin="synthetic"))["rows"] == generated
    both = build_report("csat", choose_scope(origin="combined"))
    assert both["rows"] == generated + 3
    assert both["scope"]["origin"] == "combined"
    assert build_report("csat", choose_scope(source="people"))["scope"]["sources"] == ["people"]


def test_a_real_source_without_rows_is_shown_empty_and_not_filled_up() -> None:
    synthetic()
    real_source()
    for kind in REPORT_KINDS:
        report = build_report(kind, choose_scope())
        assert report["scope"]["origin"] == "real"
        json.dumps(report, allow_nan=False)
    assert build_report("csat", choose_scope())["rows"] == 0


def test_days_leave_out_what_is_older() -> None:
    people = real_source()
    rate(people, [0.1, 0.2], days_ago=1)
    rate(people, [0.3], days_ago=9)
    assert build_report("csat", choose_scope(days=3))["rows"] == 2
    assert len(build_report("csat", choose_scope())["days"]) == 2


# --- CSAT ----------------------------------------------------------------------------------------


def test_ratings_find_the_quality_of_their_response_at_their_own_source() -> None:
    people, others = real_source(), real_source("others")
    rate(people, [0.2, 0.9, 0.5, 0.4], response_id=["a", "b", "none", ""])
    judge(people, [0.4, 0.6, 0.9], response_id=["a", "a", "b"], days_ago=400)
    judge(others, [0.1], response_id=["none"])
    ranges = build_report("csat", choose_scope(days=30))["ranges"]
    assert (ranges["matched"], ranges["unmatched"]) == (2, 2)
    counts = {row["label"]: row["count"] for row in ranges["rows"]}
    assert counts == {"0 to 0.5": 0, "0.5 to 0.7": 1, "0.7 to 0.85": 0, "0.85 to 1": 1}


def test_the_edges_cut_the_ranges_and_what_lies_outside_is_counted() -> None:
    people = real_source()
    rate(people, [0.2, 0.9, 0.5], response_id=["a", "b", "c"])
    judge(people, [0.1, 0.3, 0.9], response_id=["a", "b", "c"])
    ranges = build_report("csat", choose_scope(), edges=read_edges("0.2 .5"))["ranges"]
    assert [(row["label"], row["count"]) for row in ranges["rows"]] == [("0.2 to 0.5", 1)]
    assert ranges["outside"] == 2
    with pytest.raises(Refusal, match="rise"):
        read_edges("1, 0")
    with pytest.raises(Refusal, match="cannot be used"):
        read_edges("a, b")


def test_the_best_provider_needs_twenty_ratings_and_a_difference() -> None:
    rng, people = np.random.default_rng(5), real_source()
    rate(people, rng.beta(8, 4, 19), provider="few")
    rate(people, rng.beta(8, 4, 60), provider="good", model="m")
    rate(people, rng.beta(4, 8, 60), provider="poor", model="m")
    report = build_report("csat", choose_scope())
    best = report["provider"]["best"]
    assert (best["verdict"], best["label"], best["too_few"]) == ("best", "good", ["few"])
    assert best["comparisons"][0]["low"] > 0
    assert report["model"]["best"]["verdict"] == "not enough evidence"
    assert report["missing"]["model"] == 19
    assert report["missing"]["session_id"] == 139


def test_ratings_of_one_session_count_together() -> None:
    people = real_source()
    rate(people, [0.1, 0.9] * 10, session_id=["one"] * 10 + ["two"] * 10)
    overall = build_report("csat", choose_scope())["overall"]
    assert (overall["count"], overall["clusters"]) == (20, 2)


def test_csat_by_variant_comes_through_the_response_or_from_the_experiment() -> None:
    people = real_source()
    rate(people, [0.2, 0.4], response_id=["a", "b"])
    answer(people, [0.9, 0.8], response_id=["x", "y"], experiment_name="e", variant=["A", "B"])
    variant = build_report("csat", choose_scope())["variant"]
    assert variant["measure"] == "user_rating"
    assert [row["mean"] for row in variant["rows"]] == [0.9, 0.8]
    answer(people, [0.7], response_id=["a"], experiment_name="e", variant="A")
    variant = build_report("csat", choose_scope())["variant"]
    assert (variant["measure"], variant["matched"]) == ("csat", 1)
    assert [(row["label"], row["mean"]) for row in variant["rows"]] == [("e: A", 0.2)]


# --- Baselines, calibration, experiments ---------------------------------------------------------


def test_baselines_expect_quality_and_csat_of_a_combination() -> None:
    synthetic(1_500)
    report = build_report(
        "baselines", choose_scope(), levels={"provider": "openai", "model": "unheard-of"}
    )
    for target in ("quality", "csat"):
        expected = report[target]["prediction"]
        assert expected["low"] <= expected["value"] <= expected["high"]
        assert 0 <= expected["confidence"] <= 1
        assert expected["unseen"] == ["model", "action_type"]
        assert {row["label"] for row in report[target]["factors"]["provider"]["rows"]} == {
            "anthropic",
            "google",
            "mistral",
            "openai",
        }


def test_baselines_are_held_to_rows_that_they_did_not_see() -> None:
    synthetic(1_500)
    report = build_report("calibration", choose_scope())
    csat = report["csat"]
    assert csat["rows"] == pytest.approx(csat["learned_from"] / 4, abs=1)
    assert 2 <= len(csat["buckets"]) <= 10
    assert sum(row["count"] for row in csat["buckets"]) == csat["rows"]
    assert report["given"]["verdict"] == "off"  # the generator's predictions lean towards .7


@pytest.mark.parametrize(("target", "land"), [("quality", judge), ("csat", rate)])
def test_baselines_are_held_to_the_newest_fifth_and_learn_from_the_rows_before_it(
    target: str, land: Callable[..., None]
) -> None:
    rng, people = np.random.default_rng(5), real_source()
    # Landed in any order; what the last twenty days brought is better by half.
    for day in rng.permutation(100):
        value = rng.uniform(0.2, 0.3) + 0.5 * (day < 20)
        land(people, [value], days_ago=float(day), provider=f"provider-{day % 2}")
    report = build_report("calibration", choose_scope())[target]
    assert (report["learned_from"], report["rows"]) == (80, 20)
    assert all(0.2 <= bucket["predicted"] <= 0.3 for bucket in report["buckets"])
    assert all(0.7 <= bucket["mean"] <= 0.8 for bucket in report["buckets"])
    assert report["verdict"] == "off"
    assert report["bias"] == pytest.approx(0.5, abs=0.03)


def test_experiments_find_a_difference_only_where_there_is_one() -> None:
    rng, people = np.random.default_rng(5), real_source()
    for name, variant, mean in (
        ("real", "control", 0.4), ("real", "new", 0.6), ("null", "B", 0.5), ("null", "A", 0.5),
    ):  # fmt: skip
        ratings = rng.beta(10 * mean, 10 - 10 * mean, 150)
        answer(people, ratings, experiment_name=name, variant=variant)
    answer(people, [0.5, 0.5], experiment_name="real", variant="")
    report = build_report("experiments", choose_scope())
    found = {one["experiment"]: one for one in report["experiments"]}
    assert report["unnamed"] == 2
    assert found["real"]["verdict"] == "difference found"
    assert found["real"]["effects"][0]["verdict"] == "better"
    assert found["null"]["control"] == "A"
    assert found["null"]["verdict"] == "not enough evidence"
    (null,) = found["null"]["effects"]
    assert null["sessions_to_decide"] > 150
    assert (null["sessions"], null["control_sessions"]) == (150, 150)
    assert null["one_look"]["holds"] == "if looked at once, at the planned end"
    assert null["low"] < null["one_look"]["low"] < null["one_look"]["high"] < null["high"]
    assert report["planned_sessions"] == 200
    assert report["sessionless"] == 600


def test_results_of_an_experiment_are_of_the_session_that_their_response_leads_to() -> None:
    rng, people, others = np.random.default_rng(5), real_source(), real_source("others")
    names = [f"r{number}" for number in range(400)]
    sessions = [f"s{number // 10}" for number in range(400)]
    # The first half through ratings, older than the period too; the third quarter through
    # explanations, the last one through a column of the source's own.
    rate(people, [0.5] * 200, response_id=names[:200], session_id=sessions[:200], days_ago=50)
    for number in range(200, 300):
        judge(
            people, [0.5], response_id=names[number],
            **({"metadata": {"sessionId": sessions[number]}} if number % 2
               else {"extra": {"session_id": sessions[number]}}),
        )  # fmt: skip
    rate(others, [0.5] * 400, response_id=names, session_id="of another source")
    arm = ["control" if number // 10 % 2 else "new" for number in range(400)]
    ratings = rng.random(400)
    answer(people, ratings[:300], response_id=names[:300], experiment_name="e", variant=arm[:300])
    for number in range(300, 400):
        answer(
            people, [ratings[number]], response_id=names[number], experiment_name="e",
            variant=arm[number], extra={"sessionId": sessions[number]},
        )  # fmt: skip
    (effect,) = build_report("experiments", choose_scope(source="people"))["experiments"][0][
        "effects"
    ]
    assert (effect["sessions"], effect["control_sessions"]) == (20, 20)
    assert effect["one_look"] is None
    tests = rows_of_reports.tests_of(choose_scope(source="people"))
    assert tests.groupby("session_id")["cluster"].nunique().eq(1).all()
    assert tests["session_id"].nunique() == 40


def test_results_that_lead_to_no_session_are_those_of_their_response() -> None:
    people = real_source()
    rate(people, [0.5, 0.5], response_id=["a", ""], session_id=["", "s"])
    answer(people, [0.1, 0.2, 0.3, 0.4], response_id=["a", "a", "", ""], experiment_name="e",
           variant="A")  # fmt: skip
    assert rows_of_reports.tests_of(choose_scope())["cluster"].nunique() == 3
    assert build_report("experiments", choose_scope())["sessionless"] == 4


def test_a_response_that_two_sessions_rated_is_of_one_of_them_in_any_order() -> None:
    people = real_source()
    rate(people, [0.5, 0.5], response_id="a", session_id=["t", "s"])
    answer(people, [0.1, 0.2], response_id="a", experiment_name="e", variant="A")
    tests = rows_of_reports.tests_of(choose_scope())
    assert tests["session_id"].tolist() == ["s", "s"]
    assert len(tests) == 2


def test_judgements_without_a_scenario_are_of_the_session_of_their_response() -> None:
    people = real_source()
    rate(people, [0.5] * 3, response_id=["a", "b", "c"], session_id="s")
    judge(people, [0.5] * 3, response_id=["a", "b", "c"], scenario_id=["", "", "x"])
    judge(people, [0.5], scenario_id="x")
    assert rows_of_reports.explanations_of(choose_scope())["cluster"].nunique() == 2


def test_a_period_that_cuts_an_experiment_gives_no_verdict_and_one_that_holds_it_does() -> None:
    people = real_source()
    for name, days in (("old", 40), ("young", 1)):
        answer(people, [0.1, 0.2] * 30, experiment_name=name, variant="A", days_ago=days)
        answer(people, [0.8, 0.9] * 30, experiment_name=name, variant="B", days_ago=0.5)
        answer(people, [0.1, 0.2] * 30, experiment_name=name, variant="A", days_ago=0.5)
    found = {
        one["experiment"]: one
        for one in build_report("experiments", choose_scope(days=30))["experiments"]
    }
    assert found["young"]["effects"][0]["verdict"] == "better"
    assert found["old"]["effects"][0]["verdict"] == "not enough evidence"
    assert "all time" in found["old"]["effects"][0]["reason"]
    assert found["old"]["effects"][0]["low"] is None
    whole = build_report("experiments", choose_scope())["experiments"]
    assert {one["effects"][0]["verdict"] for one in whole} == {"better"}


def test_few_sessions_are_a_sentence_with_the_number() -> None:
    people = real_source()
    answer(people, [0.1] * 14, experiment_name="e", variant="A")
    answer(people, [0.9] * 14, experiment_name="e", variant="B")
    text = _run("feedback_report", "--report", "experiments")
    assert "A verdict needs 15 sessions of each; A has 14 and B has 14." in " ".join(text.split())
    (effect,) = json.loads(_run("feedback_report", "--json", "--report", "experiments"))["reports"][
        "experiments"
    ]["experiments"][0]["effects"]
    assert (effect["low"], effect["p_adjusted"], effect["one_look"]) == (None, None, None)


def test_the_terminal_names_both_intervals_and_takes_the_plan() -> None:
    people = real_source()
    rng = np.random.default_rng(5)
    for variant in ("A", "B"):
        answer(people, rng.random(60), experiment_name="e", variant=variant)
    text = " ".join(
        _run("feedback_report", "--report", "experiments", "--planned-sessions", "90").split()
    )
    assert "at every look" in text
    assert "If looked at once, at the planned end: " in text
    assert "sharpest at 90 sessions" in text
    assert "120 results lead to no session" in text


def test_the_trend_of_csat_is_of_whole_weeks_and_says_so_below_six() -> None:
    people = real_source()
    rng = np.random.default_rng(5)
    for day in range(41):
        rate(people, rng.uniform(0.7, 0.9, 3) - 0.008 * day, days_ago=float(day))
    trend = build_report("csat", choose_scope())["trend"]
    assert (trend["weeks"], trend["minimum_weeks"], trend["slope"]) == (5, 6, None)
    assert "Ratings of 5 weeks" in " ".join(_run("feedback_report", "--report", "csat").split())
    for day in range(41, 70):
        rate(people, rng.uniform(0.7, 0.9, 3) - 0.008 * day, days_ago=float(day))
    trend = build_report("csat", choose_scope())["trend"]
    assert (trend["weeks"], trend["verdict"]) == (10, "rising")


# --- Status --------------------------------------------------------------------------------------


def test_status_counts_rows_gaps_and_samples_by_source() -> None:
    people = real_source()
    judge(people, [0.5, 0.6, 0.7], security=[50.0, None, None], days_ago=2)
    rate(people, [0.5] * 200, provider=["p"] * 150 + [""] * 50)
    answer(people, [0.5, 0.5], predicted_quality=[0.4, None])
    synthetic(120)
    status = feedback_status()
    table = {(row["source"], row["table"]): row for row in status["tables"]}
    explanations = table["people", "explanations"]
    assert explanations["rows"] == 3
    assert explanations["missing"]["security"] == pytest.approx(2 / 3)
    assert explanations["lag_seconds"] == pytest.approx(2 * 86_400, rel=0.01)
    assert explanations["last_run"]["state"] == "complete"
    assert table["people", "quality_feedback"]["missing"]["provider"] == pytest.approx(0.25)
    assert table["synthetic", "explanations"]["origin"] == "synthetic"
    samples = {one["kind"]: one for one in status["samples"]}
    assert (samples["quality"]["real"], samples["quality"]["synthetic"]) == (1, 120)
    assert not samples["quality"]["enough"]
    assert samples["csat"]["enough"]
    assert samples["model_performance"]["real"] == 1
    json.dumps(status, allow_nan=False)


def test_status_of_nothing_says_what_is_missing() -> None:
    status = feedback_status()
    assert status["tables"] == []
    assert status["schedule"] == {
        "enabled": False, "next_run_at": None, "last_run_at": None, "last_error": "",
    }  # fmt: skip
    switch_on(owner=make_admin())
    assert feedback_status()["schedule"]["next_run_at"] is not None


# --- Commands ------------------------------------------------------------------------------------


def test_feedback_report_prints_every_report_for_people_and_for_programs() -> None:
    synthetic()
    text = _run("feedback_report", "--provider", "openai")
    for words in (
        SYNTHETIC_LABEL, "Best provider", "Optimal quality range", "Expected of provider openai",
        "Given predictions", "Experiments",
    ):  # fmt: skip
        assert words in text
    result = json.loads(_run("feedback_report", "--json", "--report", "csat", "--edges", "0,.5,1"))
    assert list(result["reports"]) == ["csat"]
    assert result["reports"]["csat"]["ranges"]["edges"] == [0.0, 0.5, 1.0]


def test_feedback_report_of_nothing_names_the_next_step() -> None:
    assert "collect_feedback" in _run("feedback_report")
    FeedbackSource.objects.all().delete()
    assert "auto_collect on" in _run("feedback_status")


def test_feedback_status_prints_rows_and_samples() -> None:
    synthetic()
    text = _run("feedback_status")
    assert "generated feedback stands in" in text
    assert "model_performance" in text
    assert json.loads(_run("feedback_status", "--json"))["rows"]["synthetic"] > 400


@pytest.mark.parametrize(
    "arguments",
    [("--edges", "3"), ("--edges", ""), ("--source", "nobody"), ("--planned-sessions", "14")],
)
def test_unusable_edges_sources_and_plans_are_refused_with_two(arguments: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as stop:
        call_command("feedback_report", *arguments, stdout=StringIO(), stderr=StringIO())
    assert stop.value.code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--report", "all-of-it"),
        ("--days", "0"),
        ("--report", "csat", "--model", "m"),
        ("--report", "csat", "--planned-sessions", "90"),
    ],
)
def test_arguments_that_cannot_be_read_are_errors(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("feedback_report", *arguments, stdout=StringIO(), stderr=StringIO())
