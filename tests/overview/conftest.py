"""What all tests of the top floor share."""

from pathlib import Path

import pytest
from django.core.cache import cache

from training.queries.loading import forget_loaded


@pytest.fixture(autouse=True)
def artifact_root(settings: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Give a folder of artefacts of its own, and nothing that was kept of another test."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"  # type: ignore[attr-defined]
    forget_loaded()
    cache.clear()
    return tmp_path / "artifacts"
