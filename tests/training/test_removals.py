"""Datasets and models come out again; versions are not given twice, and history outlives them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.queries.removals import plan_of_batch
from project.removal.models import Receipt
from project.storage.records import named_digests
from tests.factories import make_admin
from tests.feedback.test_commands import run
from tests.removing import remove, remove_dying
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.models import Dataset, ModelVersion, Promotion
from training.queries.lineage import lineage_of
from training.queries.promotions import line_of_champions, version_before, who_decided
from training.queries.staleness import why_stale
from training.services import registry

pytestmark = pytest.mark.django_db


def test_a_dataset_goes_with_its_files_and_its_version_is_not_given_again() -> None:
    batch = make_good_batch()
    first, second = make_dataset(batch), make_dataset(batch)
    digests = {file["sha256"] for file in second.files.values()}
    job = remove("dataset", second.pk)
    assert job.state == "succeeded", job.error
    rows = second.train_rows + second.validation_rows
    assert job.result["counts"] == {"dataset": 1, "file": len(digests), "row": rows}
    assert list(Dataset.objects.all()) == [first]
    shared = {file["sha256"] for file in first.files.values()}
    assert not named_digests() & (digests - shared), "no row names its files: the sweep takes them"
    receipt = Receipt.objects.get()
    assert (receipt.kind, receipt.version) == (second.kind, second.version)
    assert set(receipt.digests.values()) == digests
    assert make_dataset(batch).version == 3


def test_a_dataset_that_models_were_trained_on_stays_until_they_go() -> None:
    model = make_model()
    refused = remove("dataset", model.dataset_id)
    assert refused.state == "refused"
    assert f"Model {model.kind}/1 was trained on it" in refused.error
    code, plan = run("remove", "dataset", f"{model.kind}/1", "--plan")
    assert (code, plan["plan"]["blocked"]) == (2, [f"Model {model.kind}/1 was trained on it."])
    assert remove("model", model.pk).state == "succeeded"
    assert remove("dataset", model.dataset_id).state == "succeeded"
    assert make_model().version == 2


def test_what_a_live_model_asks_for_first_can_be_done(admin_client: Client) -> None:
    """A rollback is said only where there is one; the page leads to where it is done."""
    only = make_model()
    registry.promote(only, reason="a")
    _, plan = run("remove", "model", f"{only.kind}/1", "--plan")
    assert "It is the only version. Train another one" in plan["plan"]["remedy"]
    batch = only.dataset.batches.get()
    held = plan_of_batch(batch)
    assert "rollback" not in plan["plan"]["remedy"] + held.remedy
    page = admin_client.get(f"{reverse('admin:remove_model')}?number={only.pk}").content.decode()
    address = reverse("admin:training_dataset_change", args=[only.dataset_id])
    assert f'<a href="{address}">Dataset {only.kind}/1</a>' in page
    page = admin_client.get(f"{reverse('admin:remove_batch')}?number={batch.pk}").content.decode()
    address = reverse("admin:training_modelversion_change", args=[only.pk])
    assert f'<a href="{address}">Model {only.kind}/1</a>' in page
    assert f"Remove batch {batch.pk} (" in page
    assert ">Batch</" not in page, "the record itself is no figure of what goes with it"
    other = make_model(only.dataset, seed=2)
    _, plan = run("remove", "model", f"{only.kind}/1", "--plan")
    assert "No other version was live before. Make one live" in plan["plan"]["remedy"]
    registry.promote(other, reason="b", override_reason="it is only a test")
    _, plan = run("remove", "model", f"{only.kind}/2", "--plan")
    assert "Return to version 1 with `manage.py models rollback" in plan["plan"]["remedy"]
    assert "`manage.py models rollback`" in plan_of_batch(batch).remedy


def test_the_live_model_stays_and_one_that_was_live_goes_out_of_the_line() -> None:
    dataset = make_dataset()
    first, second, third = (make_model(dataset, seed=seed) for seed in range(3))
    registry.promote(first, reason="a")
    registry.promote(second, reason="b", override_reason="it is only a test")
    registry.promote(third, reason="c", override_reason="it is only a test")
    assert remove("model", third.pk).state == "refused"
    assert version_before(first.kind) == 2
    job = remove("model", second.pk)
    assert job.state == "succeeded", job.error
    assert "A rollback would return to it" in job.result["stale"][0]
    assert line_of_champions(first.kind) == [first.pk, third.pk]
    assert version_before(first.kind) == 1
    assert "Version 3 is live" in who_decided(first.kind)
    line = Promotion.objects.order_by("id").values_list("version", "previous_version")
    assert list(line) == [(1, None), (2, 1), (3, 2)]
    registry.rollback(_kind(first), reason="back")
    assert ModelVersion.objects.get(stage="champion") == first
    assert remove("model", third.pk).state == "succeeded"
    client = Client()
    client.force_login(make_admin())
    for promotion in Promotion.objects.all():
        page = client.get(reverse("admin:training_promotion_change", args=[promotion.pk]))
        assert page.status_code == 200
        gone = {2: "model 2, removed since", 3: "model 3, removed since"}
        assert gone.get(promotion.version, "") in page.content.decode()
    assert client.get(reverse("admin:training_promotion_changelist")).status_code == 200
    history = reverse("admin:training_modelversion_change", args=[first.pk]) + "?tab=history"
    assert client.get(history).status_code == 200
    assert lineage_of(first).stages


def _kind(model: ModelVersion) -> Any:
    from training.kinds import get_kind

    return get_kind(model.kind)


@pytest.mark.parametrize("within", [True, False])
def test_a_batch_of_events_is_killed_at_every_step_and_goes_whole(*, within: bool) -> None:
    dataset = make_dataset()
    batch = dataset.batches.get()
    job, kills = remove_dying("batch", batch.pk, within=within)
    assert (job.state, job.error) == ("succeeded", "")
    assert kills == 1 + 2 + 1 + 1 + 1
    assert job.result["counts"]["match event"] == batch.made
    assert why_stale(Dataset.objects.get()).startswith(f"Stale: batch {batch.pk} was removed")
    shown = lineage_of(Dataset.objects.get())
    assert shown.outdated == dataset


def test_building_again_leaves_out_a_batch_that_was_removed() -> None:
    dataset = make_dataset()
    assert remove("batch", dataset.batches.get().pk).state == "succeeded"
    client = Client()
    client.force_login(make_admin())
    page = client.get(reverse("admin:training_dataset_build") + f"?like={dataset.pk}")
    assert page.status_code == 200
    shown = client.get(reverse("admin:training_dataset_change", args=[dataset.pk]))
    assert "was removed since" in shown.content.decode()


def test_the_pages_of_datasets_and_models_lead_to_what_removes_them() -> None:
    model = make_model()
    client = Client()
    client.force_login(make_admin())
    for name, record in (("dataset", model.dataset), ("modelversion", model)):
        thing = "model" if name == "modelversion" else name
        address = f"{reverse(f'admin:remove_{thing}')}?number={record.pk}"
        for page in (
            reverse(f"admin:training_{name}_changelist"),
            reverse(f"admin:training_{name}_change", args=[record.pk]),
        ):
            assert address in client.get(page).content.decode(), page
        assert client.get(address).status_code == 200
        deleting = reverse(f"admin:training_{name}_delete", args=[record.pk])
        assert client.get(deleting).url.endswith(f"number={record.pk}")
        chosen = {"action": "delete_selected", "_selected_action": [record.pk]}
        posted = client.post(reverse(f"admin:training_{name}_changelist"), chosen)
        assert posted.url.endswith(f"number={record.pk}")


@pytest.mark.parametrize("within", [True, False])
def test_models_and_datasets_are_killed_at_every_step_and_go_whole(*, within: bool) -> None:
    model = make_model()
    dataset = model.dataset
    for thing, record in (("model", model), ("dataset", dataset)):
        job, kills = remove_dying(thing, record.pk, within=within)
        assert (job.state, job.error, kills) == ("succeeded", "", 2)
        assert not type(record).objects.exists()
        assert Receipt.objects.filter(thing=thing).count() == 1
