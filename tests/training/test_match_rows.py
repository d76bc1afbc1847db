"""Match rows from where they really come from: generated batches and imported logs."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from django.core.management import call_command

from matching.domain.features.names import COLUMN, FEATURE_NAMES
from matching.domain.generation import (
    CEILING_REVISION,
    Generation,
    Population,
    Specification,
    recompute_features,
)
from matching.models import EventBatch, MatchEvent
from matching.services.people import seed_block
from project.refusal import Refusal
from tests.factories import write_poor_log
from tests.matching.drawn import draw_travellers
from tests.training.batches import draw_events, make_batch, make_generated_batch
from tests.training.test_datasets import run_json
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.models import ModelVersion

pytestmark = pytest.mark.usefixtures("valkey")

KIND = get_kind(DEFAULT_KIND)


@pytest.fixture
def population(db, valkey):
    seed_block(seed=7, block=0, count=120, by=None)
    call_command("create_sessions", now=True, json=True)


def generate(feature_set, match_type="both"):
    call_command(
        "generate_events", count=200, match_type=match_type, feature_set=feature_set,
        now=True, json=True,
    )  # fmt: skip
    return EventBatch.objects.latest("pk")


@pytest.mark.parametrize(("made", "asked"), [("smooth-1", "tiered-1"), ("tiered-1", "smooth-1")])
def test_generated_rows_are_recomputed_for_another_feature_set(population, made, asked):
    """Two batches of one seed differ in nothing but the formulas of their features."""
    batch, wanted = generate(made), generate(asked)
    recomputed = KIND.load(Recipe(batches=(batch.pk,), feature_set=asked))
    expected = KIND.load(Recipe(batches=(wanted.pk,)))
    assert recomputed.recipe.feature_set == expected.recipe.feature_set == asked
    np.testing.assert_array_equal(recomputed.frame["user_id"], expected.frame["user_id"])
    for name in (*FEATURE_NAMES, "feature_probability", "true_probability"):
        np.testing.assert_array_equal(recomputed.frame[name], expected.frame[name], err_msg=name)


def test_batches_of_two_feature_sets_meet_in_the_smooth_one(population):
    batches = generate("smooth-1").pk, generate("tiered-1", "user_user").pk
    loaded = KIND.load(Recipe(batches=batches))
    assert loaded.recipe.feature_set == "smooth-1"
    assert len(loaded.frame) == 400


def test_logged_rows_join_generated_ones_by_an_explicit_word_alone(db):
    generated = make_generated_batch(Generation(specify("smooth-1", 2), populate_with_gaps()))
    logged = make_batch(draw_events(120), method=EventBatch.Method.IMPORTED, feature_set="logged-1")
    named = (generated.pk, logged.pk)
    with pytest.raises(Refusal, match="different formulas") as refused:
        KIND.load(Recipe(batches=named))
    assert "--feature-set logged-1" in refused.value.remedy
    with pytest.raises(Refusal, match="keep the features that were logged"):
        KIND.load(Recipe(batches=named, feature_set="smooth-1"))
    loaded = KIND.load(Recipe(batches=named, feature_set="logged-1"))
    assert loaded.recipe.feature_set == "logged-1"
    alone = KIND.load(Recipe(batches=(generated.pk,))).frame
    np.testing.assert_array_equal(loaded.frame["age_score"].head(len(alone)), alone["age_score"])
    assert KIND.load(Recipe(batches=(logged.pk,))).recipe.feature_set == "logged-1"


def test_poor_log_is_imported_refused_by_analysis_and_trains_nothing(db, valkey, tmp_path, capsys):
    """232 logged events, 51 % of them copies, many values of exactly 0.5."""
    log = write_poor_log(tmp_path / "events.jsonl")
    call_command("import_events", str(log), origin="real", now=True, json=True)
    assert EventBatch.objects.get().made == 232
    capsys.readouterr()
    built = run_json(capsys, "build_dataset", "--origin", "real", "--now", code=2)
    assert (built["verdict"], built["rows"], built["feature_set"]) == ("refuse", 232, "tiered-1")
    report = run_json(capsys, "analyze_dataset", code=2)
    refused = {check["name"]: check for check in report["checks"] if check["verdict"] == "refuse"}
    assert refused["duplicate_share"]["value"] == pytest.approx(119 / 232)
    assert "missing:personality_score" in refused
    assert all(check["remedy"] for check in refused.values())
    said = run_json(capsys, "train_model", "--now", code=2)["refused"]
    assert "Nothing was trained" in said["message"]
    assert "copies" in said["message"]
    assert {check["name"] for check in said["checks"]} == set(refused)
    assert not ModelVersion.objects.exists()


def populate_with_gaps() -> Population:
    """Draw users of whom some have no interests, no budget or only a label."""
    users, _ = draw_travellers(150, seed=5, today=date(2026, 3, 1))
    users = users.assign(user_id=np.arange(len(users)) + 1)
    users.loc[::5, "interests"] = None
    users.loc[::7, "budget"] = np.nan
    return Population(users, users.iloc[:0])


def specify(feature_set: str, revision: int) -> Specification:
    return Specification(
        300, ("user_user",), "balanced", 3, feature_set, False, date(2026, 3, 1), revision
    )


def test_training_reads_the_very_numbers_that_serving_would_compute(db):
    """A default of tiered-1 enters the products in the one as in the other."""
    generation = Generation(specify("tiered-1", 2), populate_with_gaps())
    loaded = KIND.load(Recipe(batches=(make_generated_batch(generation).pk,)))
    assert loaded.defaulted is not None
    events = loaded.frame.assign(target_id=loaded.frame["partner_id"], group_id=-1)
    served = recompute_features(events, generation.population, "tiered-1")
    assert served.missing[:, COLUMN["destination_interest"]].any()
    for name, column in COLUMN.items():
        np.testing.assert_array_equal(loaded.frame[name], served.values[:, column], err_msg=name)
        np.testing.assert_array_equal(loaded.defaulted[name], served.missing[:, column])


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_a_generated_batch_of_an_earlier_revision_is_computed_anew(db, feature_set):
    generation = Generation(specify(feature_set, 2), populate_with_gaps())
    now, then = make_generated_batch(generation), make_generated_batch(generation)
    EventBatch.objects.filter(pk=then.pk).update(feature_revision=1)
    MatchEvent.objects.of_batch(then).update(lifestyle_score=0.123, interest_score=0.456)
    expected = KIND.load(Recipe(batches=(now.pk,)))
    loaded = KIND.load(Recipe(batches=(then.pk,)))
    for name in FEATURE_NAMES:
        np.testing.assert_array_equal(loaded.frame[name], expected.frame[name], err_msg=name)
    assert loaded.lineage[0]["feature_revision"] == 1


def test_a_tiered_dataset_has_the_ceiling_of_the_tiers(db):
    """A batch of before has that of the smooth features beside its events; a dataset has not."""
    population = populate_with_gaps()
    then = specify("tiered-1", 2)
    now = replace(then, ceiling_revision=CEILING_REVISION)
    smooth, best, again = (
        KIND.load(
            Recipe(
                batches=(make_generated_batch(Generation(one, population)).pk,), feature_set=name
            )
        ).frame["feature_probability"]
        for one, name in ((then, "smooth-1"), (now, "tiered-1"), (then, "tiered-1"))
    )
    np.testing.assert_array_equal(best, again)
    assert np.abs(best - smooth).mean() > 0.01


def test_a_label_stored_as_the_middle_of_its_range_is_read_as_the_labels_own_number(db):
    population = populate_with_gaps()
    users = population.users
    users["extraversion"] = users["personality"].map(
        {"introvert": 1 / 6, "ambivert": 1 / 2, "extrovert": 5 / 6}
    )
    batch = make_generated_batch(Generation(specify("smooth-1", 1), population))
    EventBatch.objects.filter(pk=batch.pk).update(feature_revision=1)
    likeness = KIND.load(Recipe(batches=(batch.pk,))).frame["personality_score"]
    assert sorted(likeness.unique()) == [np.float32(value) for value in (0.4, 0.7, 1.0)]


def test_logged_rows_stay_as_they_were_logged_and_products_come_from_their_factors(db):
    events = draw_events(120)
    logged = events.assign(destination_interest=np.nan)
    batch = make_batch(logged, method=EventBatch.Method.IMPORTED, feature_revision=1)
    loaded = KIND.load(Recipe(batches=(batch.pk,)))
    assert loaded.lineage[0]["is_as_logged"]
    for name in FEATURE_NAMES:
        np.testing.assert_allclose(loaded.frame[name], events[name], rtol=1e-6, err_msg=name)
