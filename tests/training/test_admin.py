"""The admin of datasets, models and promotions, with and without permissions."""

import io
import re
import zipfile

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from project.jobs.models import Job
from tests.factories import make_admin, make_staff
from tests.training.batches import make_dataset, make_good_batch, make_model
from tests.training.test_models import flip_byte
from training.admin.datasets import TABS
from training.models import Dataset, ModelVersion, Promotion
from training.queries.models import champion_of
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
VIEW = ("training.view_dataset", "training.view_modelversion", "training.view_promotion")


@pytest.fixture
def dataset(db):
    return make_dataset(make_good_batch(400))


@pytest.fixture
def model(dataset):
    return make_model(dataset)


@pytest.fixture
def as_(client):
    """Log in with these permissions beside those to look at everything."""

    def login(*permissions):
        client.force_login(make_staff(*VIEW, *permissions))
        return client

    return login


def url(name, *args):
    return reverse(f"admin:training_{name}", args=args)


def text(response):
    assert response.status_code == 200, response
    return response.content.decode()


def test_every_page_shows_what_was_measured(client, dataset, model):
    promotion = registry.promote(model, reason="the first one")
    client.force_login(make_admin())
    page = "".join(
        text(client.get(f"{url('dataset_change', dataset.pk)}?tab={tab}")) for tab in TABS
    )
    for shown in ("duplicate share", "age_score", "Batch", dataset.files["train.csv"]["sha256"]):
        assert shown in page
    shown_in = {
        "overview": ("rule score", "oracle ceiling", "better than chance", "Precision"),
        "curves": ("ROC", "Precision and recall", "Calibration", "4 times the rows", "label 1"),
        "inputs": ("age_score", "match type user_user"),
        "versions": ("The only version of its kind", "champion"),
        "data": ("match_compatibility dataset 1", *model.files, "Cross-validated"),
        "history": ("the first one",),
    }
    for tab, words in shown_in.items():
        page = text(client.get(url("modelversion_change", model.pk), {"tab": tab}))
        assert f'aria-current="page">{tab.capitalize()}</a>' in page
        for shown in words:
            assert shown in page, (tab, shown)
    assert "better than chance" in text(client.get(url("promotion_change", promotion.pk)))
    for name in ("dataset", "modelversion", "promotion"):
        assert "match_compatibility" in text(client.get(url(f"{name}_changelist")))
    front = text(client.get(reverse("admin:index")))
    assert "ROC-AUC of version 1" in front
    assert "Make seed users" in front


def test_empty_lists_say_what_to_do(client):
    client.force_login(make_admin())
    assert "Build a dataset" in text(client.get(url("dataset_changelist")))
    assert "Rebuild" in text(client.get(url("modelversion_changelist")))
    assert "Three steps to a first live model" in text(client.get(reverse("admin:index")))


@pytest.mark.parametrize("name", ["dataset", "modelversion", "promotion"])
def test_lists_ask_the_same_number_of_queries_for_many_rows(client, model, name):
    registry.promote(model)
    client.force_login(make_admin())
    counts = []
    for _ in range(2):
        text(client.get(url(f"{name}_changelist")))
        with CaptureQueriesContext(connection) as queries:
            text(client.get(url(f"{name}_changelist")))
        counts.append(len(queries))
        if not counts[1:]:
            for version in (2, 3, 4):
                add_copies(model, version)
    assert counts[0] == counts[1]


def add_copies(model, version):
    """Add one more dataset, model and promotion; only their rows, which is what a list reads."""
    dataset = Dataset.objects.get(pk=model.dataset_id)
    dataset.pk, dataset.version = None, version * 10
    dataset.save(force_insert=True)
    other = ModelVersion.objects.get(pk=model.pk)
    other.pk, other.version, other.stage, other.dataset = None, version * 10, "archived", dataset
    other.save(force_insert=True)
    Promotion.objects.create(
        kind=model.kind, action="promote", model=other, previous=model, actor="somebody"
    )


@pytest.mark.parametrize(
    ("page", "permission"),
    [
        ("dataset_build", "training.build_dataset"),
        ("dataset_train", "training.train_model"),
        ("dataset_zip", "training.download_dataset"),
        ("modelversion_rebuild", "training.rebuild_model"),
        ("modelversion_promote", "training.promote_model"),
        ("modelversion_zip", "training.export_model"),
    ],
)
def test_page_needs_its_permission(as_, model, page, permission):
    of_a_record = page not in ("dataset_build", "modelversion_rebuild")
    record = (model.dataset_id if page.startswith("dataset") else model.pk,) if of_a_record else ()
    assert as_().get(url(page, *record)).status_code == 403
    assert as_().post(url(page, *record)).status_code == 403
    assert as_(permission).get(url(page, *record)).status_code == 200


def test_nobody_adds_or_edits_by_hand(client, dataset, model):
    client.force_login(make_admin())
    for name, record in (("dataset", dataset), ("modelversion", model)):
        assert client.get(url(f"{name}_add")).status_code == 403
        client.post(url(f"{name}_change", record.pk), {"version": 9})
        assert type(record).objects.get(pk=record.pk).version == 1


def test_records_are_hidden_without_permission(client, dataset, model):
    client.force_login(make_staff())
    for name, record in (("dataset", dataset), ("modelversion", model)):
        assert client.get(url(f"{name}_change", record.pk)).status_code == 403
        assert client.get(url(f"{name}_changelist")).status_code == 403
    front = text(client.get(reverse("admin:index")))
    assert "Next:" not in front
    assert "Three steps" not in front


def test_build_form_starts_a_job_with_the_recipe(as_, dataset):
    batch = dataset.batches.get()
    answer = as_("training.build_dataset").post(
        url("dataset_build"),
        {"model_kind": "match_compatibility", "batches": [batch.pk], "split": "user",
         "train_share": "0.7", "seed": "3"},
    )  # fmt: skip
    assert answer.status_code == 302
    job = Job.objects.get(kind="training.build_dataset")
    assert job.arguments["batches"] == [batch.pk]
    assert (job.arguments["split"], job.arguments["train_share"]) == ("user", 0.7)


def test_a_dataset_is_built_from_the_batches_that_are_selected(as_, db):
    batches = [make_good_batch(400, seed=seed) for seed in (1, 2, 3)]
    chosen = {
        "confirmed": "1",
        "action": "build_dataset",
        "_selected_action": [batches[0].pk, batches[2].pk],
    }
    there = reverse("admin:matching_eventbatch_changelist")
    as_("matching.view_eventbatch").post(there, chosen)
    assert not Job.objects.exists()
    as_("matching.view_eventbatch", "training.build_dataset").post(there, chosen)
    assert Job.objects.get().arguments == {"batches": [batches[0].pk, batches[2].pk]}


def test_build_form_names_what_is_wrong(as_, db):
    page = text(
        as_("training.build_dataset").post(
            url("dataset_build"),
            {"model_kind": "match_compatibility", "train_share": "7", "seed": "-1"},
        )
    )
    assert "less than or equal to 0.95" in page
    assert not Job.objects.exists()


def test_train_form_and_action_start_jobs(as_, dataset):
    client = as_("training.train_model")
    client.post(url("dataset_train", dataset.pk), {"seed": "4", "override_reason": ""})
    action = {"confirmed": "1", "action": "train", "_selected_action": [dataset.pk]}
    client.post(url("dataset_changelist"), action)
    jobs = Job.objects.filter(kind="training.train_model")
    assert sorted(job.arguments.get("seed", 0) for job in jobs) == [0, 4]
    assert {job.arguments["dataset"] for job in jobs} == {1}
    assert {job.user for job in jobs} == {jobs[0].user}
    as_().post(url("dataset_changelist"), action)
    assert jobs.count() == 2


def test_rebuild_form_starts_the_job(as_, db):
    as_("training.rebuild_model").post(
        url("modelversion_rebuild"),
        {"count": "500", "match_type": "user_user", "preset": "balanced", "seed": "7"},
    )
    assert Job.objects.get().arguments == {
        "count": 500, "match_type": "user_user", "preset": "balanced", "seed": 7,
    }  # fmt: skip


def test_promote_asks_first_and_then_does_it(as_, model):
    client = as_("training.promote_model")
    assert "No version is live now" in text(client.get(url("modelversion_promote", model.pk)))
    assert not Promotion.objects.exists()
    client.post(url("modelversion_promote", model.pk), {"reason": "looks right"})
    promotion = Promotion.objects.get()
    assert (promotion.model, promotion.reason) == (model, "looks right")
    assert promotion.by is not None


def test_refused_promotion_is_shown_and_overridden_only_with_permission(as_, useless_model):
    form = {"reason": "", "override_reason": "this is a drill of ours"}
    page = url("modelversion_promote", useless_model.pk)
    assert "The gates refuse this model" in text(as_("training.promote_model").get(page))
    answer = as_("training.promote_model").post(page, form, follow=True)
    assert "may not override refusals" in text(answer)
    assert not Promotion.objects.exists()
    as_("training.promote_model", "training.override_refusal").post(page, form)
    assert Promotion.objects.get().override_reason == form["override_reason"]


def test_rollback_returns_to_the_champion_before(as_, model):
    second = make_model(model.dataset, seed=2)
    registry.promote(model)
    registry.promote(second, reason="newer")
    client = as_("training.promote_model")
    page = url("modelversion_rollback", second.pk)
    assert as_().get(page).status_code == 403
    client = as_("training.promote_model")
    assert "Return to version 1" in text(client.get(page))
    assert "Return to version 1 …" in text(client.get(url("modelversion_change", second.pk)))
    assert "Return to version 1 …" in text(client.get(url("modelversion_changelist")))
    assert "This field is required" in text(client.post(page, {"reason": ""}))
    assert "Version 1 is live" in text(client.post(page, {"reason": "drift"}, follow=True))
    assert champion_of(model.kind) == model
    assert "is not the champion" in text(client.post(page, follow=True))
    # Nothing was live before it: no button, and no dead end.
    page = url("modelversion_change", model.pk)
    assert "Return to" not in text(client.get(page))
    back = client.post(url("modelversion_rollback", model.pk), {"reason": "drift"}, follow=True)
    assert "No version was live before version 1" in text(back)


def fields_of(page):
    """What a form that is shown would post."""
    return dict(re.findall(r'<input type="hidden" name="(live|returns)" value="(\d+)"', page))


def test_of_two_who_promote_at_once_the_second_is_told_who_won(as_, model):
    second = make_model(model.dataset, seed=2)
    third = make_model(model.dataset, seed=3)
    registry.promote(model)
    page = url("modelversion_promote", third.pk)
    client = as_("training.promote_model")
    shown = fields_of(text(client.get(page)))
    assert shown == {"live": "1"}
    ada = make_staff("training.promote_model", name="ada")
    registry.promote(second, by=ada, reason="fewer errors of groups")
    said = text(client.post(page, {**shown, "reason": "newest"}, follow=True))
    assert "somebody else decided first. Version 2 is live: ada made it live on" in said
    assert "because: fewer errors of groups" in said
    assert "When you were asked, version 1 was live." in said
    assert champion_of(model.kind) == second
    # Who has seen that decides again; the same version twice says who made it live.
    shown = fields_of(text(client.get(page)))
    client.post(page, {**shown, "reason": "newest"})
    assert champion_of(model.kind) == third
    again = client.post(page, {**shown, "reason": "newest"}, follow=True)
    assert "is the champion already. Version 3 is live:" in text(again)


def test_a_page_of_before_rolls_nothing_back(as_, model):
    second = make_model(model.dataset, seed=2)
    registry.promote(model)
    registry.promote(second, reason="newer")
    client = as_("training.promote_model")
    page = url("modelversion_rollback", second.pk)
    shown = fields_of(text(client.get(page)))
    assert shown == {"live": "2", "returns": "1"}
    third = make_model(model.dataset, seed=3)
    registry.promote(third, reason="newest")
    registry.promote(second, reason="better")  # live again, but above another one
    said = text(client.post(page, {**shown, "reason": "drift"}, follow=True))
    assert "Version 3 would come back, not version 1." in said
    registry.promote(model, reason="the first")
    said = text(client.post(page, {**shown, "reason": "drift"}, follow=True))
    assert "Version 2 is not the champion. Version 1 is live:" in said
    assert champion_of(model.kind) == model


def test_downloads_are_whole_and_verified(as_, model):
    client = as_("training.export_model", "training.download_dataset")
    for page, record in (("modelversion_zip", model), ("dataset_zip", model.dataset)):
        answer = client.get(url(page, record.pk))
        archive = zipfile.ZipFile(io.BytesIO(answer.getvalue()))
        assert {name.split("/")[1] for name in archive.namelist()} == set(record.files)
    file = client.get(url("dataset_file", model.dataset_id, "train.csv"))
    assert len(file.getvalue()) == model.dataset.files["train.csv"]["size"]
    assert client.get(url("dataset_file", model.dataset_id, "passwords.txt")).status_code == 404
    assert as_().get(url("dataset_file", model.dataset_id, "train.csv")).status_code == 403


def test_download_of_changed_files_is_an_error_on_the_page(as_, model):
    flip_byte(model)
    answer = as_("training.export_model").get(url("modelversion_zip", model.pk), follow=True)
    assert "has changed since it was written" in text(answer)


def test_page_of_nothing_says_so(client, db):
    client.force_login(make_admin())
    assert client.get(url("dataset_change", 77)).status_code == 404
    assert not Dataset.objects.exists()
