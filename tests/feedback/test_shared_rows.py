"""Rows that two sources hold: noticed, counted once, and named."""

import json

import pytest
from django.urls import reverse

from feedback.jobs.collection import collect
from feedback.models import FeedbackSource, QualityFeedback
from feedback.queries.frames import load_csat
from feedback.queries.reports import csat_report
from feedback.queries.sources import choose_scope, choose_sources
from feedback.queries.status import feedback_status
from tests.feedback.conftest import QUALITY, READER, make_source
from tests.feedback.test_commands import run as run_command

RATINGS = "quality_feedback"


def reread(source):
    return collect(FeedbackSource.objects.get(pk=source.pk), tables=[RATINGS])[0]


def counted(**asked):
    return csat_report(choose_scope(**asked))["overall"]["count"]


def view(customer, settings, columns="*", name="pooler"):
    customer.execute(f"CREATE VIEW seen AS SELECT {columns} FROM {QUALITY}")
    customer.execute(f"GRANT SELECT ON seen TO {READER}")
    return make_source(settings, name=name, mapping={RATINGS: {"table": "seen"}})


@pytest.mark.parametrize(
    "columns",
    ["*", "response_id, quality_rating, created_at"],
    ids=["whole", "without the id"],
)
def test_a_view_of_a_table_that_is_collected_too_is_counted_once_and_named(
    customer, source, settings, columns
):
    customer.fill(100)
    pooler = view(customer, settings, columns)
    assert [reread(one).new for one in (source, pooler)] == [100, 100]
    assert QualityFeedback.objects.count() == 200
    assert counted() == 100
    assert len(load_csat(choose_sources(RATINGS))) == 100
    (said,) = csat_report(choose_scope())["scope"]["caveats"]
    assert said.startswith("pooler, Quality feedback: 100 rows are those of customer too")
    assert said in feedback_status()["caveats"]


def test_each_source_alone_has_all_its_rows(customer, source, settings):
    customer.fill(100)
    pooler = view(customer, settings)
    for one in (source, pooler):
        reread(one)
    assert counted(source="customer") == counted(source="pooler") == 100
    assert csat_report(choose_scope(source="pooler"))["scope"]["caveats"] == []


def test_three_sources_of_the_same_rows_are_counted_once_in_any_company(customer, source, settings):
    customer.fill(50)
    second = view(customer, settings)
    third = make_source(settings, name="third")
    for one in (third, second, source):  # the one that was added first is read last
        reread(one)
    assert counted() == 50
    assert len(load_csat([second, third])) == 50
    assert QualityFeedback.objects.filter(also_in__isnull=True).count() == 50


def test_new_rows_of_both_are_noticed_by_the_run_that_finds_them(customer, source, settings):
    customer.fill(40)
    pooler = view(customer, settings)
    for _ in range(2):
        for one in (source, pooler):
            reread(one)
        customer.execute(
            f"INSERT INTO {QUALITY} SELECT gen_random_uuid(), 'late', .5, '', 'p', 'm', 'a', 's', "
            "'u', now() - interval '1 minute' * n FROM generate_series(1, 5) n"
        )
    for one in (source, pooler):
        reread(one)
    assert counted() == 50
    shared = FeedbackSource.objects.get(name="pooler").shared
    assert shared == {RATINGS: {str(source.pk): 50}}


def test_a_file_of_the_same_rows_with_rounded_times_is_noticed(customer, source, tmp_path):
    customer.fill(30)
    reread(source)
    path = tmp_path / "export.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {
                    "id": row.external_id,
                    "response_id": row.response_id,
                    "quality_rating": row.quality_rating,
                    "created_at": row.created_at.replace(microsecond=0).isoformat(),
                }
            )
            + "\n"
            for row in QualityFeedback.objects.all()
        )
    )
    code, _ = run_command("import_feedback", str(path), "--table", RATINGS, "--now")
    assert (code, counted()) == (0, 30)


def test_the_same_numbers_at_other_times_are_other_rows(customer, source, settings):
    customer.fill(30)
    customer.execute(
        f"CREATE TABLE others AS SELECT id, response_id, quality_rating, "
        f"created_at - interval '1 hour' AS created_at FROM {QUALITY}; "
        f"GRANT SELECT ON others TO {READER}"
    )
    other = make_source(settings, name="other", mapping={RATINGS: {"table": "others"}})
    for one in (source, other):
        reread(one)
    assert counted() == 60
    assert FeedbackSource.objects.get(name="other").shared == {}


def test_pages_name_the_sources_that_share_rows(customer, source, settings, admin_client):
    customer.fill(10)
    pooler = view(customer, settings)
    for one in (source, pooler):
        reread(one)
    for address in (
        reverse("admin:feedback_report", args=["status"]),
        reverse("admin:feedback_report", args=["csat"]),
        reverse("admin:feedback_feedbacksource_change", args=[source.pk]),
        reverse("admin:feedback_feedbacksource_change", args=[pooler.pk]),
    ):
        page = admin_client.get(address).content.decode()
        assert "10 rows are those of customer too" in page, address
