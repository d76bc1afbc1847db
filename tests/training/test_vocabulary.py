"""What words mean and how rare interests are: frozen with the rows, and named where it changed."""

from dataclasses import replace
from datetime import date

import numpy as np
import orjson
import pandas as pd
import pytest
from django.core.management import call_command

from matching.domain.features.names import COLUMN, FEATURE_NAMES
from matching.domain.generation import Generation, Population, Specification
from matching.domain.lexicon.folding import OWN_WORDS, Lexicon
from matching.models import EventBatch, SeedUser
from matching.queries.generations import plan_generation
from matching.queries.words import measured_lexicon
from overview.queries.next_step import next_step
from overview.queries.status import describe_kind
from project.origin import Origin
from tests.blobs import file_of
from tests.factories import make_seed_user, make_session, make_word
from tests.matching.drawn import draw_travellers
from tests.training.batches import (
    draw_events,
    make_batch,
    make_dataset,
    make_generated_batch,
    make_model,
)
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.models import ModelVersion
from training.queries.loading import load_model
from training.queries.scoring import score_features, score_frame
from training.queries.serviceable import why_not_serving, why_outdated
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
KIND = get_kind(DEFAULT_KIND)
CHESS_IS_COMMON = Lexicon(0, {}, {"chess": 0.4})
COMMAND = "train_model --kind match_compatibility --dataset"


def people(count: int = 150) -> Population:
    """Draw people of whom half play chess and some come from a place that nobody knows."""
    users, _ = draw_travellers(count, seed=5, today=date(2026, 3, 1))
    users = users.assign(user_id=np.arange(len(users)) + 1)
    users["interests"] = [
        [*words, "Chess"] if number % 2 else words for number, words in enumerate(users.interests)
    ]
    users.loc[::9, "nationality"] = "martian"
    return Population(users, users.iloc[:0])


def specify(lexicon: Lexicon = OWN_WORDS, count: int = 300, seed: int = 3) -> Specification:
    return Specification(
        *(count, ("user_user",), "balanced", seed, "smooth-1", False, date(2026, 3, 1), 3, 2),
        lexicon=lexicon,
    )


def features_of(batch: EventBatch, *others: EventBatch) -> pd.DataFrame:
    frame = KIND.load(Recipe(batches=tuple(one.pk for one in (batch, *others)))).frame
    return frame.loc[frame["batch_id"] == batch.pk, list(FEATURE_NAMES)].reset_index(drop=True)


@pytest.fixture
def champion(db):
    model = make_model()
    registry.promote(model)
    return model


def test_a_word_that_is_taught_makes_the_champion_step_back_with_one_command(champion):
    assert score_features({"ageScore": 0.8}).serving.served_by == "model"  # it lies in memory now
    make_word()
    scores = score_features({"ageScore": 0.8})
    assert scores.serving.served_by == "rule_score"
    assert "was trained with version 0 of the vocabulary" in scores.serving.warning
    assert "it is at version 1 now" in why_not_serving(champion)
    assert "was built with version 0 of the vocabulary" in why_outdated(champion.dataset)
    command = f"{COMMAND} {champion.dataset.version}"
    assert describe_kind(KIND)["champion"]["command"] == command
    assert next_step()["command"] == command


def test_that_command_builds_and_trains_with_what_is_taught(db):
    old = make_dataset(make_generated_batch(Generation(specify(), people())), split="pair", seed=5)
    make_word("martian", "german", kind="nationality")
    name, _, arguments = f"{COMMAND} {old.version}".partition(" ")
    call_command(name, *arguments.split(), override_reason="the rows are few", now=True, json=True)
    model = ModelVersion.objects.get()
    assert model.dataset.version == old.version + 1
    assert model.vocabulary == model.dataset.vocabulary
    assert model.vocabulary["taught"] == {"nationality": {"martian": "german"}}
    assert why_not_serving(model) == why_outdated(model.dataset) == ""


def test_models_whose_features_come_from_no_words_are_left_alone(db):
    logged = make_batch(
        draw_events(1_000), method="imported", origin=Origin.REAL, feature_set="logged-1"
    )
    model = make_model(make_dataset(logged))
    assert model.vocabulary == {}
    make_word()
    assert why_not_serving(model) == why_outdated(model.dataset) == ""


def test_rarity_is_frozen_in_batch_dataset_and_model_and_serves_from_there(db):
    batch = make_generated_batch(Generation(specify(CHESS_IS_COMMON, count=1_000), people(400)))
    dataset = make_dataset(batch)
    model = make_model(dataset)
    registry.promote(model)
    wanted = CHESS_IS_COMMON.as_dict()
    assert batch.parameters["vocabulary"] == dataset.vocabulary == model.vocabulary == wanted
    manifest = orjson.loads(file_of(dataset, "manifest.json").read_bytes())
    assert manifest["vocabulary"] == load_model(model).metadata["vocabulary"] == wanted
    # Nobody here plays chess any more; the model was trained when many did.
    assert measured_lexicon().shares == {}
    left, right = (pd.DataFrame([{"interests": words}]) for words in (["chess"], ["chess", "art"]))
    served = score_frame(left, right)
    assert served.serving.served_by == "model"
    expected = np.log(0.4) / (np.log(0.4) + np.log(0.23))
    assert served.features[0, COLUMN["interest_score"]] == pytest.approx(expected, abs=1e-6)


def test_rows_of_another_rarity_are_computed_anew_by_the_newest(db):
    population = people()
    then = make_generated_batch(Generation(specify(), population))
    newest = make_generated_batch(Generation(specify(CHESS_IS_COMMON), population))
    alone, beside = features_of(then), features_of(then, newest)
    pd.testing.assert_frame_equal(beside, features_of(newest))
    changed = {name for name in FEATURE_NAMES if not alone[name].equals(beside[name])}
    assert changed == {"interest_score", "destination_interest"}


def test_rows_before_a_lesson_are_computed_anew_with_it(db):
    batch = make_generated_batch(Generation(specify(), people()))
    before = features_of(batch)
    make_word("martian", "german", kind="nationality")
    after = features_of(batch)
    changed = {name for name in FEATURE_NAMES if not before[name].equals(after[name])}
    assert changed == {"background_score"}
    told = KIND.load(Recipe(batches=(batch.pk,))).vocabulary
    assert told["version"] == 1
    # Chunks of the batch itself stay what they were: its recipe keeps the words of then.
    again = Generation(Specification.from_dict(batch.parameters), people()).make_chunk(0)
    np.testing.assert_array_equal(again["background_score"], before["background_score"])


def test_a_generation_takes_what_is_taught_and_measured_now(db):
    for number in range(12):
        user = make_seed_user(
            interests=["Chess", "food"], nationality="martian" if number % 2 else "german"
        )
        make_session(user, interests=[])
    make_word("martian", kind="nationality")
    generation, _ = plan_generation(
        count=20,
        match_type="user_user",
        preset="balanced",
        seed=1,
        feature_set="smooth-1",
        allow_repeats=True,
    )
    lexicon = generation.specification.lexicon
    assert (lexicon.version, lexicon.taught) == (1, {"nationality": {"martian": ""}})
    assert set(lexicon.shares) == {"chess"}
    values = generation.make_chunk(0)["background_score"]
    assert set(np.round(values.astype(float), 2)) == {0.46, 1.0}  # .6 of .1 or 1, .4 of religion
    assert SeedUser.objects.filter(nationality="martian").count() == 6


def test_our_own_words_alone_leave_no_trace_in_a_recipe():
    plain = specify()
    assert "vocabulary" not in plain.as_dict()
    assert Specification.from_dict(plain.as_dict()) == plain
    taught = replace(plain, lexicon=Lexicon(2, {"habit": {"vape": "yes"}}, {"chess": 0.4}))
    assert Specification.from_dict(orjson.loads(orjson.dumps(taught.as_dict()))) == taught
    assert Generation(plain, people()).uid != Generation(taught, people()).uid


def test_unknown_words_of_a_batch_are_missing_and_not_different(db):
    batch = make_generated_batch(Generation(specify(), people()))
    frame = KIND.load(Recipe(batches=(batch.pk,))).frame
    assert frame["background_score"].notna().all()  # the religion is known
    alone = people()
    alone.users["religion"] = None
    block = Generation(specify(), alone).make_chunk(0)["background_score"]
    assert np.isnan(block).any()
