"""Rows that are gone at their source, and rows that it changed long after it made them."""

import pytest
from django.core.management.base import CommandError

from feedback.jobs.collection import collect
from feedback.models import CollectionCursor, FeedbackChange, FeedbackSource, QualityFeedback
from feedback.queries.frames import load_csat, load_quality
from feedback.queries.reports import csat_report
from feedback.queries.sources import choose_scope, choose_sources
from feedback.queries.status import feedback_status
from tests.feedback.conftest import EXPLANATIONS, QUALITY, READER, make_source
from tests.feedback.test_commands import run as run_command

RATINGS = "quality_feedback"


def reread(source, **asked):
    return collect(FeedbackSource.objects.get(pk=source.pk), tables=[RATINGS], **asked)[0]


def gone():
    return sorted(QualityFeedback.objects.gone().values_list("response_id", flat=True))


def counted():
    return csat_report(choose_scope())["overall"]["count"]


def remove(customer, *numbers):
    for number in numbers:
        customer.execute(f"DELETE FROM {QUALITY} WHERE response_id = 'response-{number}'")


def test_rows_that_are_gone_are_marked_counted_and_left_out(customer, source):
    customer.fill(100, days=20)
    reread(source)
    remove(customer, 98, 99)  # of the last day, which each run reads again
    run = reread(source)
    assert (run.state, run.is_reconciled, run.gone) == ("complete", True, 2)
    assert gone() == ["response-98", "response-99"]
    assert QualityFeedback.objects.count() == 100
    assert counted() == 98
    assert len(load_csat(choose_sources(RATINGS))) == 98
    (table,) = feedback_status()["tables"]
    assert (table["rows"], table["gone"]) == (98, 2)
    assert FeedbackChange.objects.filter(action="gone").count() == 2
    assert reread(source).gone == 0


def test_older_rows_are_compared_over_a_window_and_all_of_them_in_full(customer, source):
    customer.fill(100, days=20)
    reread(source)
    remove(customer, 10, 60, 80)
    assert reread(source).gone == 0
    code, result = run_command("collect_feedback", "--now", "--days", "10")
    assert (code, result["sources"][0]["tables"][0]["gone"]) == (0, 2)
    assert gone() == ["response-60", "response-80"]
    code, result = run_command("collect_feedback", "--now", "--full")
    assert (code, result["sources"][0]["tables"][0]["gone"]) == (0, 1)
    ratings = result["sources"][0]["tables"][0]
    assert (ratings["found"], ratings["source_count"], ratings["known"]) == (97, 97, 97)
    assert counted() == 97


def test_a_row_that_is_there_again_counts_again(customer, source):
    customer.fill(20, days=1)
    reread(source)
    customer.execute(
        f"CREATE TEMP TABLE away AS SELECT * FROM {QUALITY} WHERE response_id = 'response-7'"
    )
    remove(customer, 7)
    assert reread(source).gone == 1
    customer.execute(f"INSERT INTO {QUALITY} SELECT * FROM away")
    run = reread(source)
    assert (run.new, run.known, run.gone) == (0, 20, 0)
    assert "1 row that was gone is there again." in run.notes
    assert counted() == 20
    actions = FeedbackChange.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["gone", "returned"]


def test_rows_that_a_policy_hides_are_not_taken_for_gone(customer, source):
    customer.fill(20, days=1)
    reread(source)
    customer.execute(f"ALTER TABLE {QUALITY} ENABLE ROW LEVEL SECURITY")
    run = reread(source)
    assert (run.state, run.found, run.gone) == ("incomplete", 0, 0)
    assert counted() == 20


def test_a_row_whose_time_was_changed_is_not_gone(customer, source):
    customer.fill(20, days=1)
    reread(source)
    customer.execute(
        f"UPDATE {QUALITY} SET created_at = created_at - interval '9 days' "
        "WHERE response_id = 'response-7'"
    )
    run = reread(source)
    assert (run.found, run.gone) == (19, 0)


@pytest.mark.parametrize("type_", ["text", "bigint"])
def test_ids_of_another_type_than_before_are_compared_all_the_same(customer, source, type_):
    customer.execute(f"ALTER TABLE {QUALITY} ALTER id TYPE text")
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) VALUES "
        "('one', .5, now() - interval '1 hour'), ('2', .5, now() - interval '1 hour')"
    )
    assert reread(source).new == 2
    customer.execute(f"DELETE FROM {QUALITY} WHERE id = 'one'")
    customer.execute(f"ALTER TABLE {QUALITY} ALTER id TYPE {type_} USING id::{type_}")
    run = reread(source)
    assert (run.state, run.gone) == ("complete", 1)


def test_a_row_that_is_refused_now_is_not_gone(customer, source):
    customer.fill(20, days=1)
    reread(source)
    customer.execute(f"UPDATE {QUALITY} SET quality_rating = 7 WHERE response_id = 'response-7'")
    run = reread(source)
    assert (run.rejected, run.gone) == (1, 0)


def test_a_reading_that_a_limit_cut_off_finds_nothing_gone(customer, source):
    customer.fill(60, days=1)
    reread(source)
    CollectionCursor.objects.update(position_at=None, position_id="")
    remove(customer, 50)
    run = reread(source, limit=20)
    assert (run.remaining, run.gone) == (39, 0)
    assert reread(source, limit=1_000).gone == 1


def test_rows_without_ids_are_compared_by_what_they_are_known_by(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} DROP COLUMN id; ")
    customer.execute(
        f"INSERT INTO {QUALITY} (feedback_text, quality_rating, created_at) SELECT 'text ' || n, "
        ".5, now() - interval '1 hour' FROM generate_series(1, 9) n"
    )
    reread(source)
    customer.execute(f"DELETE FROM {QUALITY} WHERE feedback_text = 'text 3'")
    run = reread(source)
    assert (run.known, run.gone) == (8, 1)


def test_a_table_that_cannot_be_sorted_by_time_is_compared_whole(customer, source):
    customer.fill(20, days=20)
    customer.execute(f"ALTER TABLE {QUALITY} ALTER created_at TYPE text")
    reread(source)
    remove(customer, 3)
    assert reread(source).gone == 1


def test_a_gone_rating_is_in_no_judgement_of_its_response(customer, source):
    customer.fill(10, days=1)
    customer.execute(
        f'UPDATE {EXPLANATIONS} SET metadata = metadata || \'{{"response_id": "response-7"}}\''
    )
    collect(source)
    assert load_quality([source])["csat"].notna().all()
    remove(customer, 7)
    reread(source)
    assert load_quality([source])["csat"].isna().all()


def test_a_row_that_is_gone_at_one_of_two_sources_counts_at_the_other(customer, source, settings):
    customer.fill(20, days=1)
    customer.execute(
        f"CREATE TABLE kept AS SELECT * FROM {QUALITY}; GRANT SELECT ON kept TO {READER}"
    )
    other = make_source(settings, name="other", mapping={RATINGS: {"table": "kept"}})
    for one in (source, other):
        reread(one)
    assert counted() == 20
    remove(customer, 7)
    reread(source)
    assert counted() == 20


def test_full_takes_no_window(source):
    with pytest.raises(CommandError, match="Full reads all there is"):
        run_command("collect_feedback", "--now", "--full", "--days", "3")


# --- A column that says when a row was changed ----------------------------------------------------


@pytest.fixture
def touched(customer, source):
    """Let the ratings say when they were changed, and collect them."""
    customer.execute(f"ALTER TABLE {QUALITY} ADD updated_at timestamptz")
    customer.execute(
        f"INSERT INTO {QUALITY} (id, response_id, quality_rating, created_at, updated_at) "
        "SELECT gen_random_uuid(), 'response-' || n, .5, at, at FROM (SELECT n, "
        "now() - interval '1 day' * n AS at FROM generate_series(1, 30) n) rows"
    )
    assert reread(source).new == 30
    return source


def correct(customer, number, stamp="now()", column="updated_at"):
    customer.execute(
        f"UPDATE {QUALITY} SET quality_rating = .9, {column} = {stamp} "
        f"WHERE response_id = 'response-{number}'"
    )


def rating(number):
    return QualityFeedback.objects.get(response_id=f"response-{number}").csat


def test_an_old_row_that_was_changed_is_read_again_by_the_next_run(customer, touched):
    correct(customer, 20)
    run = reread(touched)
    assert (run.changed, run.new, run.gone) == (1, 0, 0)
    assert run.is_reconciled
    assert rating(20) == 0.9
    again = reread(touched)
    assert (again.changed, again.rejected) == (0, 0)


def test_without_such_a_column_or_a_name_for_it_old_changes_need_a_window(customer, touched):
    FeedbackSource.objects.update(changed_column="")
    correct(customer, 20)
    assert reread(touched).changed == 0
    _, result = run_command("collect_feedback", "--now", "--days", "40")
    assert result["sources"][0]["tables"][0]["changed"] == 1


def test_the_column_may_have_another_name_and_no_zone(customer, touched):
    customer.execute(f"ALTER TABLE {QUALITY} RENAME updated_at TO touched")
    customer.execute(
        f"ALTER TABLE {QUALITY} ALTER touched TYPE timestamp USING touched AT TIME ZONE 'UTC'"
    )
    FeedbackSource.objects.update(changed_column="touched")
    reread(touched)
    correct(customer, 20, "now() AT TIME ZONE 'UTC'", "touched")
    assert reread(touched).changed == 1


def test_rows_that_were_never_asked_for_stay_unasked(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} ADD updated_at timestamptz")
    customer.execute(
        f"INSERT INTO {QUALITY} (id, response_id, quality_rating, created_at, updated_at) "
        "SELECT gen_random_uuid(), 'response-' || n, .5, now() - interval '1 day' * n, now() "
        "FROM generate_series(1, 30) n"
    )
    _, result = run_command("collect_feedback", "--now", "--days", "10")
    assert result["sources"][0]["tables"][0]["new"] == 9
    assert reread(source).new == 0
    _, result = run_command("collect_feedback", "--now", "--full")
    assert result["sources"][0]["tables"][0]["new"] == 21
    correct(customer, 25)
    assert reread(source).changed == 1


def test_what_another_version_left_is_read_again_once(customer, touched):
    CollectionCursor.objects.update(changed_at=None)
    correct(customer, 20, "now() - interval '9 days'")
    run = reread(touched)
    assert (run.found, run.changed) == (30, 1)
    assert reread(touched).found < 5


def test_the_page_of_a_record_says_whether_it_counts(customer, source, admin_client):
    customer.fill(9, days=1)
    reread(source)
    remove(customer, 7)
    reread(source)
    listed = "/admin/feedback/qualityfeedback/"
    assert (
        "response-7"
        in admin_client.get(
            f"{listed}{QualityFeedback.objects.gone().get().pk}/change/"
        ).content.decode()
    )
    page = admin_client.get(f"{listed}?counted=gone").content.decode()
    assert "1 quality feedback" in page
    page = admin_client.get("/admin/feedback/says/status/").content.decode()
    assert "1 gone" in page
