"""The kinds that learn from feedback: near the known ceiling, refused where they should be."""

import json

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from django.urls import reverse

from feedback.jobs.synthetic import fill_synthetic
from feedback.models import FeedbackSource
from project.refusal import Refusal
from tests.feedback.test_commands import run
from training.domain.quality import report_quality
from training.kinds import Recipe, get_kind
from training.models import Dataset, ModelVersion
from training.queries.predictions import predict_features
from training.queries.preparing import prepare_dataset
from training.queries.scoring import UnusableFeatures
from training.services.datasets import write_dataset

KINDS = ("quality", "csat", "model_performance")
TABLE_OF = {
    "quality": ("feedback_explanation", "quality_score"),
    "csat": ("feedback_qualityfeedback", "quality_rating"),
    "model_performance": ("feedback_abtestresult", "user_rating"),
}


@pytest.fixture(autouse=True)
def _artifacts(settings, tmp_path):
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def build_and_train(kind, *build):
    code, dataset = run("build_dataset", "--kind", kind, "--now", *build)
    if code:
        return code, dataset
    return run("train_model", "--kind", kind, "--now")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_generated_feedback_comes_close_to_the_ceiling(db, kind):
    fill_synthetic(count=3000, seed=2)
    code, model = build_and_train(kind)
    assert code == 0, model
    distance = model["ceilings"]["oracle"]["distance"]
    # Within .05 of R2, and so near on other rows as well.
    assert -0.02 < distance["value"] < 0.05
    assert distance["low"] <= distance["value"] <= distance["high"] < 0.08
    coverage = model["metrics"]["validation"]["interval_coverage"]
    assert coverage["low"] < 0.92
    assert coverage["high"] > 0.88
    assert "constant" in model["baselines"]
    assert "group_mean" in model["baselines"]
    assert ("given" in model["baselines"]) == (kind == "model_performance")


@pytest.mark.parametrize("kind", KINDS)
def test_shuffled_targets_are_refused(db, kind):
    fill_synthetic(count=2000, seed=2)
    table, target = TABLE_OF[kind]
    execute(
        f"UPDATE {table} t SET {target} = s.value FROM (SELECT a.uid, b.value FROM "
        f"(SELECT uid, row_number() OVER (ORDER BY md5('a' || uid)) n FROM {table}) a JOIN "
        f"(SELECT {target} AS value, row_number() OVER (ORDER BY md5('b' || uid)) n "
        f"FROM {table}) b "
        "USING (n)) s WHERE s.uid = t.uid"
    )
    code, result = build_and_train(kind)
    assert code == 2
    assert "constant" in str(result)


@pytest.mark.parametrize(
    ("kind", "minimum"), [("quality", 100), ("csat", 200), ("model_performance", 500)]
)
def test_too_few_rows_are_refused_with_the_number_and_the_limit(db, kind, minimum):
    fill_synthetic(count=2000, seed=2)
    table, _ = TABLE_OF[kind]
    execute(
        f"DELETE FROM {table} WHERE uid NOT IN "
        f"(SELECT uid FROM {table} ORDER BY created_at LIMIT {minimum - 1})"
    )
    code, result = build_and_train(kind)
    assert code == 2
    assert str(minimum) in str(result)
    assert str(minimum - 1) in str(result)


@pytest.mark.parametrize(
    ("kind", "constants", "said"),
    [
        ("quality", "code_quality = 75, test_coverage = 75, security = 75", "code_quality has 1"),
        ("csat", "quality_score = 0.75", "quality has 1 distinct"),
        ("model_performance", "predicted_quality = 0.75", "prediction has 1 distinct"),
    ],
)
def test_constant_inputs_are_refused(db, kind, constants, said):
    fill_synthetic(count=1000, seed=2)
    table = "feedback_explanation" if kind == "csat" else TABLE_OF[kind][0]
    execute(f"UPDATE {table} SET {constants}")
    code, result = build_and_train(kind)
    assert code == 2
    assert said in str(result)


def test_inputs_that_are_all_constant_are_refused_where_none_is_demanded(db):
    fill_synthetic(count=600, seed=2)
    execute("DELETE FROM feedback_explanation")
    execute("UPDATE feedback_qualityfeedback SET provider = 'p', model = 'm', action_type = 'a'")
    code, result = build_and_train("csat")
    assert code == 2
    assert "Every input is constant" in str(result)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_that_is_mostly_copies_is_refused(db, kind):
    fill_synthetic(count=2000, seed=2)
    table, _ = TABLE_OF[kind]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
            "AND attgenerated = '' AND NOT attisdropped AND attname <> 'uid'",
            [table],
        )
        columns = ", ".join(row[0] for row in cursor.fetchall())
    execute(
        f"WITH kept AS (SELECT * FROM {table} ORDER BY uid LIMIT 40), "
        f"gone AS (DELETE FROM {table} WHERE uid NOT IN (SELECT uid FROM kept)) "
        f"INSERT INTO {table} (uid, {columns}) SELECT gen_random_uuid(), {columns} "
        "FROM kept, generate_series(1, 35)"
    )
    code, result = build_and_train(kind)
    assert code == 2
    assert "duplicate" in str(result).lower()


@pytest.mark.parametrize("kind", ["csat", "model_performance"])
def test_copies_under_fresh_ids_and_times_are_refused(db, kind):
    fill_synthetic(count=1200, seed=2)
    prepared = prepare_dataset(get_kind(kind), Recipe())
    frame = prepared.loaded.frame.iloc[np.arange(800) % 24].reset_index(drop=True)
    # Ratings of four values: alone they would repeat by chance.
    target = get_kind(kind).target
    frame[target] = frame[target].round(0) / 2 + 0.25
    for name in ("response_id", "session_id", "user_id"):
        frame[name] = [f"{name}-{row}" for row in range(len(frame))]
    frame["occurred_at"] = pd.date_range("2026-01-01", periods=len(frame), freq="h", tz="UTC")
    report = report_quality(frame, get_kind(kind).quality_of(Recipe()))
    refused = {check.name for check in report.checks if check.verdict == "refuse"}
    assert refused == {"repeated_answers"}


def test_votes_that_agree_are_no_copies(db):
    fill_synthetic(count=2000, seed=2)
    execute("UPDATE feedback_qualityfeedback SET quality_rating = round(quality_rating)")
    execute("UPDATE feedback_explanation SET quality_score = round(quality_score::numeric, 1)")
    prepared = prepare_dataset(get_kind("csat"), Recipe())
    checks = {check.name: check for check in prepared.report.checks}
    assert checks["duplicate_share"].value == 0
    assert checks["repeated_answers"].verdict == "pass"
    # Nor are answers of one quality where nothing else is known of them.
    metrics = ("code_quality", "test_coverage", "security", "performance", "maintainability",
               "complexity")  # fmt: skip
    prepared = prepare_dataset(get_kind("quality"), Recipe(without=metrics))
    checks = {check.name: check for check in prepared.report.checks}
    assert checks["duplicate_share"].value == 0
    assert prepared.split.dropped == {"copy": 0}


@pytest.mark.parametrize(
    ("kind", "statement", "column"),
    [
        (
            "quality",
            "UPDATE feedback_explanation SET code_quality = 100 * quality_score",
            "code_quality",
        ),
        (
            "csat",
            "UPDATE feedback_qualityfeedback SET action_type = 'a' || floor(50 * quality_rating)",
            "action_type",
        ),
    ],
)
def test_a_target_that_leaks_into_an_input_is_refused(db, kind, statement, column):
    fill_synthetic(count=1000, seed=2)
    execute(statement)
    code, result = build_and_train(kind)
    assert code == 2
    assert f"{column} alone tells" in str(result)


def test_a_copy_in_a_held_out_group_does_not_refuse_the_split(db):
    fill_synthetic(count=600, seed=2)
    kind = get_kind("quality")
    split = prepare_dataset(kind, Recipe(split="model")).split
    frame = prepare_dataset(kind, Recipe()).loaded.frame
    ours = frame.loc[split.train, "row_id"].iloc[0]
    theirs = frame.loc[split.validation, "row_id"].iloc[0]
    columns = (
        "quality_score, code_quality, test_coverage, security, performance, maintainability, "
        "complexity, response_id, created_at"
    )
    execute(
        f"UPDATE feedback_explanation SET ({columns}) = "
        f"(SELECT {columns} FROM feedback_explanation WHERE uid = '{ours}') WHERE uid = '{theirs}'"
    )
    prepared = prepare_dataset(kind, Recipe(split="model"))
    assert prepared.split.dropped["copy"] == 1
    assert {c.name: c.verdict for c in prepared.report.checks}["shared:model"] == "pass"


def test_a_model_that_passed_predicts_with_an_interval_and_names_what_it_lacks(db):
    fill_synthetic(count=1500, seed=2)
    code, said = run("predict", "--kind", "csat", "--features", "{}")
    assert code == 2
    assert "no champion" in str(said)
    build_and_train("csat")
    run("models", "promote", "1", "--kind", "csat")
    features = {"quality": 0.8, "provider": "openai", "model": "never-seen", "actionType": None}
    code, said = run("predict", "--kind", "csat", "--features", json.dumps(features))
    assert code == 0
    assert 0 <= said["low"] < said["prediction"] < said["high"] <= 1
    assert said["missing"] == ["response_time_ms", "action_type"]
    assert said["unseen"] == ["model"]
    for wrong in ({"quality": 80}, {"quality": "0.8"}, {"provider": 3}, {"colour": "red"}):
        with pytest.raises(UnusableFeatures, match=next(iter(wrong))):
            predict_features(get_kind("csat"), wrong)


def test_no_model_is_split_by_lot_and_batches_are_refused(db):
    fill_synthetic(count=300, seed=2)
    for recipe in (Recipe(split="random"), Recipe(batches=(1,)), Recipe(origin="invented")):
        with pytest.raises(Refusal):
            prepare_dataset(get_kind("quality"), recipe)


def test_generated_rows_do_not_stand_in_for_a_real_source_without_rows(db):
    fill_synthetic(count=300, seed=2)
    FeedbackSource.objects.create(name="theirs", kind=FeedbackSource.Kind.FILE)
    with pytest.raises(Refusal, match="no collected feedback"):
        prepare_dataset(get_kind("quality"), Recipe())
    asked = prepare_dataset(get_kind("quality"), Recipe(origin="synthetic"))
    assert asked.loaded.recipe.origin == "synthetic"


@pytest.mark.parametrize("kind", KINDS)
def test_splits_are_by_time_or_by_group_and_groups_stay_together(db, kind):
    fill_synthetic(count=1500, seed=2)
    declared = get_kind(kind)
    assert declared.default_split == "time"
    assert "random" not in declared.splits
    for name in set(declared.splits) - {"origin"}:  # asks for rows of both origins
        prepared = prepare_dataset(declared, Recipe(split=name))
        frame, split = prepared.loaded.frame, prepared.split
        assert min(split.train.sum(), split.validation.sum()) > 50
        if name == "time":
            latest = frame.loc[split.train, "occurred_at"].max()
            assert latest < frame.loc[split.validation, "occurred_at"].min()
        else:
            column = declared.splits[name].groups[0]
            groups = [set(frame.loc[mask, column]) for mask in (split.train, split.validation)]
            assert not groups[0] & groups[1]


def test_generated_feedback_is_mixed_with_real_only_when_asked(db, tmp_path):
    fill_synthetic(count=600, seed=2)
    kind = get_kind("quality")
    assert prepare_dataset(kind, Recipe()).loaded.recipe.origin == "synthetic"
    with pytest.raises(Refusal, match="real"):
        kind.load(Recipe(origin="real"))
    path = tmp_path / "own.csv"
    path.write_text(
        "id,quality_score,created_at\n"
        + "".join(f"{n},0.{n % 9 + 1},2026-05-01T00:00Z\n" for n in range(200))
    )
    run("import_feedback", str(path), "--table", "explanations", "--now")
    assert kind.load(Recipe()).recipe.origin == "real"
    assert len(kind.load(Recipe()).frame) == 200
    combined = kind.load(Recipe(origin="combined"))
    assert (len(combined.frame), combined.recipe.origin) == (800, "combined")
    assert {entry["origin"] for entry in combined.lineage} == {"real", "synthetic"}


def test_a_missing_metric_reaches_the_dataset_as_missing(db):
    fill_synthetic(count=600, seed=2)
    prepared = prepare_dataset(get_kind("quality"), Recipe())
    missing = prepared.loaded.frame["code_quality"].isna().mean()
    assert 0 < missing < 0.1
    dataset = write_dataset(prepared)
    assert dataset.report["features"]["code_quality"]["missing_share"] == pytest.approx(missing)
    assert not np.isin(prepared.loaded.frame["code_quality"].dropna().mode(), [0, 75]).any()


@pytest.mark.usefixtures("valkey")
def test_pages_of_a_number_speak_of_numbers_and_of_the_distance_to_the_ceiling(db, admin_client):
    fill_synthetic(count=600, seed=2)
    build_and_train("quality")
    pages = [
        admin_client.get(reverse(f"admin:training_{name}_change", args=[model.objects.get().pk]))
        for name, model in (("dataset", Dataset), ("modelversion", ModelVersion))
    ]
    for page in pages:
        assert page.status_code == 200
        for word in ("ROC-AUC", "PR-AUC", "Brier", "Label 1", "label 1", "ule score", "pairs may"):
            assert word not in page.text
    assert "Distance to the oracle ceiling" in pages[1].text
    assert "Interval coverage" in pages[1].text
