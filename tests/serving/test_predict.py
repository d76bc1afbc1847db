"""Predictions of feedback over the API: with intervals, and never silent about who answers."""

import pytest
from django.core.management import call_command

from feedback.jobs.synthetic import fill_synthetic
from serving.api.feedback_schemas import PredictAnswer
from tests.feedback.test_commands import run
from training.domain.kind import Recipe
from training.kinds import get_kind
from training.models import ModelVersion
from training.queries.loading import forget_loaded
from training.queries.predictions import predict_features

pytestmark = pytest.mark.django_db
ROW = {"quality": 0.8, "provider": "openai", "model": "never-seen", "actionType": None}


@pytest.fixture(autouse=True)
def _nothing_kept():
    forget_loaded()
    yield
    forget_loaded()


def predicted(answer):
    assert answer.status_code == 200, answer.content
    told = answer.json()
    PredictAnswer.model_validate(told)
    return told


def test_without_any_feedback_nothing_answers_and_says_so(ask):
    told = predicted(ask("feedback/predict", {"kind": "quality", "rows": [{"security": 70}]}))
    assert told["served_by"] == "nothing"
    assert "no champion" in told["warning"]
    assert "Nor is there any feedback" in told["warning"]
    assert told["predictions"][0]["prediction"] is None
    assert "test_coverage" in told["predictions"][0]["missing"]


@pytest.mark.parametrize("kind", ["quality", "csat", "model_performance"])
def test_without_a_model_the_means_of_groups_answer_with_the_reason(ask, kind):
    fill_synthetic(count=400, seed=2)
    rows = [{}] if kind == "quality" else [{"model": "never-seen"}, {}]
    told = predicted(ask("feedback/predict", {"kind": kind, "rows": rows}))
    assert (told["served_by"], told["model_version"]) == ("baseline", None)
    assert "synthetic ratings answer" in told["warning"]
    assert told["interval_level"] == 0.9
    for one in told["predictions"]:
        assert one["low"] < one["prediction"] < one["high"]
    if kind != "quality":
        assert [one["unseen"] for one in told["predictions"]] == [["model"], []]


def test_the_mean_of_the_narrowest_known_group_answers(ask):
    fill_synthetic(count=400, seed=2)
    frame = get_kind("csat").load(Recipe()).frame
    first = frame.iloc[0]
    columns = ["provider", "model", "action_type"]
    own = frame[(frame[columns] == first[columns]).all(axis=1)]
    row = {name: first[name] for name in columns}
    told = predicted(ask("feedback/predict", {"kind": "csat", "rows": [row, {}]}))
    assert told["predictions"][0]["prediction"] == pytest.approx(own["csat"].mean())
    assert told["predictions"][1]["prediction"] == pytest.approx(frame["csat"].mean())


def test_the_champion_answers_with_intervals_and_names_what_it_has_not_seen(ask):
    fill_synthetic(count=1500, seed=2)
    run("build_dataset", "--kind", "csat", "--now")
    run("train_model", "--kind", "csat", "--now")
    call_command("models", "promote", "1", "--kind", "csat")
    told = predicted(ask("feedback/predict", {"kind": "csat", "rows": [ROW, {"quality": 0.1}]}))
    assert (told["served_by"], told["model_version"], told["warning"]) == ("model", 1, "")
    assert told["trained_on"] == "synthetic"
    first, second = told["predictions"]
    wanted = predict_features(get_kind("csat"), ROW)
    assert first["prediction"] == pytest.approx(wanted.value)
    assert 0 <= first["low"] < first["prediction"] < first["high"] <= 1
    assert first["unseen"] == ["model"]
    assert first["missing"] == ["response_time_ms", "action_type"]
    assert second["prediction"] < first["prediction"]
    ModelVersion.objects.update(stage=ModelVersion.Stage.CANDIDATE)
    told = predicted(ask("feedback/predict", {"kind": "csat", "rows": [ROW]}))
    assert told["served_by"] == "baseline"


@pytest.mark.parametrize(
    ("body", "at", "words"),
    [
        ({"kind": "csat", "rows": [{}, {"quality": 80}]}, "rows.1", "quality"),
        ({"kind": "csat", "rows": [{"colour": "red"}]}, "rows.0", "no input"),
        ({"kind": "csat", "rows": [{"quality": "0.8"}]}, "rows.0", "number"),
        ({"kind": "csat", "rows": []}, "rows", "at least 1"),
        ({"kind": "csat", "rows": [{}] * 1001}, "rows", "at most 1000"),
        ({"kind": "match_compatibility", "rows": [{}]}, "kind", "csat"),
    ],
)
def test_what_cannot_be_predicted_is_named_where_it_stands(ask, body, at, words):
    answer = ask("feedback/predict", body)
    assert answer.status_code == 422, answer.content
    (fault,) = answer.json()["errors"]
    assert fault["at"] == at
    assert words in fault["said"]
