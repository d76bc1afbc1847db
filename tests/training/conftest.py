"""Fixtures of the training tests."""

from pathlib import Path

import pytest

from training.services.loading import forget_loaded


@pytest.fixture(autouse=True)
def artifact_root(settings, tmp_path: Path) -> Path:
    """Give every test a folder of its own for artefacts, and no model in memory."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    forget_loaded()
    return settings.ARTIFACT_ROOT
