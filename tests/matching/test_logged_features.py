"""A log says where it comes from and by what formulas, or it is asked, or its values tell."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matching.domain.features.compute import compute_features
from matching.domain.features.names import FEATURE_NAMES
from matching.domain.features.tiers import TIER_VALUES
from matching.domain.generation import Generation
from matching.domain.log.drawn import find_signs
from matching.models import EventBatch
from matching.queries.exports import export_batches
from matching.queries.known_events import can_be_tiered
from tests.matching.test_import_events import event, log, run
from tests.training.batches import make_generated_batch
from tests.training.test_match_rows import populate_with_gaps, specify

pytestmark = pytest.mark.django_db(transaction=True)
TIERS = {"distanceScore": 0.85, "dateOverlapScore": 0.9, "budgetScore": 0.4, "ageScore": 0.5}
FREE = {"distanceScore": 0.8511, "ageScore": 0.5}


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def landed(path: Path, *options: Any) -> EventBatch:
    (pk,) = run("import_events", path, *options)["batches"]
    return EventBatch.objects.get(pk=pk)


# --- Formulas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "said", "found"),
    [
        (TIERS, {}, "tiered-1"),
        (FREE, {}, "logged-1"),
        (FREE, {"featureSet": "smooth-1"}, "smooth-1"),
        (TIERS, {"featureSet": "logged-1"}, "logged-1"),
        (FREE, {"featureSet": "tiered-1"}, "tiered-1"),
        (TIERS, {"featureSet": "v3-of-ours"}, "tiered-1"),
        # The tiers give money between a user and a group any value.
        ({**TIERS, "budgetScore": 0.123}, {"matchType": "user_group"}, "tiered-1"),
        ({**TIERS, "budgetScore": 0.123}, {}, "logged-1"),
    ],
)
def test_the_formulas_are_those_the_log_names_or_those_its_values_can_come_from(
    tmp_path: Path, features: dict[str, float], said: dict[str, str], found: str
) -> None:
    lines = [event(1, features=TIERS, **said), event(2, features=features, **said)]
    assert landed(log(tmp_path / "a", *lines)).feature_set == found


def test_what_is_asked_for_goes_before_what_the_log_says(tmp_path: Path) -> None:
    path = log(tmp_path / "a", event(1, features=FREE, featureSet="smooth-1"))
    assert landed(path, "--feature-set", "tiered-1").feature_set == "tiered-1"


@pytest.mark.parametrize("other", ["smooth-1", None])
def test_lines_of_several_sets_are_kept_as_logged(tmp_path: Path, other: str | None) -> None:
    path = log(tmp_path / "a", event(1, featureSet="tiered-1"), event(2, featureSet=other))
    batch = landed(path)
    assert batch.feature_set == ("tiered-1" if other is None else "logged-1")
    assert batch.parameters["feature_sets_said"] == {"tiered-1": 1, other or "": 1}


def test_an_export_names_its_formulas_and_comes_home_with_them(tmp_path: Path) -> None:
    batch = make_generated_batch(Generation(specify("smooth-1", 2), populate_with_gaps()))
    text = b"".join(export_batches([batch]))
    assert {json.loads(line)["featureSet"] for line in text.splitlines()} == {"smooth-1"}
    EventBatch.objects.filter(pk=batch.pk).delete()
    (tmp_path / "a").write_bytes(text.replace(b"seedbed:", b"elsewhere:"))
    assert landed(tmp_path / "a").feature_set == "smooth-1"


def test_what_the_tiers_compute_lies_on_their_values() -> None:
    batch = make_generated_batch(Generation(specify("tiered-1", 2), populate_with_gaps()))
    assert can_be_tiered(batch)
    smooth = make_generated_batch(Generation(specify("smooth-1", 2), populate_with_gaps()))
    assert not can_be_tiered(smooth)
    assert set(TIER_VALUES) <= set(FEATURE_NAMES)


def test_logged_features_are_never_computed() -> None:
    with pytest.raises(ValueError, match="logged-1"):
        compute_features(None, None, "logged-1")  # type: ignore[arg-type]


# --- Origin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [{}, {"source": "rule-based"}])
def test_an_import_that_says_neither_real_nor_synthetic_asks(
    tmp_path: Path, source: dict[str, str]
) -> None:
    line = json.dumps({**json.loads(event(1)), "source": None, **source})
    told = log(tmp_path / "told", event(2))
    path = log(tmp_path / "a", line)
    refused = run("import_events", told, path, code=2)["refused"]
    assert "--origin real or --origin synthetic" in refused["remedy"]
    assert not EventBatch.objects.exists()  # asked before anything lands
    run("import_events", path, "--dry-run", code=2)
    assert landed(path, "--origin", "synthetic").get_origin_display() == "synthetic"


def test_real_events_drawn_within_minutes_warn(tmp_path: Path) -> None:
    """150 events of one project that lie within 987 seconds were said to be real."""
    draw = np.random.default_rng(0)
    moments = 1_700_000_000_000 + np.sort(draw.integers(0, 987_000, 150))
    lines = [
        event(number, timestamp=int(moment), features={"ageScore": 0.5})
        for number, moment in enumerate(moments)
    ]
    path = log(tmp_path / "a", *lines)
    (one,) = run("import_events", path)["files"]
    (warning,) = one["warnings"]
    assert "150 times lie within 98" in warning
    assert "--origin synthetic" in warning
    synthetic = [line.replace('"real"', '"synthetic"') for line in lines]
    (two,) = run("import_events", log(tmp_path / "b", *synthetic))["files"]
    assert two["warnings"] == []


def test_signs_of_drawing_are_even_times_and_even_values_and_honest_logs_have_none() -> None:
    draw = np.random.default_rng(1)
    days = np.sort(draw.integers(0, 40 * 86_400_000, 400))
    honest = np.column_stack([draw.beta(2, 5, 400), draw.beta(5, 2, 400), draw.beta(1, 3, 400)])
    assert find_signs(days, honest.astype(np.float32)) == []
    (even,) = find_signs(np.arange(400) * 61_000, honest.astype(np.float32))
    assert "every 61 seconds" in even
    (values,) = find_signs(days, draw.random((400, 5)).astype(np.float32))
    assert "as evenly as random numbers" in values
    assert find_signs(np.arange(20), draw.random((20, 5)).astype(np.float32)) == []
