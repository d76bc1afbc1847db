"""A kind is one declaration: a toy one goes through commands, registry and admin untouched."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.training.test_datasets import run_json
from training.domain.expectations import FeatureSpec, QualitySpec
from training.domain.kind import SplitColumns
from training.kinds import (
    LoadedRows,
    ModelKind,
    Recipe,
    UnknownModelKind,
    all_kinds,
    get_kind,
    register,
)
from training.models import Dataset, ModelVersion

pytestmark = pytest.mark.django_db
ROWS = 600


def toy_rows(recipe: Recipe) -> LoadedRows:
    """Draw rows whose target follows from a number and a category."""
    rng = np.random.default_rng(recipe.seed)
    rows = 40 if recipe.origin == "real" else ROWS
    signal, shop = rng.random(rows) * 10, rng.choice(["north", "south", "east"], rows)
    truth = 3 * signal + np.where(shop == "north", 10.0, 0.0)
    return LoadedRows(
        frame=pd.DataFrame(
            {
                "signal": signal,
                "note": np.where(rng.random(rows) < 0.9, np.nan, rng.random(rows)),
                "shop": shop,
                "session": np.arange(rows) // 3,
                "occurred_at": np.datetime64("2026-01-01") + np.arange(rows),
                "truth": truth,
                "sales": truth + rng.normal(0, 3, rows),
            }
        ),
        recipe=Recipe(**{**recipe.as_dict(), "batches": (), "origin": recipe.origin or "real"}),
        lineage=({"model": "toy", "rows": rows},),
    )


def toy_baselines(train, rows):
    """Predict the mean of the row's shop."""
    return {"group_mean": rows["shop"].map(train.groupby("shop")["sales"].mean()).to_numpy()}


TOY = ModelKind(
    name="toy",
    title="Toy",
    task="regression",
    numeric=("signal", "note"),
    categorical=("shop",),
    target="sales",
    quality=lambda recipe: QualitySpec(
        features=(
            FeatureSpec("signal", 0.0, 10.0),
            FeatureSpec("note", is_optional=True),
            FeatureSpec("shop", distinct_pass=2, is_categorical=True),
        ),
        target="sales",
        task="regression",
        minimum_rows=100,
        groups={"session": ("session",)},
    ),
    load=toy_rows,
    splits={"time": SplitColumns("time"), "session": SplitColumns("group", ("session",))},
    default_split="session",
    file_stem="toy_model",
    baselines=toy_baselines,
    ceilings={"truth": "truth"},
    clusters=("session",),
    slices=("shop",),
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr("training.kinds._kinds", {kind.name: kind for kind in all_kinds()})
    return register(TOY)


def test_toy_kind_goes_through_every_command(toy, capsys, tmp_path):
    built = run_json(capsys, "build_dataset", "--kind", "toy", "--origin", "synthetic", "--now")
    assert (built["verdict"], built["split"]) == ("pass", "session")
    trained = run_json(capsys, "train_model", "--kind", "toy", "--now")
    assert trained["metrics"].keys() == {
        "train",
        "validation",
        "by_shop",
        "learning_curve",
    }
    assert trained["baselines"].keys() == {"constant", "group_mean"}
    r2 = trained["metrics"]["validation"]["r2"]["value"]
    assert r2 > 0.8
    assert trained["ceilings"]["truth"]["value"] == pytest.approx(r2, abs=0.05)
    run_json(capsys, "train_model", "--kind", "toy", "--now", "--seed", "2")
    for action in (
        ["promote", "1"],
        ["promote", "2", "--reason", "more rows"],
        ["rollback", "--reason", "it was better"],
        ["list"],
        ["compare", "1", "2"],
    ):
        run_json(capsys, "models", *action, "--kind", "toy")
    run_json(capsys, "models", "export", "1", "--kind", "toy", "--output", str(tmp_path / "x"))
    assert (tmp_path / "x" / "toy_model.pkl").exists()
    assert ModelVersion.objects.champions().get(kind="toy").version == 1


def test_too_few_rows_of_a_toy_train_nothing(toy, capsys):
    built = run_json(capsys, "build_dataset", "--kind", "toy", "--origin", "real", "--now", code=2)
    assert built["verdict"] == "refuse"
    said = run_json(capsys, "train_model", "--kind", "toy", "--now", code=2)
    assert "100 are needed" in said["refused"]["message"]
    assert not ModelVersion.objects.exists()


def test_versions_of_two_kinds_are_counted_apart(toy, capsys):
    run_json(capsys, "build_dataset", "--kind", "toy", "--origin", "synthetic", "--now")
    assert Dataset.objects.get().version == 1
    said = run_json(capsys, "train_model", "--now", code=2)
    assert "no dataset of match_compatibility" in said["refused"]["message"]


def test_unknown_kind_names_those_there_are():
    with pytest.raises(UnknownModelKind, match="match_compatibility"):
        get_kind("nonsense")


def test_kind_is_declared_once(toy):
    with pytest.raises(ValueError, match="declared twice"):
        register(replace(TOY, title="Another"))
