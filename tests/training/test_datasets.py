"""Building and analysing datasets of match events."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import Generation, Population, Specification
from matching.domain.words import FeatureSet
from matching.models import EventBatch
from project.origin import Origin
from project.outside import csv_cell
from project.refusal import Refusal
from tests.blobs import file_of, files_of
from tests.matching.drawn import draw_travellers
from tests.training.batches import (
    draw_events,
    make_batch,
    make_dataset,
    make_generated_batch,
    make_good_batch,
)
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.models import Dataset
from training.queries.datasets import read_part
from training.queries.preparing import prepare_dataset
from training.services.datasets import write_csv, write_dataset

pytestmark = pytest.mark.django_db
KIND = get_kind(DEFAULT_KIND)


def run_json(capsys, *arguments, code=0):
    """Run a command with --json and return what it printed."""
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command(*arguments, "--json")
        assert ended.value.code == code
    else:
        call_command(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def test_generated_batch_gives_a_dataset_that_passes():
    dataset = make_dataset()
    assert (dataset.version, dataset.verdict, dataset.rows) == (1, "pass", 1_000)
    assert (dataset.train_rows, dataset.validation_rows) == (800, 200)
    assert (dataset.split, dataset.origin, dataset.feature_set) == ("time", "synthetic", "smooth-1")
    assert dataset.batches.count() == 1


def test_folder_holds_every_promised_file_and_the_manifest_their_digests():
    dataset = make_dataset()
    files = files_of(dataset)
    assert set(files) == {
        "train.csv", "val.csv", "train.parquet", "val.parquet", "manifest.json",
        "quality_report.json",
    }  # fmt: skip
    manifest = json.loads(files["manifest.json"].read_bytes())
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest
    assert manifest["lineage"][0]["events"] == 1_000
    assert manifest["libraries"]["scikit-learn"]
    assert json.loads(files["quality_report.json"].read_bytes()) == dataset.report


def test_csv_and_parquet_hold_the_same_rows():
    files = files_of(make_dataset())
    for part in ("train", "val"):
        from_csv = pd.read_csv(files[f"{part}.csv"], parse_dates=["occurred_at"])
        from_parquet = pq.read_table(files[f"{part}.parquet"]).to_pandas()
        for name in KIND.features:
            np.testing.assert_array_equal(
                from_csv[name].astype("float32"), from_parquet[name], err_msg=name
            )
        assert from_csv["match_type"].tolist() == from_parquet["match_type"].tolist()


def test_no_text_of_the_csv_is_a_formula(tmp_path):
    texts = ["=1+1", "groq", "@x", None, "-5", "\tx", "a=b", ""]
    table = pa.table({
        "provider": pa.array(texts).dictionary_encode(),
        "response_id": pa.array(texts, pa.large_string()),
        "quality": [-1.5] * len(texts),
    })  # fmt: skip
    write_csv(table, np.ones(len(texts), dtype=bool), tmp_path / "train.csv")
    rows = pd.read_csv(tmp_path / "train.csv", keep_default_na=False)
    shown = ["" if text is None else csv_cell(text) for text in texts]
    assert rows["provider"].tolist() == rows["response_id"].tolist() == shown
    assert set(rows["quality"]) == {-1.5}


def test_validation_rows_are_the_latest():
    dataset = make_dataset()
    train, validation = read_part(dataset, "train"), read_part(dataset, "val")
    assert train["occurred_at"].max() < validation["occurred_at"].min()


@pytest.mark.parametrize("split", ["user", "pair", "random"])
def test_other_splits_keep_their_promise(split):
    dataset = make_dataset(split=split, seed=3)
    train, validation = read_part(dataset, "train"), read_part(dataset, "val")
    assert len(train) == dataset.train_rows
    assert len(validation) == dataset.validation_rows > 50
    assert not set(train["event_key"]) & set(validation["event_key"])
    if split == "user":
        known = set(train["user_id"]) | set(train["partner_id"])
        assert not known & set(validation["user_id"])
    assert dataset.verdict != "refuse", [c for c in dataset.checks if c["verdict"] == "refuse"]


def test_without_names_the_newest_complete_batch_is_taken():
    make_good_batch(300, seed=1)
    newest = make_good_batch(300, seed=2)
    building = make_good_batch(300, seed=3)
    EventBatch.objects.filter(pk=building.pk).update(state=EventBatch.State.BUILDING)
    assert KIND.load(Recipe()).batches == (newest.pk,)


def test_source_chooses_among_the_batches_and_is_recorded():
    synthetic = make_good_batch(300, seed=1)
    real = make_batch(draw_events(300, seed=2), origin=Origin.REAL)
    assert KIND.load(Recipe(origin="synthetic")).batches == (synthetic.pk,)
    assert KIND.load(Recipe(origin="real")).batches == (real.pk,)
    combined = KIND.load(Recipe(origin="combined"))
    assert set(combined.batches) == {synthetic.pk, real.pk}
    assert combined.recipe.origin == "combined"
    assert len(combined.frame) == 600


def test_logged_features_are_kept_and_never_mixed_with_others():
    log = make_batch(
        draw_events(300, seed=2),
        method=EventBatch.Method.IMPORTED,
        origin=Origin.REAL,
        feature_set=FeatureSet.TIERED,
    )
    assert KIND.load(Recipe(batches=(log.pk,))).recipe.feature_set == "tiered-1"
    with pytest.raises(Refusal, match="keep the features that were logged"):
        KIND.load(Recipe(batches=(log.pk,), feature_set="smooth-1"))
    with pytest.raises(Refusal, match="keep the features that were logged"):
        KIND.load(Recipe(batches=(log.pk, make_good_batch(300).pk)))


@pytest.mark.parametrize(("stored", "asked"), [("smooth-1", "tiered-1"), ("tiered-1", "smooth-1")])
def test_generated_rows_are_computed_anew_for_another_feature_set(stored, asked):
    users, groups = draw_travellers(300, seed=7, today=date(2026, 3, 1), group_count=60)
    population = Population(
        users.assign(user_id=np.arange(len(users)) + 1),
        groups.assign(group_id=np.arange(len(groups)) + 1),
    )
    recipe = Specification(
        200, ("user_user", "user_group"), "balanced", 3, stored, False, date(2026, 3, 1)
    )
    batch = make_generated_batch(Generation(recipe, population))
    wanted = Generation(replace(recipe, feature_set=asked), population)
    chunks = [wanted.make_chunk(n) for n in range(wanted.chunk_count)]
    expected = np.concatenate([np.column_stack([c[n] for n in FEATURE_NAMES]) for c in chunks])
    loaded = KIND.load(Recipe(batches=(batch.pk,), feature_set=asked))
    assert loaded.recipe.feature_set == asked
    np.testing.assert_array_equal(loaded.frame[list(FEATURE_NAMES)].to_numpy(), expected)


def test_missing_inputs_of_tiered_rows_count_as_defaulted():
    events = draw_events(500, seed=4)
    events.loc[events.index % 2 == 0, "budget_score"] = np.nan
    dataset = make_dataset(make_batch(events, feature_set=FeatureSet.TIERED))
    assert dataset.report["features"]["budget_score"]["default_share"] == 0.5
    assert (read_part(dataset, "train")["budget_score"] == 0.5).sum() == 200


def test_copies_are_dropped_from_validation_and_still_counted():
    events = draw_events(500, seed=4)
    copied = pd.concat([events, events.iloc[:100].assign(occurred_at=events.occurred_at.max())])
    dataset = make_dataset(make_batch(copied))
    assert dataset.dropped == {"copy": 100}
    assert dataset.report["duplicate_share"] == pytest.approx(100 / 600)
    assert dataset.report["leakage"]["copy"]["shared"] == 0


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"batches": (99,)}, "no complete batch 99"),
        ({"split": "moon"}, "not split by 'moon'"),
        ({"feature_set": "smooth-9"}, "no feature set 'smooth-9'"),
        ({"origin": "real"}, "no complete batch of real events"),
    ],
)
def test_recipe_that_cannot_be_is_refused_with_what_to_do(recipe, message):
    make_good_batch(300)
    with pytest.raises(Refusal, match=message) as refused:
        prepare_dataset(KIND, Recipe(**recipe))
    assert refused.value.remedy


def test_written_dataset_never_changes():
    dataset = make_dataset(make_good_batch(300))
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        Dataset.objects.filter(pk=dataset.pk).update(verdict="pass", rows=1)


@pytest.mark.django_db(transaction=True)
def test_versions_given_out_at_once_are_all_different():
    prepared = prepare_dataset(KIND, Recipe(batches=(make_good_batch(200).pk,)))

    def write(_):
        try:
            with transaction.atomic():
                return write_dataset(prepared).version
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(write, range(4)))
    assert sorted(versions) == [1, 2, 3, 4]


def test_command_builds_and_reports(capsys):
    batch = make_good_batch()
    built = run_json(capsys, "build_dataset", "--batch", str(batch.pk), "--now")
    assert (built["version"], built["verdict"], built["train_rows"]) == (1, "pass", 800)
    assert built["batches"] == [batch.pk]
    call_command("build_dataset", "--now")
    assert "Dataset 2 of match_compatibility: pass" in capsys.readouterr().out


def test_command_ends_with_2_where_the_dataset_is_refused(capsys):
    batch = make_good_batch(60)  # fewer rows than any limit allows
    built = run_json(capsys, "build_dataset", "--batch", str(batch.pk), "--now", code=2)
    assert built["verdict"] == "refuse"


def test_command_without_any_batch_is_refused_with_what_to_do(capsys):
    said = run_json(capsys, "build_dataset", "--now", code=2)
    assert "generate_events" in said["refused"]["remedy"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("build_dataset", "--kind", "nonsense"),
        ("build_dataset", "--train-share", "1.5"),
        ("build_dataset", "--batch", "0"),
        ("build_dataset", "--origin", "imaginary"),
        ("analyze_dataset", "1", "--csv", "x.csv"),
        ("analyze_dataset", "--csv", "/nowhere/train.csv"),
        ("analyze_dataset", "zero"),
    ],
)
def test_unusable_arguments_are_errors(arguments):
    with pytest.raises(CommandError):
        call_command(*arguments)


def test_analysis_has_the_agreed_form(capsys):
    make_dataset()
    report = run_json(capsys, "analyze_dataset")
    assert {"verdict", "rows", "duplicate_share", "duplicate_group_share", "label_share",
            "features", "leakage", "checks"} <= report.keys()  # fmt: skip
    assert {"unique", "default_share", "missing_share", "min", "max", "mean", "std"} <= report[
        "features"
    ]["age_score"].keys()
    assert {"name", "value", "limit", "verdict", "remedy"} <= report["checks"][0].keys()
    call_command("analyze_dataset", "1")
    assert "verdict: pass" in capsys.readouterr().out


def test_analysis_of_files_that_changed_is_refused(capsys):
    dataset = make_dataset(make_good_batch(300))
    path = file_of(dataset, "train.csv")
    path.write_bytes(path.read_bytes()[:-1])
    said = run_json(capsys, "analyze_dataset", code=2)
    assert "train.csv has changed" in said["refused"]["message"]


def test_a_table_that_is_of_no_kind_is_analysed_and_says_what_was_taken(capsys, tmp_path):
    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.random((300, 3)), columns=["width", "height", "weight"])
    table["liked"] = (draw.random(300) < table["width"]).astype(int)
    path = tmp_path / "table.csv"
    table.assign(name="x").to_csv(path, index=False)
    report = run_json(capsys, "analyze_dataset", "--csv", str(path))
    assert report["took"] == {
        "label": "liked",
        "label_said": "liked",
        "label_values": None,
        "features": ["width", "height", "weight"],
        "left": {"name": "no numbers"},
    }
    assert report["verdict"] == "pass"
    named = run_json(capsys, "analyze_dataset", "--csv", str(path), "--label", "weight")
    assert named["took"]["label"] == "weight"


def test_any_foreign_csv_is_analysed_and_refused_when_poor(capsys, tmp_path):
    good = draw_events(400, seed=5).assign(match_type="user_user").drop(columns="outcome")
    path = tmp_path / "train.csv"
    good.assign(label=good["label"].astype(int)).to_csv(path, index=False)
    assert run_json(capsys, "analyze_dataset", "--csv", str(path))["rows"] == 400
    poor = pd.concat([good.iloc[:100]] * 4).assign(label=lambda rows: rows["label"].astype(int))
    poor.to_csv(path, index=False)
    report = run_json(capsys, "analyze_dataset", "--csv", str(path), code=2)
    refused = {check["name"]: check for check in report["checks"] if check["verdict"] == "refuse"}
    assert refused["duplicate_share"]["value"] == 0.75
    assert refused["duplicate_share"]["remedy"]
