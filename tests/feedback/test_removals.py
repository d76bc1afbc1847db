"""Runs, sources and refused rows come out again, whole, and what they leave behind is true."""

from datetime import timedelta
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from feedback.jobs.collection import collect
from feedback.models import (
    CollectionCursor,
    CollectionRun,
    FeedbackChange,
    FeedbackSource,
    QualityFeedback,
    RejectedRecord,
    RowsState,
)
from feedback.models.records import MODELS
from project import clock
from project.jobs.models import Job, Schedule
from project.pages.navigation import label_of
from project.refusal import Refusal
from project.removal.models import Receipt
from project.removal.registry import all_removals
from tests.factories import make_admin
from tests.feedback.collected import real_source
from tests.feedback.conftest import QUALITY
from tests.feedback.test_commands import run
from tests.feedback.test_imports import HEADER, import_text
from tests.removing import ask, remove, remove_dying
from training.domain.kind import Recipe
from training.kinds import get_kind
from training.models import Dataset
from training.queries.staleness import why_stale

pytestmark = pytest.mark.django_db

WENT = {"record": 40, "kept change": 0, "rejected row": 1, "run": 1}
ROWS = HEADER + b"".join(b"%d,0.5,2026-05-01T00:00:%02dZ\n" % (n, n) for n in range(40))
BROKEN = b"broken,5,2026-05-01T00:00Z\n"


def imported(tmp_path: Path, text: bytes = ROWS, *more: str) -> CollectionRun:
    import_text(tmp_path, text, *more)
    return CollectionRun.objects.order_by("-pk")[0]


def stored() -> set[str]:
    return set(QualityFeedback.objects.values_list("external_id", flat=True))


def test_a_run_goes_with_its_rows_and_the_file_lands_again_as_new(tmp_path: Path) -> None:
    kept = imported(tmp_path, HEADER + b"kept,0.5,2026-05-01T00:00Z\n", "--source", "other")
    landed = imported(tmp_path, ROWS + BROKEN)
    job = remove("run", landed.pk)
    assert job.state == "succeeded", job.error
    assert job.result["counts"] == WENT
    assert stored() == {"kept"}
    assert not RejectedRecord.objects.exists()
    assert list(CollectionRun.objects.all()) == [kept]
    receipt = Receipt.objects.get()
    assert (receipt.title, receipt.counts["record"]) == (f"Run {landed.pk}", 40)
    assert RowsState.objects.get(source_id=landed.source_id).rows == 0
    again = imported(tmp_path, ROWS + BROKEN)
    assert (again.new, again.known, again.rejected) == (40, 0, 1)


@pytest.mark.parametrize("within", [True, False])
def test_a_removal_that_is_killed_at_every_step_is_gone_on_with(
    tmp_path: Path, *, within: bool
) -> None:
    landed = imported(tmp_path, ROWS + BROKEN)
    job, kills = remove_dying("run", landed.pk, within=within)
    assert job.state == "succeeded", job.error
    assert kills == 1 + 16 + 2 + 1, "the plan, the parts, the refused rows, the receipt"
    assert job.result["counts"] == WENT
    assert not stored()
    assert Receipt.objects.count() == 1


def test_a_dataset_is_not_built_while_rows_go_and_is_stale_afterwards(tmp_path: Path) -> None:
    landed = imported(tmp_path)
    read_at = clock.now()
    entry = {
        "model": "feedback.feedbacksource",
        "id": landed.source_id,
        "read_at": read_at.isoformat(),
    }
    dataset = Dataset.objects.create(kind="csat", version=1, lineage=[entry])
    assert why_stale(dataset) == ""
    CollectionRun.objects.update(state="removing")
    with pytest.raises(Refusal, match="are being removed"):
        get_kind("csat").load(Recipe(origin="real"))
    job = remove("run", landed.pk)
    assert "Dataset csat/1 keeps its own rows" in job.result["stale"][0]
    stale = why_stale(Dataset.objects.get())
    assert f"run {landed.pk} was removed here since" in stale
    later = {**entry, "read_at": (clock.now() + timedelta(seconds=1)).isoformat()}
    fresh = Dataset.objects.create(kind="csat", version=2, lineage=[later])
    assert why_stale(fresh) == ""


def test_a_run_of_a_database_goes_and_the_next_collection_reads_its_rows_again(
    customer: Any, source: FeedbackSource
) -> None:
    customer.fill(30)
    assert collect(source)
    first = CollectionRun.objects.get(table="quality_feedback")
    customer.execute(
        f"UPDATE {QUALITY} SET quality_rating = 0.33 WHERE response_id = 'response-30'"
    )
    customer.execute(f"DELETE FROM {QUALITY} WHERE response_id = 'response-29'")
    collect(source)
    second = CollectionRun.objects.filter(table="quality_feedback").latest("pk")
    assert (second.changed, second.gone) == (1, 1)
    # The second run: the row that it changed goes and comes back, the one it missed counts again.
    assert remove("run", second.pk).state == "succeeded"
    assert QualityFeedback.objects.count() == 29
    assert not QualityFeedback.objects.gone().exists()
    assert not FeedbackChange.objects.filter(table="quality_feedback").exists()
    # The first one too: all of its rows are read again, as the source has them now.
    assert remove("run", first.pk).state == "succeeded"
    assert not QualityFeedback.objects.exists()
    assert CollectionCursor.objects.get(table="quality_feedback").position_at is None
    collect(source)
    assert QualityFeedback.objects.count() == 29
    assert QualityFeedback.objects.get(response_id="response-30").quality_rating == 0.33


def test_a_row_that_another_run_missed_too_stays_gone(
    customer: Any, source: FeedbackSource
) -> None:
    customer.fill(30)
    collect(source)
    this = f"{QUALITY} q WHERE response_id = 'response-29'"
    row = customer.one(f"SELECT to_jsonb(q)::text FROM {this}")
    runs = []
    for is_there in (False, True, False):
        customer.execute(f"DELETE FROM {this}")
        if is_there:
            customer.execute(
                f"INSERT INTO {QUALITY} SELECT * FROM jsonb_populate_record(NULL::{QUALITY}, %s)",
                [row],
            )
        collect(source)
        runs.append(CollectionRun.objects.filter(table="quality_feedback").latest("pk"))
    assert QualityFeedback.objects.gone().count() == 1
    assert remove("run", runs[0].pk).state == "succeeded"
    assert QualityFeedback.objects.gone().count() == 1, "the last reading missed it"
    assert remove("run", runs[2].pk).state == "succeeded"
    assert not QualityFeedback.objects.gone().exists()


def test_a_run_that_a_job_is_reading_stays(tmp_path: Path) -> None:
    landed = imported(tmp_path)
    job = ask("run", landed.pk)
    CollectionRun.objects.filter(pk=landed.pk).update(state="running", job=job)
    refused = remove("run", landed.pk)
    assert refused.state == "refused"
    assert f"Job {job.short_id} is reading it" in refused.error
    assert QualityFeedback.objects.count() == 40


@pytest.mark.parametrize("within", [None, True, False])
def test_a_source_goes_with_all_that_was_read_from_it(tmp_path: Path, within: bool | None) -> None:
    imported(tmp_path, ROWS, "--source", "other")
    first = imported(tmp_path, ROWS + BROKEN, "--source", "people")
    FeedbackChange.objects.create(
        uid="0" * 32,
        source=first.source,
        table="quality_feedback",
        action="kept",
        before={},
        after={},
        row_digest="0" * 32,
        run=first,
        first_run=first,
    )
    Schedule.objects.create(
        name="theirs",
        kind="feedback.collect_feedback",
        arguments={"sources": ["people"]},
        interval_seconds=60,
    )
    if within is None:
        job = remove("source", first.source_id)
    else:
        job, kills = remove_dying("source", first.source_id, within=within)
        assert kills > 3 * 16
    assert job.state == "succeeded", job.error
    assert job.result["counts"] == {
        "record": 40,
        "kept change": 1,
        "rejected row": 1,
        "run": 1,
        "source": 1,
    }
    assert "Schedule theirs names it" in job.result["stale"][0]
    assert [source.name for source in FeedbackSource.objects.real()] == ["other"]
    assert QualityFeedback.objects.count() == 40
    assert not RejectedRecord.objects.exists()
    assert not FeedbackChange.objects.exists()


def test_rows_that_two_sources_hold_count_at_the_other_when_the_first_goes(tmp_path: Path) -> None:
    first = imported(tmp_path, ROWS, "--source", "first")
    imported(tmp_path, ROWS, "--source", "second")
    assert QualityFeedback.objects.filter(also_in__isnull=False).count() == 40
    assert remove("source", first.source_id).state == "succeeded"
    assert QualityFeedback.objects.filter(also_in__isnull=True).count() == 40
    assert FeedbackSource.objects.get(name="second").shared == {}


@pytest.mark.parametrize("within", [True, False])
def test_refused_rows_go_and_the_run_stays(tmp_path: Path, *, within: bool) -> None:
    landed = imported(tmp_path, ROWS + BROKEN)
    job, kills = remove_dying("rejected-feedback", landed.pk, within=within)
    assert kills == 4
    assert job.result["counts"] == {"rejected row": 1}
    assert not RejectedRecord.objects.exists()
    assert CollectionRun.objects.filter(pk=landed.pk, new=40).exists()


def test_the_command_shows_a_plan_and_removes_a_source_by_its_name(tmp_path: Path) -> None:
    landed = imported(tmp_path, ROWS, "--source", "people")
    code, shown = run("remove", "source", "people", "--plan")
    assert (code, shown["plan"]["goes"]["record"]) == (0, 40)
    assert QualityFeedback.objects.count() == 40
    assert not Job.objects.filter(kind="feedback.remove_source").exists()
    code, result = run("remove", "source", "people", "--why", "the wrong file", "--now")
    assert (code, result["counts"]["record"]) == (0, 40)
    assert Receipt.objects.get(pk=result["receipt"]).why == "the wrong file"
    code, refused = run("remove", "source", str(landed.source_id), "--why", "again", "--now")
    assert code == 2
    assert "was removed already" in refused["refused"]["message"]


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    landed = imported(tmp_path)
    for words, said in (
        (["run", "x"], "There is no run 'x'; expected its number."),
        (["run", str(2**70)], f"There is no run '{2**70}'; expected its number."),
        (["run", "999999"], "There is no run 999999."),
        (["rejected-feedback", "999999"], "There is no run 999999."),
        (["source", ""], "There is no source ''; expected its number or name."),
        (["source", "12", "--by", "name"], "There is no source '12'; expected its name."),
        (["source", "people", "--by", "number"], "There is no source 'people'; expected its"),
        (["batch", "999999"], "There is no batch 999999."),
        (["rejected-events", "999999"], "There is no batch 999999."),
        (["rejected-profiles", "999999"], "There is no import 999999."),
        (["person", "nobody"], "There is no person 'nobody'; expected its number or id."),
        (["model", "csat/9"], "There is no model 'csat/9'; expected its number or KIND/VERSION."),
        (["dataset", "9"], "There is no dataset 9."),
        (["mapping", "9"], "There is no mapping 9."),
    ):
        code, refused = run("remove", *words, "--plan")
        assert code == 2, words
        assert refused["refused"]["message"].startswith(said), words
        assert "stands in the list “" in refused["refused"]["remedy"], words
    with pytest.raises(CommandError, match="Expected --why TEXT"):
        call_command("remove", "run", str(landed.pk), "--json", stdout=StringIO())


def test_every_list_that_a_remedy_names_is_called_so() -> None:
    import_module("project.urls")  # who shows pages knows their names
    for how in all_removals():
        app, _, model = how.model.partition(".")
        assert how.listed == label_of(f"{app}_{model}_changelist"), how.thing


def test_a_source_called_by_the_number_of_another_is_not_guessed() -> None:
    one = real_source("people")
    other = real_source(str(one.pk))
    code, refused = run("remove", "source", str(one.pk), "--plan")
    assert code == 2
    assert refused["refused"]["message"] == (
        f"{one.pk} is the number of one source and the name of another, whose number is {other.pk}."
    )
    for by, meant in (("number", one), ("name", other)):
        code, shown = run("remove", "source", str(one.pk), "--plan", "--by", by)
        assert (code, shown["plan"]["number"]) == (0, meant.pk)
    # Where one and the same is meant there is nothing to ask.
    same = FeedbackSource.objects.get(pk=one.pk)
    FeedbackSource.objects.filter(pk=other.pk).delete()
    FeedbackSource.objects.filter(pk=same.pk).update(name=str(same.pk))
    code, shown = run("remove", "source", str(same.pk), "--plan")
    assert (code, shown["plan"]["number"]) == (0, same.pk)


def test_the_pages_lead_to_what_removes_and_show_the_receipt(tmp_path: Path) -> None:
    landed = imported(tmp_path, ROWS + BROKEN)
    client = Client()
    client.force_login(make_admin())
    listed = client.get(reverse("admin:feedback_collectionrun_changelist")).content.decode()
    address = f"{reverse('admin:remove_run')}?number={landed.pk}"
    assert address in listed
    assert f"{reverse('admin:remove_rejected-feedback')}?number={landed.pk}" in listed
    page = client.get(address).content.decode()
    assert f"Remove run {landed.pk}" in page
    assert client.get(f"{reverse('admin:remove_run')}?number=x").status_code == 404
    assert "Nothing is chosen" in client.get(reverse("admin:remove_run")).content.decode()
    assert remove("run", landed.pk).state == "succeeded"
    assert client.get(address).status_code == 404
    receipts = client.get(reverse("admin:removal_receipt_changelist")).content.decode()
    assert f"Run {landed.pk}" in receipts
    assert "40 records" in receipts


def test_every_table_has_rows_that_a_source_takes_with_it(
    customer: Any, source: FeedbackSource
) -> None:
    customer.fill(12)
    collect(source)
    assert all(model.objects.count() == 12 for model in MODELS.values())
    assert remove("source", source.pk).state == "succeeded"
    assert not any(model.objects.exists() for model in MODELS.values())
    assert not CollectionCursor.objects.exists()
