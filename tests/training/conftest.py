"""Fixtures of the training tests."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.batches import draw_events, make_batch, make_dataset, make_model
from training.queries.loading import forget_loaded


@pytest.fixture(autouse=True)
def artifact_root(settings, tmp_path: Path) -> Path:
    """Give every test a folder of its own for artefacts, and no model in memory."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    forget_loaded()
    return settings.ARTIFACT_ROOT


@pytest.fixture
def useless_model(db):
    """A model of labels that were shuffled: its gates refuse it."""
    events = draw_events(1_000)
    order = np.random.default_rng(3).permutation(1_000)
    for name in ("label", "outcome"):
        events[name] = events[name].to_numpy()[order]
    model = make_model(make_dataset(make_batch(events)))
    assert model.verdict == "refuse"
    return model
