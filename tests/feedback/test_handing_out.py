"""Several sources are several jobs, so that one that hangs holds no other."""

import pytest
from django.urls import reverse
from django.utils import timezone

from feedback.models import FeedbackSource, QualityFeedback
from feedback.queries.sources import choose_scope
from feedback.queries.status import feedback_status
from project.jobs.models import Job, Schedule
from project.jobs.reconciler import tick
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.origin import Origin
from tests.factories import make_admin
from tests.feedback.conftest import make_source
from tests.feedback.test_admin import form_of
from tests.feedback.test_commands import run as run_command

KIND = "feedback.collect_feedback"


@pytest.fixture
def sources(customer, source, settings):
    customer.fill(10)
    return source, make_source(settings, name="second"), make_source(settings, name="third")


def handed_out(**arguments):
    """Run the job that hands out, and return it."""
    job = enqueue(KIND, **arguments)
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def test_each_source_is_a_job_of_its_own_with_what_was_asked(sources):
    parent = handed_out(days=3, on_change="keep")
    assert parent.state == "succeeded"
    assert [part["source"] for part in parent.result["jobs"]] == ["customer", "second", "third"]
    children = Job.objects.exclude(pk=parent.pk)
    assert {tuple(job.arguments["sources"]) for job in children} == {
        ("customer",),
        ("second",),
        ("third",),
    }
    for job in children:
        assert {**job.arguments, "sources": []} == {"sources": [], "days": 3, "on_change": "keep"}
        assert (job.state, job.actor) == ("queued", parent.actor)
    assert len(parent.records) == 3
    assert not QualityFeedback.objects.exists()


def test_a_source_that_hangs_holds_no_other(sources):
    parent = handed_out()
    jobs = {part["source"]: part["job"] for part in parent.result["jobs"]}
    Job.objects.filter(pk=jobs["customer"]).update(
        state="running", lease_until=timezone.now() + timezone.timedelta(hours=1)
    )
    for name in ("second", "third"):
        run_job(jobs[name])
        assert Job.objects.get(pk=jobs[name]).result["new"] == 30
    assert Job.objects.get(pk=jobs["customer"]).state == "running"


def test_the_next_hour_leaves_out_a_source_whose_job_still_goes_on(sources):
    make_admin()
    run_command("auto_collect", "on")
    for busy in ([], ["customer", "second", "third"]):
        Schedule.objects.update(next_run_at=timezone.now())
        assert tick().scheduled == 1
        parent = Job.objects.get(schedule__isnull=False, state="queued")
        run_job(str(parent.pk))
        parent.refresh_from_db()
        assert parent.result["busy"] == busy
    assert Job.objects.filter(schedule__isnull=True).count() == 3


def test_the_command_waits_for_all_and_sums(sources, settings):
    make_source(settings, name="away", database="nowhere")
    code, result = run_command("collect_feedback", "--now")
    assert (code, result["failed"], result["new"]) == (1, ["away"], 90)
    assert [one["source"] for one in result["sources"]] == ["away", "customer", "second", "third"]
    assert {job.state for job in Job.objects.all()} == {"succeeded"}


def test_a_job_that_broke_is_told_and_the_others_are_summed(sources, monkeypatch):
    from feedback.jobs import collection

    collect = collection.collect

    def broken(source, **asked):
        if source.name == "second":
            raise RuntimeError("a disk is full")
        return collect(source, **asked)

    monkeypatch.setattr(collection, "collect", broken)
    code, result = run_command("collect_feedback", "--now")
    assert (code, result["failed"], result["new"]) == (1, ["second"], 60)
    assert "a disk is full" in result["broken"][0]


def test_one_source_is_read_by_the_job_itself(sources):
    parent = handed_out(sources=["second"])
    assert (parent.result["jobs"], parent.result["new"]) == ([], 30)


# --- What is no database --------------------------------------------------------------------------


def test_generated_feedback_stands_in_once_and_every_hour_where_there_is_no_database(db):
    make_admin()
    run_command("auto_collect", "on")
    for new in (True, False):
        Schedule.objects.update(next_run_at=timezone.now())
        tick()
        job = Job.objects.get(state="queued")
        run_job(str(job.pk))
        job.refresh_from_db()
        assert job.result["synthetic"]
        assert bool(job.result["new"]) is new
    assert feedback_status()["origin"] == "synthetic"


def test_files_of_which_nothing_landed_do_not_take_the_place_of_generated_rows(db, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "1", "quality_rating": 7, "created_at": "2026-05-01T00:00Z"}\n')
    arguments = ("import_feedback", str(path), "--table", "quality_feedback", "--now")
    assert run_command(*arguments)[0] == 2
    code, result = run_command("collect_feedback", "--now")
    assert (code, result["synthetic"]) == (0, True)
    assert choose_scope().origin == Origin.SYNTHETIC
    path.write_text(path.read_text().replace("7", "0.7"))
    assert run_command(*arguments)[0] == 0
    assert choose_scope().origin == Origin.REAL
    assert run_command("collect_feedback", "--now")[1]["synthetic"] is False


def test_only_databases_are_added_by_hand(admin_client, source):
    page = admin_client.get(reverse("admin:feedback_feedbacksource_add")).content.decode()
    assert 'name="host"' in page
    assert 'name="kind"' not in page
    assert "Files need no source" in page
    address = reverse("admin:feedback_feedbacksource_change", args=[source.pk])
    assert admin_client.post(address, form_of(source, kind="file")).status_code == 302
    assert FeedbackSource.objects.get().kind == "postgres"


@pytest.mark.parametrize("kind", ["file", "synthetic"])
def test_the_page_of_what_is_no_database_asks_for_none(db, admin_client, kind):
    source = FeedbackSource.objects.create(name="rows", kind=kind, schema="")
    address = reverse("admin:feedback_feedbacksource_change", args=[source.pk])
    page = admin_client.get(address).content.decode()
    assert 'name="host"' not in page
    assert 'name="is_enabled"' not in page
    assert admin_client.post(address, {"name": "renamed"}).status_code == 302
    source.refresh_from_db()
    assert (source.name, source.is_enabled, source.kind) == ("renamed", True, kind)
