"""Match rows from where they really come from: generated batches and imported logs."""

import numpy as np
import pytest
from django.core.management import call_command

from matching.domain.features.names import FEATURE_NAMES
from matching.models import EventBatch
from matching.services.people import seed_block
from tests.factories import write_poor_log
from tests.training.test_datasets import run_json
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.models import ModelVersion

KIND = get_kind(DEFAULT_KIND)


@pytest.fixture
def population(db, valkey):
    seed_block(seed=7, block=0, count=120)
    call_command("create_sessions", now=True, json=True)


def generate(feature_set, match_type="both"):
    call_command(
        "generate_events", count=200, match_type=match_type, feature_set=feature_set,
        now=True, json=True,
    )  # fmt: skip
    return EventBatch.objects.latest("pk")


@pytest.mark.parametrize(("made", "asked"), [("smooth-1", "tiered-1"), ("tiered-1", "smooth-1")])
def test_generated_rows_are_recomputed_for_another_feature_set(population, made, asked):
    """Two batches of one seed differ in nothing but the formulas of their features."""
    batch, wanted = generate(made), generate(asked)
    recomputed = KIND.load(Recipe(batches=(batch.pk,), feature_set=asked))
    expected = KIND.load(Recipe(batches=(wanted.pk,)))
    assert recomputed.recipe.feature_set == expected.recipe.feature_set == asked
    np.testing.assert_array_equal(recomputed.frame["user_id"], expected.frame["user_id"])
    for name in FEATURE_NAMES:
        np.testing.assert_array_equal(recomputed.frame[name], expected.frame[name], err_msg=name)


def test_batches_of_two_feature_sets_meet_in_the_smooth_one(population):
    batches = generate("smooth-1").pk, generate("tiered-1", "solo").pk
    loaded = KIND.load(Recipe(batches=batches))
    assert loaded.recipe.feature_set == "smooth-1"
    assert len(loaded.frame) == 400


def test_poor_log_is_imported_refused_by_analysis_and_trains_nothing(db, valkey, tmp_path, capsys):
    """232 logged events, 51 % of them copies, many values of exactly 0.5."""
    log = write_poor_log(tmp_path / "events.jsonl")
    call_command("import_events", str(log), source="real", now=True, json=True)
    assert EventBatch.objects.get().made == 232
    capsys.readouterr()
    built = run_json(capsys, "build_dataset", "--source", "real", "--now")
    assert (built["verdict"], built["rows"], built["feature_set"]) == ("refuse", 232, "tiered-1")
    report = run_json(capsys, "analyze_dataset", code=2)
    refused = {check["name"]: check for check in report["checks"] if check["verdict"] == "refuse"}
    assert refused["duplicate_share"]["value"] == pytest.approx(119 / 232)
    assert "missing:personality_score" in refused
    assert all(check["remedy"] for check in refused.values())
    said = run_json(capsys, "train_model", "--now", code=2)["refused"]
    assert "Nothing was trained" in said["message"]
    assert "copies" in said["message"]
    assert {check["name"] for check in said["checks"]} == set(refused)
    assert not ModelVersion.objects.exists()
