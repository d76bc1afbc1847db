"""A model of corrected formulas, or that no longer loads, is named with the way to another."""

from types import MappingProxyType

import joblib
import orjson
import pandas as pd
import pytest
from django.core.management import call_command
from django.urls import reverse

from matching.domain import words
from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import Generation
from matching.domain.words import FEATURE_REVISIONS, FeatureSet
from overview.queries.next_step import next_step
from overview.queries.status import describe_kind
from project.jobs.models import Job
from project.refusal import Refusal
from project.storage import artifacts
from tests.factories import make_admin, make_seed_user, make_session, make_staff
from tests.matching.commands import show_command
from tests.training.batches import make_dataset, make_generated_batch, make_model
from tests.training.test_match_rows import populate_with_gaps, specify
from tests.training.test_models import flip_byte
from training.domain import model_files
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset, ModelVersion
from training.queries import serviceable
from training.queries.loading import forget_loaded, load_model
from training.queries.scoring import score_features
from training.queries.serviceable import ModelOutdated
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
KIND = get_kind(DEFAULT_KIND)


@pytest.fixture
def champion(db):
    model = make_model()
    registry.promote(model)
    return model


@pytest.fixture
def corrected(champion, monkeypatch):
    """The champion, after a formula of its feature set was corrected."""
    newer = {**FEATURE_REVISIONS, FeatureSet.SMOOTH: FEATURE_REVISIONS[FeatureSet.SMOOTH] + 1}
    monkeypatch.setattr(words, "FEATURE_REVISIONS", MappingProxyType(newer))
    forget_loaded()
    return champion


def test_rows_models_and_metadata_carry_the_revision(champion):
    dataset = champion.dataset
    now = words.revision_of(FeatureSet.SMOOTH)
    assert dataset.batches.get().feature_revision == dataset.feature_revision == now
    assert champion.feature_revision == load_model(champion).metadata["feature_revision"] == now


def test_a_model_of_another_revision_steps_back_and_the_rules_serve(corrected):
    scores = score_features({"ageScore": 0.8})
    assert scores.serving.served_by == "rule_score"
    assert scores.as_rows()[0]["rule"] == "rule-1"
    assert "was trained on revision 3 of smooth-1" in scores.serving.warning
    assert "rule-1 serves" in scores.serving.warning


def test_status_names_it_with_one_command(corrected):
    command = f"train_model --kind match_compatibility --dataset {corrected.dataset.version}"
    described = describe_kind(KIND)["champion"]
    assert described["command"] == command
    assert "are revision 4 now" in described["problem"]
    assert next_step()["command"] == command
    assert f"manage.py {command}" in show_command("status").replace("\n", " ")


def test_a_champion_that_serves_needs_no_command(champion):
    described = describe_kind(KIND)["champion"]
    assert (described["problem"], described["command"]) == ("", None)


def test_a_changed_file_is_found_by_status_though_its_record_is_whole(champion):
    flip_byte(champion)
    assert "has changed since it was written" in describe_kind(KIND)["champion"]["problem"]


def test_models_of_an_earlier_format_are_named_without_being_loaded(champion, monkeypatch):
    monkeypatch.setattr(serviceable, "MODEL_FORMAT", model_files.MODEL_FORMAT + 1)
    assert "by an earlier edition" in serviceable.why_not_serving(champion)


def test_a_pickle_whose_classes_are_gone_is_no_crash(champion, monkeypatch):
    def moved(stream):
        raise ModuleNotFoundError("No module named 'training.estimators'")

    monkeypatch.setattr(joblib, "load", moved)
    with pytest.raises(ModelOutdated, match=r"no longer loads .*training\.estimators"):
        load_model(champion)
    assert score_features({"ageScore": 0.8}).serving.served_by == "rule_score"


def test_it_is_neither_promoted_nor_returned_to(corrected):
    before = make_model(corrected.dataset, seed=4)
    with pytest.raises(Refusal, match="cannot go live"):
        registry.promote(before)


def test_training_on_an_outdated_dataset_builds_it_anew_first(db, monkeypatch):
    generation = Generation(specify("smooth-1", 2), populate_with_gaps())
    old = make_dataset(make_generated_batch(generation), split="pair", seed=5)
    newer = {**FEATURE_REVISIONS, FeatureSet.SMOOTH: 4}
    monkeypatch.setattr(words, "FEATURE_REVISIONS", MappingProxyType(newer))
    call_command(
        "train_model",
        dataset=old.version,
        override_reason="the rows of this test are few",
        now=True,
        json=True,
    )
    model = ModelVersion.objects.get()
    assert model.dataset.version == old.version + 1
    assert (model.feature_revision, model.dataset.feature_revision) == (4, 4)
    assert model.dataset.recipe == old.recipe
    said = Job.objects.get().log_lines.filter(
        message__contains="was built by revision 3 of smooth-1"
    )
    assert said.count() == 1


def test_the_front_page_leads_to_training_it_again_which_says_what_comes(corrected, client):
    make_session(make_seed_user())
    client.force_login(make_admin())
    url = reverse("admin:training_modelversion_retrain", args=[corrected.pk])
    page = client.get("/admin/").content.decode()
    assert "was trained on revision 3 of smooth-1" in page
    assert f'href="{url}"' in page
    assert (
        f'href="{url}"'
        in client.get(
            reverse("admin:training_modelversion_change", args=[corrected.pk])
        ).content.decode()
    )
    before = Job.objects.count()
    asked = client.get(url).content.decode()
    assert f"of dataset {corrected.dataset.version}, with the seed" in asked
    assert f"Version {corrected.version} stays;" in asked
    assert "No worker is running" in asked
    assert Job.objects.count() == before
    assert client.post(url).status_code == 302
    assert Job.objects.latest("created_at").arguments == {
        "model_kind": DEFAULT_KIND,
        "dataset": corrected.dataset.version,
        "seed": corrected.seed,
    }


def test_training_again_needs_its_permission(corrected, client):
    client.force_login(make_staff("training.view_modelversion"))
    url = reverse("admin:training_modelversion_retrain", args=[corrected.pk])
    assert client.post(url).status_code == 403
    assert url not in client.get("/admin/").content.decode()
    assert not Job.objects.exists()


def test_serving_follows_the_inputs_of_the_model_not_those_of_its_kind(champion, monkeypatch):
    """A feature that a model was fitted without is neither read nor missing."""
    inputs = [name for name in FEATURE_NAMES if name != "budget_score"]
    read = artifacts.read_verified

    def narrowed(folder, name, digest):
        content = read(folder, name, digest)
        return orjson.dumps(inputs) if name == model_files.FEATURES_FILE else content

    class Estimator:
        def predict_proba(self, frame: pd.DataFrame):
            assert list(frame.columns) == inputs
            return frame[["age_score", "age_score"]].to_numpy()

    monkeypatch.setattr("training.queries.loading.read_verified", narrowed)
    monkeypatch.setattr("training.queries.loading.load_joblib", lambda *given: Estimator())
    scores = score_features({"ageScore": 0.8})
    assert scores.serving.model is not None
    assert scores.serving.model.kind.features == tuple(inputs)
    assert scores.score[0] == pytest.approx(0.8)
    assert "budget_score" not in scores.missing[0]
    assert "interest_score" in scores.missing[0]


def test_a_dataset_of_another_revision_says_so(corrected, client):
    client.force_login(make_admin())
    page = client.get(reverse("admin:training_dataset_change", args=[corrected.dataset.pk]))
    assert "which is at revision 4 now. Training builds it anew" in page.content.decode()
    assert Dataset.objects.count() == 1
