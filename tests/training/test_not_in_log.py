"""What no row of a log carries is out of its dataset's gates, of the model, and of serving."""

import json
from datetime import date

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY
from matching.models import EventBatch
from project.origin import Origin
from project.refusal import Refusal
from tests.matching.drawn import draw_travellers
from tests.training.batches import draw_events, make_batch, make_dataset, make_model
from tests.training.test_datasets import run_json
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.queries.datasets import inputs_of
from training.queries.files import build_command
from training.queries.loading import load_model
from training.queries.preparing import prepare_dataset
from training.queries.scoring import score_features, score_frame
from training.services.registry import promote

pytestmark = pytest.mark.django_db
KIND = get_kind(DEFAULT_KIND)
BASE = FEATURE_NAMES[:9]


def make_log(count: int = 1_000, *, without: tuple[str, ...] = ()) -> EventBatch:
    events = draw_events(count).assign(**dict.fromkeys(without, np.float32(np.nan)))
    return make_batch(events, method=EventBatch.Method.IMPORTED, origin=Origin.REAL)


def test_a_log_of_base_scores_trains_with_products_derived(tmp_path, capsys, valkey):
    """Nine scores of a pair, as applications write them; no product, no trait of a group."""
    events = draw_events(1_000)
    names = dict(zip(BASE, ("distanceScore", "dateOverlapScore", "budgetScore", "interestScore",
                            "ageScore", "personalityScore", "languageScore", "lifestyleScore",
                            "backgroundScore"), strict=True))  # fmt: skip
    lines = [
        json.dumps(
            {
                "matchType": "user_user",
                "features": {names[name]: round(float(event[name]), 4) for name in BASE},
                "outcome": "accept" if event["label"] else "ignore",
                "timestamp": 1_700_000_000_000 + 61_000 * number,
                "userId": f"u{event['user_id']}",
                "targetId": f"u{event['target_id']}",
            }
        )
        for number, event in enumerate(events.to_dict("records"))
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines))
    call_command("import_events", str(path), origin="real", now=True, json=True)
    capsys.readouterr()
    built = run_json(capsys, "build_dataset", "--now")
    assert built["not_in_log"] == list(GROUP_ONLY)
    assert not any("group" in check["name"] for check in built["checks"])
    trained = run_json(capsys, "train_model", "--now")
    assert trained["inputs"] == [name for name in FEATURE_NAMES if name not in GROUP_ONLY]


def test_an_absent_input_is_out_of_the_model_and_served_without():
    dataset = make_dataset(make_log(without=("age_score", "budget_score", "date_budget")))
    assert dataset.report["not_in_log"] == [
        "budget_score", "age_score", *GROUP_ONLY, "date_budget",
    ]  # fmt: skip
    assert dataset.verdict != "refuse", dataset.checks
    model = make_model(dataset)
    assert not {"budget_score", "age_score", "date_budget"} & set(model.inputs)
    assert load_model(model).kind.features == tuple(model.inputs)
    assert "age_score" not in model.importance["features"]
    promote(model)
    given = dict.fromkeys((name for name in BASE if name != "age_score"), 0.5)
    without, scored = score_features(given), score_features({**given, "age_score": 0.9})
    assert without.serving.served_by == "model"
    assert without.missing == ((),)  # what the model does not read is not missed
    assert without.score == scored.score


def test_a_model_of_logged_features_scores_ready_features_and_computes_none():
    batch = make_log(1_000)
    EventBatch.objects.filter(pk=batch.pk).update(feature_set="logged-1", feature_revision=1)
    batch.refresh_from_db()
    model = make_model(make_dataset(batch))
    assert model.dataset.feature_set == "logged-1"
    promote(model)
    assert score_features(dict.fromkeys(BASE, 0.5)).serving.served_by == "model"
    people, _ = draw_travellers(4, 1, date(2026, 1, 1))
    scores = score_frame(people.head(2), people.tail(2))
    assert scores.serving.served_by == "rule_score"
    assert "scores ready features only" in scores.serving.warning


def test_a_recipe_leaves_inputs_out_with_their_products():
    dataset = make_dataset(make_log(), without=("distance_score",))
    names = {check["name"].partition(":")[2] for check in dataset.checks}
    assert not {"distance_score", "destination_interest"} & names
    assert not {"distance_score", "destination_interest"} & set(inputs_of(KIND, dataset))
    assert "--without distance_score" in build_command(dataset)


def test_a_recipe_that_leaves_all_out_is_refused():
    batch = make_log(200)
    with pytest.raises(Refusal, match="Nothing is left"):
        prepare_dataset(KIND, Recipe(batches=(batch.pk,), without=FEATURE_NAMES))


def test_only_inputs_of_the_kind_can_be_left_out():
    with pytest.raises(CommandError, match="shoe_size is no input"):
        call_command("build_dataset", "--without", "shoe_size", "--now")


def test_a_dataset_of_before_that_lists_nothing_is_read_with_all_inputs():
    dataset = make_dataset(make_log(300))
    del dataset.report["not_in_log"]
    assert inputs_of(KIND, dataset) == list(FEATURE_NAMES)
