"""A dataset whose records were changed at their source since is marked, and never changed."""

import json

import pytest
from django.urls import reverse

from feedback.jobs.synthetic import fill_synthetic
from feedback.models import CollectionRun, Explanation
from feedback.services.gone import mark_gone, mark_returned
from tests.feedback.test_commands import run
from training.domain.kind import Recipe
from training.kinds import get_kind
from training.models import Dataset
from training.queries.datasets import describe_dataset
from training.queries.preparing import prepare_dataset
from training.queries.staleness import why_stale, with_changed_records
from training.services.datasets import write_dataset

ROWS = 400


def land(tmp_path, table, field, **changed):
    """Import rows of a table; `changed` are those with other values than the first time."""
    path = tmp_path / f"{table}.jsonl"
    with path.open("w") as file:
        for n in range(ROWS):
            row = {
                "id": f"{table}-{n}",
                "response_id": f"response-{n}",
                field: n % 11 / 10,
                "provider": f"p{n % 3}",
                "model": f"m{n % 4}",
                "action_type": f"a{n % 2}",
                "created_at": f"2026-05-{n % 28 + 1:02d}T10:{n % 60:02d}:00Z",
                **(
                    {"metadata": {"codeQuality": n % 90, "security": n % 70}}
                    if table == "explanations"
                    else {}
                ),
                **changed.get(f"n{n}", {}),
            }
            file.write(json.dumps(row) + "\n")
    code, result = run("import_feedback", str(path), "--table", table, "--now")
    assert code == 0
    return result


@pytest.fixture
def dataset(db, tmp_path) -> Dataset:
    """Give a dataset of judgements, with the ratings of their responses."""
    land(tmp_path, "explanations", "quality_score")
    land(tmp_path, "quality_feedback", "quality_rating")
    return write_dataset(prepare_dataset(get_kind("quality"), Recipe()))


def changed_records(dataset):
    return with_changed_records(Dataset.objects.filter(pk=dataset.pk)).get().changed_records


def test_a_dataset_is_stale_once_a_record_of_it_is_changed(dataset, tmp_path):
    before = Dataset.objects.values().get(pk=dataset.pk)
    assert why_stale(dataset) == ""
    assert land(tmp_path, "explanations", "quality_score", n3={"quality_score": 0.99})["changed"]
    assert changed_records(dataset) == 1
    assert why_stale(dataset).startswith("Stale: 1 record of its sources")
    assert describe_dataset(dataset)["stale"] == why_stale(dataset)
    assert Dataset.objects.values().get(pk=dataset.pk) == before
    again = write_dataset(prepare_dataset(get_kind("quality"), Recipe()))
    assert why_stale(again) == ""


def test_a_changed_rating_makes_a_dataset_stale_that_joins_ratings(dataset, tmp_path):
    land(tmp_path, "quality_feedback", "quality_rating", n3={"quality_rating": 0.99})
    assert changed_records(dataset) == 1


def test_a_record_that_is_gone_since_makes_it_stale(dataset):
    later = CollectionRun.objects.create(
        source=Explanation.objects.first().source, table="explanations"
    )
    uid = Explanation.objects.values_list("uid", flat=True)[0]
    assert mark_gone(later, [uid]) == 1
    assert changed_records(dataset) == 1
    without = write_dataset(prepare_dataset(get_kind("quality"), Recipe()))
    assert (without.rows, why_stale(without)) == (ROWS - 1, "")
    assert mark_returned(later, [uid]) == 1
    assert changed_records(without) == 1


@pytest.mark.parametrize(
    "change",
    [{"feedback_text": "other words"}, {"metadata": {"codeQuality": 3, "security": 3, "more": 1}}],
)
def test_a_change_that_no_dataset_reads_makes_none_stale(dataset, tmp_path, change):
    table = "explanations" if "metadata" in change else "quality_feedback"
    field = "quality_score" if "metadata" in change else "quality_rating"
    assert land(tmp_path, table, field, n3=change)["changed"] == 1
    assert why_stale(dataset) == ""


def test_a_record_that_came_after_the_dataset_was_built_does_not_make_it_stale(dataset, tmp_path):
    late = {"id": "late", "response_id": "late"}
    assert land(tmp_path, "explanations", "quality_score", n3=late)["new"] == 1
    late["quality_score"] = 0.99
    assert land(tmp_path, "explanations", "quality_score", n3=late)["changed"] == 1
    assert why_stale(dataset) == ""


def test_changes_of_other_sources_do_not_make_it_stale(db, tmp_path):
    fill_synthetic(count=600, seed=2)
    dataset = write_dataset(prepare_dataset(get_kind("quality"), Recipe()))
    land(tmp_path, "explanations", "quality_score")
    land(tmp_path, "explanations", "quality_score", n3={"quality_score": 0.99})
    assert why_stale(dataset) == ""


@pytest.mark.usefixtures("valkey")
def test_pages_say_that_a_dataset_is_stale(dataset, tmp_path, admin_client):
    listed = reverse("admin:training_dataset_changelist")
    page = reverse("admin:training_dataset_change", args=[dataset.pk])
    assert "stale" not in admin_client.get(listed).content.decode()
    land(tmp_path, "explanations", "quality_score", n3={"quality_score": 0.99})
    assert "stale" in admin_client.get(listed).content.decode()
    assert "build it anew to learn" in admin_client.get(page).content.decode()
