"""The kinds that learn from feedback: close to the known ceiling, and refused where they should be."""

import numpy as np
import pytest
from django.db import connection

from feedback.models import Explanation
from feedback.services.imports import fill_synthetic
from project.refusal import Refusal
from tests.feedback.test_commands import run
from training.kinds import Recipe, get_kind
from training.services.datasets import prepare_dataset, write_dataset

KINDS = ("quality", "csat", "model_performance")
TABLE_OF = {
    "quality": ("feedback_explanation", "quality_score"),
    "csat": ("feedback_qualityfeedback", "quality_rating"),
    "model_performance": ("feedback_abtestresult", "user_rating"),
}


@pytest.fixture(autouse=True)
def _artifacts(settings, tmp_path):
    settings.ARTIFACT_ROOT = tmp_path


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
    reached = model["metrics"]["validation"]["r2"]
    ceiling = model["ceilings"]["oracle"]
    assert reached["value"] > ceiling["value"] - 0.12
    assert reached["low"] < ceiling["high"]
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
        f"(SELECT {target} AS value, row_number() OVER (ORDER BY md5('b' || uid)) n FROM {table}) b "
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


def test_constant_metrics_are_refused(db):
    fill_synthetic(count=1000, seed=2)
    Explanation.objects.update(code_quality=75, test_coverage=75, security=75)
    code, result = build_and_train("quality")
    assert code == 2
    assert "code_quality" in str(result)


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


def test_a_target_that_leaks_into_an_input_is_refused(db):
    fill_synthetic(count=1000, seed=2)
    execute("UPDATE feedback_explanation SET code_quality = 100 * quality_score")
    code, result = build_and_train("quality")
    assert code == 2
    assert "code_quality" in str(result)


@pytest.mark.parametrize("kind", KINDS)
def test_splits_are_by_time_or_by_group_and_groups_stay_together(db, kind):
    fill_synthetic(count=1500, seed=2)
    declared = get_kind(kind)
    assert declared.default_split == "time"
    assert "random" not in declared.splits
    for name in declared.splits:
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
    assert prepare_dataset(kind, Recipe()).loaded.recipe.source == "synthetic"
    with pytest.raises(Refusal, match="real"):
        kind.load(Recipe(source="real"))
    path = tmp_path / "own.csv"
    path.write_text(
        "id,quality_score,created_at\n"
        + "".join(f"{n},0.{n % 9 + 1},2026-05-01T00:00Z\n" for n in range(200))
    )
    run("import_feedback", str(path), "--table", "explanations", "--now")
    assert kind.load(Recipe()).recipe.source == "real"
    assert len(kind.load(Recipe()).frame) == 200
    combined = kind.load(Recipe(source="combined"))
    assert (len(combined.frame), combined.recipe.source) == (800, "combined")
    assert {entry["source"] for entry in combined.lineage} == {"real", "synthetic"}


def test_a_missing_metric_reaches_the_dataset_as_missing(db):
    fill_synthetic(count=600, seed=2)
    prepared = prepare_dataset(get_kind("quality"), Recipe())
    missing = prepared.loaded.frame["code_quality"].isna().mean()
    assert 0 < missing < 0.1
    dataset = write_dataset(prepared)
    assert dataset.report["features"]["code_quality"]["missing_share"] == pytest.approx(missing)
    assert not np.isin(prepared.loaded.frame["code_quality"].dropna().mode(), [0, 75]).any()
