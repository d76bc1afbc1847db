"""The benchmarks run from beginning to end; what they measure is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings


@pytest.mark.slow
def test_quick_benchmarks_run_to_the_end_and_leave_no_servers(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", str(figures)],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    names = {figure["name"] for figure in json.loads(figures.read_text())["figures"]}
    assert {"total, s", "peak memory, MB", "score of one pair, ms"} <= names
    assert not (settings.BASE_DIR / "var" / "bench").exists()
