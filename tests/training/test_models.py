"""Training and the registry: what is written, what may be live, and the way back."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from matching.models import EventBatch
from project.jobs.models import Job
from project.jobs.run import JobStopped
from project.refusal import Refusal
from tests.blobs import file_of, files_of
from tests.factories import make_admin, make_staff
from tests.training.batches import (
    claimed_run,
    draw_events,
    make_batch,
    make_dataset,
    make_good_batch,
    make_model,
)
from tests.training.test_datasets import run_json
from training.jobs.models import train
from training.kinds import DEFAULT_KIND, get_kind
from training.models import ModelVersion, Promotion
from training.queries.comparisons import compare
from training.queries.datasets import read_part
from training.queries.loading import load_model
from training.queries.models import champion_of
from training.services import registry

pytestmark = pytest.mark.django_db
KIND = get_kind(DEFAULT_KIND)


@pytest.fixture
def dataset(db):
    return make_dataset()


@pytest.fixture
def poor_dataset(db):
    """A dataset of which a third of the rows are copies."""
    repeated = draw_events(160, seed=2).iloc[[*range(80), *range(160)]].reset_index(drop=True)
    repeated["occurred_at"] = draw_events(240, seed=2)["occurred_at"]
    return make_dataset(make_batch(repeated))


def flip_byte(model):
    """Change one bit of a model's file on disk."""
    path = file_of(model, "match_compatibility_model.pkl")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_model_folder_holds_the_promised_files(dataset):
    model = make_model(dataset)
    files = files_of(model)
    assert set(files) == {
        "match_compatibility_model.pkl", "model_features.json", "model_metadata.json",
    }  # fmt: skip
    assert json.loads(files["model_features.json"].read_bytes()) == list(KIND.features)
    metadata = json.loads(files["model_metadata.json"].read_bytes())
    assert metadata["dataset"]["version"] == dataset.version
    assert metadata["dataset"]["sha256"]["train.csv"] == dataset.files["train.csv"]["sha256"]
    assert metadata["gates"] == model.gates


def test_every_figure_stands_beside_constant_rule_score_and_ceilings(dataset):
    model = make_model(dataset)
    validation = model.metrics["validation"]
    assert validation["rows"] == 200
    for name in ("roc_auc", "pr_auc", "accuracy", "precision", "recall", "f1", "brier", "ece"):
        metric = validation[name]
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert model.metrics["by_match_type"].keys() == {"user_user"}
    assert model.baselines["constant"]["roc_auc"]["value"] == 0.5
    assert model.baselines["rule_score"]["roc_auc"]["value"] > 0.7
    assert model.ceilings["oracle"]["value"] > model.ceilings["feature"]["value"] > 0.75
    assert set(model.importance["features"]) == set(KIND.features)


def test_rows_without_true_probabilities_have_no_ceilings():
    events = draw_events(600).drop(columns=["true_probability", "feature_probability"])
    batch = make_batch(events, method=EventBatch.Method.IMPORTED)
    model = make_model(make_dataset(batch))
    assert model.ceilings == {"oracle": None, "feature": None}


def test_same_seed_and_dataset_give_the_same_scores(dataset):
    kind = "training.train_model"
    a, b = (train(claimed_run(kind), dataset, seed=5) for _ in range(2))
    assert a.metrics == b.metrics
    assert a.version + 1 == b.version


def test_refused_dataset_trains_nothing(poor_dataset, capsys):
    said = run_json(capsys, "train_model", "--now", code=2)
    assert "Nothing was trained" in said["refused"]["message"]
    assert {check["name"] for check in said["refused"]["checks"]} >= {"duplicate_share"}
    assert not ModelVersion.objects.exists()
    assert Job.objects.get().state == Job.State.REFUSED


def test_refused_dataset_is_trained_on_with_permission_and_reason(poor_dataset):
    kind, reason = "training.train_model", "copies are expected in this drill"
    with pytest.raises(Refusal, match="may not override"):
        train(claimed_run(kind, make_staff()), poor_dataset, override_reason=reason)
    with pytest.raises(Refusal, match="characters"):
        train(claimed_run(kind, make_admin()), poor_dataset, override_reason="ok")
    user = make_staff("training.override_refusal", name="ada")
    model = train(claimed_run(kind, user), poor_dataset, override_reason=reason)
    assert (model.override_reason, model.override_by) == (reason, "ada")


def test_stopped_training_leaves_nothing(dataset):
    run = claimed_run("training.train_model")
    Job.objects.update(stop_requested=True)
    with pytest.raises(JobStopped):
        train(run, dataset)
    assert not ModelVersion.objects.exists()


def test_resumed_training_returns_the_model_that_was_written(dataset):
    run = claimed_run("training.train_model")
    model = train(run, dataset)
    assert train(run, dataset) == model
    assert ModelVersion.objects.count() == 1


def test_written_model_changes_nothing_but_its_stage(dataset):
    model = make_model(dataset)
    ModelVersion.objects.update(stage="archived")
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        ModelVersion.objects.filter(pk=model.pk).update(metrics={})


def test_promotion_history_cannot_be_changed_or_deleted(dataset):
    promotion = registry.promote(make_model(dataset))
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        Promotion.objects.update(reason="another")
    with pytest.raises(IntegrityError, match="kept for ever"), transaction.atomic():
        promotion.delete()


def test_promotion_archives_the_champion_and_keeps_the_gates(dataset):
    first, second = make_model(dataset, seed=1), make_model(dataset, seed=2)
    registry.promote(first)
    promotion = registry.promote(second, reason="newer")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.stage, second.stage) == ("archived", "champion")
    assert (promotion.previous, promotion.reason) == (first, "newer")
    assert {check["name"] for check in promotion.gates} >= {
        "better_than_chance",
        "against_champion",
    }


def test_champion_is_not_promoted_again(dataset):
    model = make_model(dataset)
    registry.promote(model)
    with pytest.raises(Refusal, match="champion already"):
        registry.promote(model)


def test_failed_gates_refuse_promotion_unless_overridden(useless_model):
    with pytest.raises(Refusal, match="better_than_chance"):
        registry.promote(useless_model)
    reason = "a drill, nobody is served"
    with pytest.raises(Refusal, match="may not override"):
        registry.promote(useless_model, by=make_staff(), override_reason=reason)
    user = make_staff("training.override_refusal")
    promotion = registry.promote(useless_model, by=user, override_reason=reason)
    assert (promotion.override_reason, promotion.actor) == (reason, user.username)


def test_significantly_worse_model_does_not_replace_the_champion(dataset, useless_model):
    """Of the two, the useless one is measured on validation rows that the champion knows not."""
    good = make_model(dataset)
    registry.promote(good)
    worse = ModelVersion.objects.get(pk=useless_model.pk)
    comparison = compare(make_model(dataset, seed=9), worse)
    assert comparison.difference.verdict == "better"
    with pytest.raises(Refusal):
        registry.promote(worse)
    assert champion_of(DEFAULT_KIND) == good


def test_rows_that_the_other_model_learnt_from_decide_nothing(dataset):
    again = make_dataset(EventBatch.objects.get(), split="random", seed=3)
    candidate, other = make_model(again), make_model(dataset)
    pair = ["user_id", "partner_id"]
    held_out = read_part(again, "val", columns=pair)
    learnt = set(map(tuple, read_part(dataset, "train", columns=pair).to_numpy()))
    is_new = [tuple(row) not in learnt for row in held_out.to_numpy()]
    assert 0 < sum(is_new) < len(held_out)
    assert compare(candidate, other).rows == sum(is_new)


def test_models_of_different_feature_sets_are_not_compared(dataset):
    tiered = make_dataset(make_batch(draw_events(600, seed=4), feature_set="tiered-1"))
    run = claimed_run("training.train_model")
    other = train(run, tiered, override_reason="tiers are the point of this test")
    comparison = compare(make_model(dataset), other)
    assert comparison.difference is None
    assert "tiered-1" in comparison.note


def test_rollback_walks_back_one_champion_at_a_time(dataset):
    models = [make_model(dataset, seed=number) for number in range(3)]
    for model in models:
        registry.promote(model, reason="newer")
    assert registry.rollback(KIND, reason="drift").model == models[1]
    assert registry.rollback(KIND, reason="drift").model == models[0]
    with pytest.raises(Refusal, match="no earlier champion"):
        registry.rollback(KIND, reason="drift")
    assert champion_of(DEFAULT_KIND) == models[0]
    registry.promote(models[2], reason="newer")
    assert registry.rollback(KIND, reason="drift").model == models[0]


def test_byte_flipped_model_is_refused_everywhere(dataset, tmp_path, capsys):
    first, second = make_model(dataset, seed=1), make_model(dataset, seed=2)
    registry.promote(first)
    flip_byte(second)
    with pytest.raises(Refusal, match="has changed since it was written"):
        registry.promote(second, override_reason="an override does not mend bytes")
    for arguments in (["compare", "1", "2"], ["export", "2", "--output", str(tmp_path / "new")]):
        said = run_json(capsys, "models", *arguments, code=2)
        assert "has changed since it was written" in said["refused"]["message"]
    assert not (tmp_path / "new").exists()
    registry.promote(make_model(dataset, seed=3), reason="newer")
    flip_byte(first)
    with pytest.raises(Refusal, match="has changed since it was written"):
        registry.rollback(KIND, reason="drift")


@pytest.mark.django_db(transaction=True)
def test_promotions_at_once_leave_one_champion():
    dataset = make_dataset()
    models = [make_model(dataset, seed=number) for number in range(3)]

    def promote(model):
        try:
            return registry.promote(model, reason="at once").pk
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        promotions = list(pool.map(promote, models))
    assert len(set(promotions)) == 3
    champion = ModelVersion.objects.champions().get()
    assert Promotion.objects.first().model == champion


def test_database_allows_one_champion_of_a_kind(dataset):
    make_model(dataset, seed=1), make_model(dataset, seed=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.update(stage="champion")


def test_export_writes_verified_files_and_never_overwrites(dataset, tmp_path):
    model = make_model(dataset)
    files = registry.export_model(model, tmp_path / "out")
    assert {file.name for file in files} == set(model.files)
    with pytest.raises(Refusal, match="exists already"):
        registry.export_model(model, tmp_path / "out")
    flip_byte(model)
    with pytest.raises(Exception, match="has changed"):
        registry.export_model(model, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_model_of_another_scikit_learn_is_not_loaded(dataset, monkeypatch):
    model = make_model(dataset)
    monkeypatch.setattr(
        "training.queries.serviceable.library_versions", lambda: {"scikit-learn": "0.1"}
    )
    with pytest.raises(Exception, match="written with scikit-learn"):
        load_model(model)


def test_commands_tell_the_whole_story(capsys, tmp_path):
    make_good_batch()
    run_json(capsys, "build_dataset", "--now")
    first = run_json(capsys, "train_model", "--now", "--seed", "1")
    assert {"version", "metrics", "baselines", "ceilings", "gates"} <= first.keys()
    shown = {"train", "validation", "by_match_type", "learning_curve"}
    assert first["metrics"].keys() == shown
    assert first["baselines"].keys() == {"constant", "rule_score"}
    assert first["ceilings"].keys() == {"oracle", "feature"}
    call_command("train_model", "--now", "--seed", "2")
    assert "the model's distance to it is" in capsys.readouterr().out
    assert run_json(capsys, "models", "promote", "1")["version"] == 1
    said = run_json(capsys, "models", "promote", "2", "--reason", " ", code=2)["refused"]
    assert "Version 1 of match_compatibility is live, and no reason is given" in said["message"]
    assert run_json(capsys, "models", "promote", "2", "--reason", "newer")["previous"] == 1
    said = run_json(capsys, "models", "rollback", code=2)["refused"]
    assert "--reason" in said["remedy"]
    said = run_json(capsys, "models", "rollback", "--if-live", "1", code=2)["refused"]
    assert "Version 2 is live: " in said["message"]
    said = run_json(capsys, "models", "rollback", "--if-live", "2", "--to", "9", code=2)["refused"]
    assert "Version 1 would come back, not version 9." in said["message"]
    back = ["models", "rollback", "--if-live", "2", "--to", "1", "--reason", "drift"]
    assert run_json(capsys, *back)["version"] == 1
    said = run_json(capsys, "models", "promote", "2", "--if-live", "0", code=2)["refused"]
    assert "returned to it on" in said["message"]
    listed = run_json(capsys, "models", "list")["models"]
    assert [(row["version"], row["stage"]) for row in listed] == [(2, "archived"), (1, "champion")]
    shown = run_json(capsys, "models", "show", "1")
    assert len(shown["history"]) == 2
    assert shown["metrics"]["learning_curve"]["points"]
    assert run_json(capsys, "models", "compare", "1", "2")["rows"] == 200
    output = tmp_path / "exported"
    run_json(capsys, "models", "export", "1", "--output", str(output))
    assert len(list(output.iterdir())) == 3
    for action in (["list"], ["show", "1"], ["compare", "1", "2"]):
        call_command("models", *action)
    for action in (["promote", "2"], ["rollback"]):
        call_command("models", *action, "--reason", "as was said")
    out = capsys.readouterr().out
    assert "at the command line, because: drift" in out
    assert "Version 1 of match_compatibility is live again; until now it was version 2" in out


@pytest.mark.parametrize(
    "arguments", [("show", "7"), ("promote", "7"), ("rollback",), ("compare", "7", "8")]
)
def test_models_that_are_not_there_are_refused(capsys, arguments):
    assert run_json(capsys, "models", *arguments, code=2)["refused"]["remedy"]


@pytest.mark.parametrize("arguments", [(), ("dance",), ("show",), ("show", "x"), ("export", "1")])
def test_unusable_registry_arguments_are_errors(arguments):
    with pytest.raises(CommandError):
        call_command("models", *arguments)
