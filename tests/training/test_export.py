"""An exported model serves without Seedbed: its own files and the libraries that they name."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from feedback.jobs.synthetic import fill_synthetic
from tests.training.batches import make_dataset, make_model
from tests.training.test_feedback_kinds import build_and_train
from training.kinds import DEFAULT_KIND, all_kinds, get_kind
from training.models import ModelVersion
from training.queries.datasets import read_part
from training.queries.loading import load_model
from training.services.registry import export_model

pytestmark = pytest.mark.django_db

# What somebody writes who has three files and no Seedbed.
SCRIPT = """
import json, sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

(stem,) = (path.stem for path in Path().glob("*.pkl"))
metadata = json.loads(Path("model_metadata.json").read_text())
features = json.loads(Path("model_features.json").read_text())
model = joblib.load(f"{stem}.pkl")
rows = pd.DataFrame(json.loads(Path("rows.json").read_text()))[features]
if metadata["task"] == "classification":
    print(json.dumps({"prediction": model.predict_proba(rows)[:, 1].tolist()}))
else:
    interval, prediction = metadata["interval"], model.predict(rows)
    inside, width = (interval["minimum"], interval["maximum"]), interval["half_width"]
    low, high = (np.clip(prediction + sign * width, *inside) for sign in (-1, 1))
    found = {"prediction": prediction, "low": low, "high": high}
    print(json.dumps({name: values.tolist() for name, values in found.items()}))
ours = {"django", "project", "matching", "feedback", "training", "serving", "overview"}
assert not ours & set(sys.modules), ours & set(sys.modules)
"""


def make_model_of(kind):
    if kind.name == DEFAULT_KIND:
        return make_model(make_dataset())
    fill_synthetic(count=1_500, seed=2)
    code, said = build_and_train(kind.name)
    assert code == 0, said
    return ModelVersion.objects.select_related("dataset").get(kind=kind.name)


@pytest.mark.parametrize("name", [kind.name for kind in all_kinds()])
def test_exported_model_loads_and_scores_alone_as_the_product_does(tmp_path, name):
    kind = get_kind(name)
    model = make_model_of(kind)
    folder = tmp_path / "exported"
    export_model(model, folder)
    rows = kind.inputs(read_part(model.dataset, "val")).head(40).reset_index(drop=True)
    # Every input missing once, and all of them at once; a name that nobody has heard of.
    for number, feature in enumerate(kind.features):
        rows[feature] = rows[feature].mask(rows.index == number)
    rows.loc[39] = pd.Series(np.nan, index=rows.columns).astype(object)
    for feature in kind.categorical:
        rows.loc[38, feature] = "never heard of"
    rows.to_json(folder / "rows.json", orient="records", double_precision=15)
    said = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", SCRIPT],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    loaded = load_model(model)
    ours = loaded.predict(rows)
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(found["prediction"], ours, rtol=0, atol=1e-6)
    if loaded.interval is not None:
        low, high = loaded.interval.bounds(ours)
        np.testing.assert_allclose(found["low"], low, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["high"], high, rtol=0, atol=1e-6)
