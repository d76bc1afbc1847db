"""The drawing of where a record comes from and what came of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from matching.models import EventBatch, SeedUser
from project.pages.links import record_url
from tests.factories import make_admin, make_seed_user, make_staff
from tests.removing import remove
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.models import Dataset, ModelVersion
from training.queries.lineage import NODES, lineage_of
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
LOOK = (
    *("matching.view_eventbatch", "training.view_dataset"),
    *("training.view_modelversion", "training.view_promotion"),
)


@pytest.fixture
def batch(db: None) -> EventBatch:
    return make_good_batch(400)


@pytest.fixture
def dataset(batch: EventBatch) -> Dataset:
    return make_dataset(batch)


@pytest.fixture
def model(dataset: Dataset) -> ModelVersion:
    return make_model(dataset)


def titles(record: Any) -> dict[str, list[str]]:
    return {
        stage.title: [node.title for node in stage.nodes] for stage in lineage_of(record).stages
    }


def test_each_record_shows_both_ways_and_itself(
    batch: EventBatch, dataset: Dataset, model: ModelVersion
) -> None:
    other = make_model(dataset, seed=2)
    registry.promote(model)
    registry.promote(other, reason="newer")
    up = {"Batches": [f"Batch {batch.pk}"], "Datasets": ["Dataset 1"]}
    told = {
        "Promotions": ["Version 2 made live", "Version 1 made live"],
        "Models": ["Version 2", "Version 1"],
    }
    for record in (batch, dataset):
        found = titles(record)
        found.pop("People", None)
        assert found == {**up, **told}
    found = titles(model)
    found.pop("People", None)
    assert found == {**up, "Models": ["Version 1"], "Promotions": ["Version 1 made live"]}
    for record in (batch, dataset, model):
        nodes = [node for stage in lineage_of(record).stages for node in stage.nodes]
        (current,) = (node for node in nodes if node.is_current)
        assert (current.model, current.pk) == (record._meta.label_lower, record.pk)
    assert not lineage_of(model).has_changed


def test_what_changed_is_said_at_its_node_with_the_way_to_make_it_anew(
    client: Client, batch: EventBatch, dataset: Dataset, model: ModelVersion
) -> None:
    EventBatch.objects.filter(pk=batch.pk).update(
        corrections=F("corrections") + 3, corrected_at=timezone.now()
    )
    found = lineage_of(model)
    assert found.outdated == dataset
    changed = [node for stage in found.stages for node in stage.nodes if node.changed]
    assert [(node.model, node.pk) for node in changed] == [("matching.eventbatch", batch.pk)]
    assert "3 changes of events" in changed[0].changed
    build = f"{reverse('admin:training_dataset_build')}?like={dataset.pk}"
    for record in (batch, dataset, model):
        client.force_login(make_staff(*LOOK))
        html = client.get(record_url(record)).content.decode()
        assert "upstream changed" in html
        assert build not in html  # who may not build is not offered it
        client.force_login(make_staff(*LOOK, "training.build_dataset"))
        assert build in client.get(record_url(record)).content.decode()
    form = client.get(build).context["form"]
    assert form.initial.get("batches", form.fields["batches"].initial)
    assert client.get(f"{build}x").status_code == 200


def test_a_dataset_whose_batches_are_gone_is_not_offered_anew(client: Client) -> None:
    """It would be built of the newest batch: of one that it has nothing to do with."""
    client.force_login(make_admin())
    batch, other = make_good_batch(400), make_good_batch(400, seed=2)
    both, alone = make_dataset(batch, other), make_dataset(batch)
    make_dataset(other)
    assert remove("batch", batch.pk).state == "succeeded"
    build = reverse("admin:training_dataset_build")
    page = client.get(record_url(alone)).content.decode()
    assert "upstream changed" in page
    assert "Build a dataset …" in page
    assert f"{build}?like=" not in page
    # What is left of a dataset is named, and chosen.
    assert f"Build dataset {both.version} anew …" in client.get(record_url(both)).content.decode()
    form = client.get(f"{build}?like={both.pk}").content.decode()
    said = f"Batch {batch.pk} of dataset {both.version} was removed"
    assert f"{said}: what is left of it is chosen." in form
    said = f"Batch {batch.pk} of dataset {alone.version} was removed"
    form = client.get(f"{build}?like={alone.pk}").content.decode()
    assert f"{said}: where none is chosen, the newest batch is taken." in form


def test_profiles_that_were_edited_since_are_said_at_the_people(
    client: Client, batch: EventBatch
) -> None:
    before = batch.created_at - timedelta(days=1)
    EventBatch.objects.filter(pk=batch.pk).update(method=EventBatch.Method.GENERATED)
    make_seed_user("edited")
    SeedUser.objects.update(created_at=before, updated_at=before)
    batch.refresh_from_db()
    assert not lineage_of(batch).has_changed
    SeedUser.objects.filter(external_id="edited").update(updated_at=timezone.now())
    (people,) = lineage_of(batch).stages[0].nodes
    assert people.changed == f"1 profile was edited after batch {batch.pk} was made"
    client.force_login(make_admin())
    html = client.get(record_url(batch)).content.decode()
    assert reverse("admin:training_modelversion_rebuild") in html


def test_only_what_may_be_seen_is_linked(
    client: Client, batch: EventBatch, dataset: Dataset, model: ModelVersion
) -> None:
    client.force_login(make_staff("training.view_modelversion"))
    html = client.get(record_url(model)).content.decode()
    assert "Dataset 1" in html
    assert f'class="sb-node" href="{record_url(dataset)}"' not in html
    client.force_login(make_staff(*LOOK))
    html = client.get(record_url(model)).content.decode()
    assert f'class="sb-node" href="{record_url(dataset)}"' in html
    assert 'aria-current="page"' in html


def test_questions_and_nodes_are_bounded(dataset: Dataset, model: ModelVersion) -> None:
    with CaptureQueriesContext(connection) as few:
        lineage_of(dataset)
    for version in range(2, 9):
        model.pk, model.version, model.stage = None, version, ModelVersion.Stage.ARCHIVED
        model.save(force_insert=True)
    with CaptureQueriesContext(connection) as many:
        found = lineage_of(dataset)
    assert len(many) <= len(few) + 1 <= 10
    (models,) = (stage for stage in found.stages if stage.title == "Models")
    assert (len(models.nodes), models.more) == (NODES, 8 - NODES)
