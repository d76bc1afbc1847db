"""The example of docs/adding-a-kind.md, run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from feedback.jobs.synthetic import fill_synthetic
from tests.training.test_datasets import run_json
from training import kinds
from training.models import ModelVersion

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).parents[2] / "docs" / "adding-a-kind.md"


@pytest.fixture
def kind(monkeypatch, tmp_path):
    """Save the file of the page beside the kinds there are; nothing else is touched."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (tmp_path / "early_quality.py").write_text(code)
    monkeypatch.setattr(kinds, "_kinds", {kind.name: kind for kind in kinds.all_kinds()})
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    kinds.register_all()
    yield kinds.get_kind("early_quality")
    sys.modules.pop("training.kinds.early_quality", None)


def test_the_file_of_the_page_loads_no_frame_before_rows_are_read():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    program = f"""
import django, sys
django.setup()
exec(compile({code!r}, "early_quality.py", "exec"))
print(sorted({{"pandas", "numpy", "sklearn"}} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PAGE.parents[1],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_kind_of_the_page_is_built_analysed_trained_promoted_and_served(kind, capsys):
    fill_synthetic(count=1_000, seed=3)
    named = ("--kind", kind.name)
    built = run_json(capsys, "build_dataset", *named, "--now")
    assert (built["verdict"], built["origin"], built["split"]) == ("pass", "synthetic", "time")
    analysed = run_json(capsys, "analyze_dataset", *named)
    assert analysed["features"].keys() == set(kind.features)
    trained = run_json(capsys, "train_model", *named, "--now")
    assert trained["verdict"] == "pass"
    assert trained["baselines"].keys() == {"constant", "group_mean"}
    assert trained["ceilings"] == {}
    run_json(capsys, "models", "promote", "1", *named)
    assert ModelVersion.objects.champions().get(kind=kind.name).version == 1
    said = run_json(
        capsys,
        "predict",
        *named,
        "--features",
        '{"codeQuality": 80, "security": 65, "model": "m-1"}',
    )
    assert (said["missing"], said["unseen"]) == (["complexity"], ["model"])
    assert 0 <= said["low"] < said["prediction"] < said["high"] <= 100


def test_the_page_names_every_command_that_takes_a_kind(kind):
    said = PAGE.read_text()
    for command in ("build_dataset", "analyze_dataset", "train_model", "models promote", "predict"):
        assert re.search(rf"manage.py {command}\b.*--kind early_quality", said)
