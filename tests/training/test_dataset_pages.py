"""The pages of a dataset: its tabs, its histograms by part, and how it differs from another."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from matching.models import EventBatch
from project.refusal import Refusal
from tests.factories import make_admin, make_staff
from tests.training.batches import make_dataset, make_good_batch
from training.admin.datasets import TABS
from training.domain.kind import Recipe
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset
from training.queries import differences as module
from training.queries.datasets import read_part
from training.queries.differences import differences
from training.queries.preparing import prepare_dataset
from training.services.datasets import write_dataset

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset(make_good_batch(400))


def page_of(client: Client, dataset: Dataset, query: str = "") -> str:
    url = reverse("admin:training_dataset_change", args=[dataset.pk])
    answer = client.get(url + query)
    assert answer.status_code == 200
    return answer.content.decode()


def made_before(*batches: EventBatch) -> Dataset:
    """Write a dataset as they were before parts were counted apart."""
    kind = get_kind(DEFAULT_KIND)
    prepared = prepare_dataset(kind, Recipe(batches=tuple(batch.pk for batch in batches)))
    kept: Any = {
        name: {"low": one["low"], "high": one["high"], "counts": one["counts"]}
        for name, one in prepared.histograms.items()
        if name != kind.target
    }
    return write_dataset(replace(prepared, histograms=kept))


def test_inputs_and_target_are_counted_by_part_in_the_same_bins(dataset: Dataset) -> None:
    kind = get_kind(dataset.kind)
    for name in (kind.target, "age_score", "interest_score"):
        kept = dataset.histograms[name]
        for part, file in (("train", "train"), ("validation", "val")):
            values = read_part(dataset, file, columns=[name])[name].to_numpy(np.float32)
            counts = np.histogram(values[np.isfinite(values)], 20, (kept["low"], kept["high"]))[0]
            assert kept[part] == counts.tolist(), (name, part)
        together = np.add(kept["train"], kept["validation"])
        assert (np.array(kept["counts"]) >= together).all()


def test_each_tab_shows_its_part_and_all_of_them_what_one_page_showed(
    client: Client, dataset: Dataset
) -> None:
    client.force_login(make_admin())
    said = {
        "overview": ("Validation rows", "Balance of the answer", "Label 1, validation"),
        "inputs": ("c-outline", "interest_score", "Defaulted"),
        "leakage": ("What training and validation share", "Rows that repeat an earlier one"),
        "origin": ("Where the rows come from", "Models trained on it", "Recipe"),
        "files": (dataset.files["train.csv"]["sha256"],),
    }
    assert said.keys() == TABS.keys()
    for tab, texts in said.items():
        with CaptureQueriesContext(connection) as asked:
            page = page_of(client, dataset, f"?tab={tab}")
        assert len(asked) <= 20
        assert page.count('aria-current="page"') >= 2
        for text in texts:
            assert text in page, (tab, text)
    assert "Validation rows" in page_of(client, dataset, "?tab=nothing")


def test_checks_that_passed_are_folded_with_their_count(client: Client, dataset: Dataset) -> None:
    client.force_login(make_admin())
    passed = sum(check["verdict"] == "pass" for check in dataset.checks)
    page = page_of(client, dataset)
    shown, _, folded = page.partition(f"<summary>{passed} checks passed</summary>")
    assert folded
    for check in dataset.checks:
        title = check["name"].replace("_", " ")
        assert (f"<strong>{title}</strong>" in shown) == (check["verdict"] != "pass"), title
        assert title in page


def test_a_dataset_of_before_says_that_its_parts_were_not_counted_apart(
    client: Client, dataset: Dataset
) -> None:
    client.force_login(make_admin())
    before = made_before(*dataset.batches.all())
    assert "were counted apart; a new build has them" in page_of(client, before)
    inputs = page_of(client, before, "?tab=inputs")
    assert "c-outline" not in inputs
    assert "before training and validation were counted apart" in inputs
    assert "c-bar" in inputs


# --- Differences ---------------------------------------------------------------------------------


def test_rows_batches_parameters_and_columns_differ_as_they_do() -> None:
    first, second = make_good_batch(400), make_good_batch(300)
    old = make_dataset(first)
    new = make_dataset(first, second)
    found = differences(new, old)
    mine, theirs = (
        {
            part: set(read_part(one, part, columns=["event_key"])["event_key"])
            for part in ("train", "val")
        }
        for one in (new, old)
    )
    ours, before = mine["train"] | mine["val"], theirs["train"] | theirs["val"]
    crossed = (mine["train"] & theirs["val"]) | (mine["val"] & theirs["train"])
    assert found.rows is not None
    assert found.rows.shared == len(ours & before)
    assert found.rows.added == len(ours - before)
    assert found.rows.left == len(before - ours)
    assert found.rows.crossed == len(crossed)
    assert [batch.pk for batch in found.batches_in] == [second.pk]
    assert found.batches_out == []
    assert ("Rows read", "700", "400") in found.figures
    back = differences(old, new)
    assert back.rows is not None
    assert (back.rows.added, back.rows.left) == (found.rows.left, found.rows.added)
    assert [batch.pk for batch in back.batches_out] == [second.pk]
    assert {one.name for one in found.columns} >= {"age_score", "label"}
    psi = [one.stability.psi for one in found.columns]
    assert psi == sorted(psi, reverse=True)


def test_the_same_rows_differ_in_nothing(dataset: Dataset) -> None:
    again = make_dataset(*dataset.batches.all())
    found = differences(again, dataset)
    assert found.rows is not None
    assert (found.rows.added, found.rows.left, found.rows.crossed) == (0, 0, 0)
    assert (found.parameters, found.checks) == ([], [])
    assert {one.stability.psi for one in found.columns} == {0.0}
    assert {one.stability.verdict for one in found.columns} == {"stable"}


def test_rows_beyond_the_limit_or_without_files_are_not_compared_and_said_so(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = make_dataset(*dataset.batches.all())
    monkeypatch.setattr(module, "COMPARED_ROWS", 10)
    found = differences(again, dataset)
    assert found.rows is None
    assert "not compared one by one beyond 10" in found.note
    monkeypatch.undo()
    monkeypatch.setattr(module, "ROW_KEYS", ("no_such_column",))
    assert "do not name them" in differences(again, dataset).note


def test_datasets_of_different_kinds_are_not_compared(dataset: Dataset) -> None:
    with pytest.raises(Refusal, match="different kinds"):
        differences(dataset, Dataset(kind="csat", version=1))


def test_the_page_of_a_difference_is_for_who_sees_datasets(
    client: Client, dataset: Dataset
) -> None:
    again = make_dataset(*dataset.batches.all(), make_good_batch(200))
    at = reverse("admin:training_dataset_compare", args=[again.pk])
    client.force_login(make_staff())
    assert client.get(f"{at}?other={dataset.version}").status_code == 403
    client.force_login(make_staff("training.view_dataset"))
    page = client.get(f"{at}?other={dataset.version}").content.decode()
    for text in ("Columns that moved", "Parameters that differ", "Added", "Batch "):
        assert text in page
    assert "/admin/matching/eventbatch/" not in page
    client.force_login(make_admin())
    page = client.get(f"{at}?other={dataset.version}").content.decode()
    assert "/admin/matching/eventbatch/" in page
    assert f'<option value="{dataset.version}">' in page_of(client, again)


@pytest.mark.parametrize("other", ["", "own", "77", "x", "99999999999"])
def test_another_version_has_to_be_one(client: Client, dataset: Dataset, other: str) -> None:
    client.force_login(make_admin())
    at = reverse("admin:training_dataset_compare", args=[dataset.pk])
    other = str(dataset.version) if other == "own" else other
    answer = client.get(at, {"other": other}, follow=True)
    assert "Choose another version to compare with" in answer.content.decode()


def test_a_dataset_of_before_can_be_compared(client: Client, dataset: Dataset) -> None:
    again = make_dataset(*dataset.batches.all())
    client.force_login(make_admin())
    before = made_before(*dataset.batches.all())
    found = differences(again, before)
    assert found.only_here == [get_kind(again.kind).target]
    at = reverse("admin:training_dataset_compare", args=[again.pk])
    assert client.get(f"{at}?other={before.version}").status_code == 200
