"""The commands of feedback, as a person runs them."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from feedback.models import FeedbackSource, QualityFeedback
from project.jobs.models import Job, Schedule
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from tests.feedback.conftest import AB_TESTING, EXPLANATIONS, QUALITY, make_source


def run(*arguments):
    """Run a command; return its exit code and its answer."""
    out = StringIO()
    try:
        call_command(*arguments, "--json", stdout=out, stderr=StringIO())
        code = 0
    except SystemExit as exit_:
        code = exit_.code
    return code, json.loads(out.getvalue() or "{}")


def test_collect_feedback_reads_every_source_that_is_enabled(customer, source, settings):
    customer.fill(10)
    make_source(settings, name="off", is_enabled=False)
    code, result = run("collect_feedback", "--now")
    assert code == 0
    assert [one["source"] for one in result["sources"]] == ["customer"]
    assert [one["new"] for one in result["sources"][0]["tables"]] == [10, 10, 10]
    assert all(one["reconciled"] for one in result["sources"][0]["tables"])
    assert QualityFeedback.objects.count() == 10


def test_collect_feedback_ends_with_1_when_a_source_fails_and_reads_the_others(
    customer, source, settings
):
    customer.fill(10)
    make_source(settings, name="away", database="nowhere")
    code, result = run("collect_feedback", "--now")
    assert code == 1
    assert result["failed"] == ["away"]
    assert result["new"] == 30


def test_collect_feedback_takes_windows_and_limits(customer, source):
    customer.fill(40)
    code, result = run("collect_feedback", "--now", "--source", "customer", "--days", "10")
    tables = result["sources"][0]["tables"]
    assert code == 0
    assert [one["new"] for one in tables] == [20, 20, 20]
    _, result = run("collect_feedback", "--now", "--since", "2020-01-01", "--limit", "5")
    assert [one["remaining"] for one in result["sources"][0]["tables"]] == [0, 0, 0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--days", "0"],
        ["--since", "soon"],
        ["--since", "2026-02-01", "--until", "2026-01-01T00:00+02:00"],
        ["--limit", "-1"],
        ["--days", "2", "--since", "2026-01-01"],
    ],
)
def test_collect_feedback_refuses_unusable_arguments(db, arguments):
    with pytest.raises(CommandError):
        run("collect_feedback", "--now", *arguments)


def test_collect_feedback_refuses_a_source_that_does_not_exist(source):
    code, result = run("collect_feedback", "--now", "--source", "nobody")
    assert code == 2
    assert "customer" in result["refused"]["message"]


def test_a_scheduled_collection_leaves_out_sources_that_wait(customer, source):
    customer.fill(5)
    schedule = Schedule.objects.create(
        name="s", kind="feedback.collect_feedback", interval_seconds=3600
    )
    FeedbackSource.objects.update(retry_after=schedule.next_run_at + timedelta(hours=1))

    job = enqueue("feedback.collect_feedback", schedule=schedule, ring_bell=False)
    run_job(str(job.pk))
    assert Job.objects.get().result["waiting"] == ["customer"]
    assert QualityFeedback.objects.count() == 0


def test_import_feedback_ends_with_2_where_every_row_is_refused(db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "uploads"
    bad, mixed = tmp_path / "bad.csv", tmp_path / "mixed.csv"
    head, row = "id,quality_rating,created_at\n", "r{},0.5,{}\n"
    bad.write_text(head + row.format(1, "tomorrow") + row.format(2, "soon"))
    mixed.write_text(head + row.format(1, "soon") + row.format(2, "2026-03-04T10:00:00Z"))
    named = ("--now", "--table", "quality_feedback")
    assert [
        run("import_feedback", str(bad), *named, *more)[0] for more in ((), ("--dry-run",))
    ] == [
        2,
        2,
    ]
    assert run("import_feedback", str(mixed), *named)[0] == 0


def test_collect_feedback_ends_with_2_where_every_row_is_refused(customer, source):
    customer.fill(4)
    for table in (QUALITY, EXPLANATIONS, AB_TESTING):
        customer.execute(f"UPDATE {table} SET created_at = 'infinity'")
    code, result = run("collect_feedback", "--now")
    assert [(one["found"], one["rejected"]) for one in result["sources"][0]["tables"]] == [
        (4, 4),
        (4, 4),
        (4, 4),
    ]
    assert code == 2
