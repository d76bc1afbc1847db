"""Collection from a second database over a real connection: every row once, and accounted for."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from feedback.jobs.collection import collect
from feedback.models import (
    ABTestResult,
    CollectionCursor,
    CollectionRun,
    Explanation,
    QualityFeedback,
    RejectedRecord,
    model_of,
)
from feedback.queries.connections import check_connection
from feedback.queries.remote import SourceUnreachable, open_source
from feedback.services.sources import set_password
from project.refusal import Refusal
from tests.feedback.conftest import (
    AB_TESTING,
    EXPLANATIONS,
    QUALITY,
    READER,
    READER_PASSWORD,
    make_source,
)
from tests.feedback.test_commands import run as run_command
from tests.training.batches import claimed_run


def counts(run):
    return (run.found, run.new, run.known, run.changed, run.rejected)


def test_first_collection_is_complete_and_reconciled(customer, source):
    customer.fill(100)
    runs = collect(source)
    assert [counts(run) for run in runs] == [(100, 100, 0, 0, 0)] * 3
    assert all(run.state == "complete" and run.is_reconciled for run in runs)
    assert QualityFeedback.objects.count() == 100
    assert Explanation.objects.count() == 100
    assert ABTestResult.objects.count() == 100


def test_second_collection_adds_nothing(customer, source):
    customer.fill(100)
    collect(source)
    runs = collect(source)
    assert [run.new + run.changed + run.rejected for run in runs] == [0, 0, 0]
    assert all(run.known == run.found == run.source_count for run in runs)


def test_rows_are_kept_as_they_came_with_their_training_form(customer, source):
    customer.execute(
        f"INSERT INTO {EXPLANATIONS} VALUES (gen_random_uuid(), 0.625, 'p', 'm', 'a', 's', "
        "'2026-05-04 10:11:12.345678+02', "
        """'{"codeQuality": 81.5, "complexity": 0, "responseTime": 950, "other": [1]}')"""
    )
    customer.execute(
        f"INSERT INTO {AB_TESTING} VALUES (7, 'e', 'B', 'r', 0.4, 0.7, 'p', 'm', '2026-05-04Z')"
    )
    collect(source)
    row = Explanation.objects.get()
    assert row.quality_score == 0.625
    assert row.quality == 62.5
    assert row.created_at == datetime(2026, 5, 4, 8, 11, 12, 345678, tzinfo=UTC)
    assert (row.code_quality, row.complexity, row.response_time_ms) == (81.5, 0.0, 950.0)
    assert row.metadata["other"] == [1]
    result = ABTestResult.objects.get()
    assert (result.external_id, result.actual, result.prediction) == ("7", 0.4, 0.7)


def test_a_missing_metric_stays_missing_and_is_counted(customer, source):
    customer.execute(
        f"INSERT INTO {EXPLANATIONS} VALUES (gen_random_uuid(), 0.5, 'p', 'm', 'a', 's', now(), "
        """'{"security": 40}'), (gen_random_uuid(), 0.5, NULL, 'm', 'a', 's', now(), NULL)"""
    )
    run = collect(source, tables=["explanations"])[0]
    assert set(Explanation.objects.values_list("code_quality", "security")) == {
        (None, 40.0),
        (None, None),
    }
    assert run.missing["code_quality"] == 2
    assert run.missing["security"] == 1
    assert run.missing["provider"] == 1


def test_late_rows_inside_the_overlap_are_found(customer, source):
    customer.fill(100)
    collect(source)
    customer.execute(
        f"INSERT INTO {QUALITY} SELECT gen_random_uuid(), 'late', .5, '', 'p', 'm', 'a', 's', 'u', "
        "now() - interval '23 hours' * n / 50 FROM generate_series(1, 50) n"
    )
    run = collect(source, tables=["quality_feedback"])[0]
    assert run.new == 50
    assert QualityFeedback.objects.count() == 150


def test_a_late_row_before_the_overlap_is_found_by_a_window(customer, source):
    customer.fill(20)
    collect(source)
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) "
        "VALUES (gen_random_uuid(), .5, now() - interval '9 days')"
    )
    assert collect(source)[0].new == 0
    window = {"since": datetime.now(UTC) - timedelta(days=10)}
    assert collect(source, **window)[0].new == 1
    assert collect(source)[0].new == 0


def test_a_changed_row_is_updated_and_counted_as_changed(customer, source):
    customer.fill(10, days=1)
    collect(source)
    customer.execute(f"UPDATE {QUALITY} SET quality_rating = .123 WHERE response_id = 'response-9'")
    run = collect(source)[0]
    assert (run.new, run.changed, run.known) == (0, 1, 9)
    assert QualityFeedback.objects.get(response_id="response-9").csat == 0.123


def test_the_limit_is_what_a_run_goes_forward(customer, source):
    customer.fill(100, days=1)  # all inside the overlap, which each run reads again
    found = []
    for _ in range(4):
        run = collect(source, limit=30, tables=["quality_feedback"])[0]
        assert run.is_reconciled
        found.append((run.new, run.remaining))
    assert found == [(30, 70), (30, 40), (30, 10), (10, 0)]


def test_a_limit_goes_on_inside_a_window(customer, source):
    customer.fill(100)
    window = {"since": datetime.now(UTC) - timedelta(days=30), "limit": 60}
    assert [collect(source, **window)[0].new for _ in range(2)] == [60, 40]


def test_rows_of_one_instant_without_id_are_not_cut_apart(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} DROP COLUMN id")
    customer.execute(
        f"INSERT INTO {QUALITY} (response_id, quality_rating, created_at) "
        "SELECT 'r' || n, .5, '2026-03-01Z' FROM generate_series(1, 40) n"
    )
    run = collect(source, limit=10, tables=["quality_feedback"])[0]
    assert (run.new, run.remaining) == (40, 0)
    assert run.is_reconciled


def test_rows_without_id_and_response_are_known_by_their_content(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} DROP COLUMN id")
    customer.execute(
        f"INSERT INTO {QUALITY} (feedback_text, quality_rating, created_at) "
        "VALUES ('a', .5, '2026-03-01Z'), ('b', .5, '2026-03-01Z')"
    )
    assert collect(source)[0].new == 2
    assert collect(source)[0].known == 2


def test_an_identity_that_is_used_twice_does_not_replace_its_row(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} DROP CONSTRAINT {QUALITY}_pkey")
    insert = (
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) VALUES "
        "('00000000-0000-0000-0000-000000000001', %s, %s)"
    )
    customer.execute(insert, [0.1, datetime.now(UTC) - timedelta(hours=2)])
    collect(source)
    customer.execute(insert, [0.9, datetime.now(UTC) - timedelta(hours=1)])
    for _ in range(2):
        run = collect(source)[0]
        assert (run.known, run.changed, run.rejected) == (1, 0, 1)
    assert QualityFeedback.objects.get().csat == 0.1
    assert RejectedRecord.objects.get().reason == "duplicate"


def test_rows_dated_ahead_do_not_hide_later_rows(customer, source):
    insert = (
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) VALUES (gen_random_uuid(), .5, "
    )
    customer.execute(f"{insert} now() + interval '5 minutes')")  # clocks differ: it lands
    customer.execute(f"{insert} now() + interval '3 days')")
    customer.execute(f"{insert} 'infinity')")
    source.overlap_hours = 0
    source.save()
    run = collect(source)[0]
    assert (run.new, run.rejected) == (1, 2)
    assert CollectionCursor.objects.get(table="quality_feedback").position_at <= datetime.now(UTC)
    customer.execute(f"{insert} now())")
    assert collect(source)[0].new == 1


def test_a_table_that_is_missing_says_so_and_the_others_go_on(customer, source):
    customer.fill(10)
    customer.execute(f"DROP TABLE {EXPLANATIONS}")
    runs = {run.table: run for run in collect(source)}
    assert runs["explanations"].state == "failed"
    assert EXPLANATIONS in runs["explanations"].error
    assert "grant SELECT" in runs["explanations"].error
    assert runs["quality_feedback"].new == runs["ab_testing"].new == 10


def test_a_missing_required_column_names_itself_and_what_to_do(customer, source):
    customer.fill(10)
    customer.execute(f"ALTER TABLE {AB_TESTING} RENAME user_rating TO marks")
    runs = {run.table: run for run in collect(source)}
    assert "no column 'user_rating'" in runs["ab_testing"].error
    assert '"columns": {"user_rating"' in runs["ab_testing"].error
    source.mapping = {"ab_testing": {"columns": {"user_rating": "marks"}}}
    source.save()
    assert collect(source)[2].new == 10


def test_tables_and_columns_can_be_remapped_and_left_out(customer, source):
    customer.fill(5)
    customer.execute(f'ALTER TABLE {QUALITY} RENAME TO "Odd ""name"')
    customer.execute("""ALTER TABLE "Odd ""name" RENAME provider TO "a %s; b" """)
    source.mapping = {
        "quality_feedback": {"table": 'Odd "name', "columns": {"provider": "a %s; b"}},
        "explanations": {"table": ""},
    }
    source.save()
    runs = collect(source)
    assert [run.table for run in runs] == ["quality_feedback", "ab_testing"]
    assert QualityFeedback.objects.filter(provider="provider-1").exists()


def test_other_columns_are_kept_as_extra(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} ADD app_version text DEFAULT '1.2', ADD tags int[]")
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at, tags) "
        "VALUES (gen_random_uuid(), .5, now(), '{1,2}')"
    )
    collect(source)
    assert QualityFeedback.objects.get().extra == {"app_version": "1.2", "tags": [1, 2]}


def test_a_source_that_is_down_fails_alone_and_waits_longer_each_time(customer, source, settings):
    customer.fill(5)
    before = datetime.now(UTC)
    down = make_source(settings, name="down", database="nowhere")
    for failures in (1, 2):
        runs = collect(down)
        assert [run.state for run in runs] == ["failed"]  # its other tables are not tried
        assert "nowhere" in runs[0].error
        down.refresh_from_db()
        assert down.failures == failures
    assert down.retry_after > before + timedelta(minutes=9)
    assert down not in type(down).objects.due()
    assert [run.new for run in collect(source)] == [5, 5, 5]
    down.database = source.database
    set_password(down, READER_PASSWORD).save()
    assert [run.new for run in collect(down)] == [5, 5, 5]
    down.refresh_from_db()
    assert (down.failures, down.retry_after) == (0, None)


def test_a_read_only_transaction_is_all_that_the_source_sees(customer, source):
    with open_source(source) as remote:
        state = remote._connection.execute(
            "SELECT current_setting('transaction_read_only'), "
            "current_setting('transaction_isolation'), current_setting('statement_timeout'), "
            "current_setting('lock_timeout')"
        ).fetchone()
        assert state == ("on", "repeatable read", "2min", "5s")
    with pytest.raises(SourceUnreachable, match="only read"), open_source(source) as remote:
        remote._connection.execute("CREATE TABLE public.mine (n int)")


def test_a_row_too_long_to_send_is_refused_unread(customer, source):
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, feedback_text, created_at) VALUES "
        "(gen_random_uuid(), .5, repeat('x', 20000000), now()), (gen_random_uuid(), .5, 'y', now())"
    )
    run = collect(source)[0]
    assert (run.new, run.rejected) == (1, 1)
    rejected = RejectedRecord.objects.get()
    assert rejected.reason == "oversized_row"
    assert "65,536 bytes" in rejected.detail


def test_a_table_whose_times_are_text_is_read_whole(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} ALTER created_at TYPE text")
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) VALUES "
        "(gen_random_uuid(), .5, '2026-05-01T00:00:00Z'), (gen_random_uuid(), .5, 'soon')"
    )
    for new in (1, 0):
        run = collect(source, limit=1)[0]
        assert (run.found, run.new, run.rejected) == (2, new, 1)
        assert run.is_reconciled
        assert "read each time" in run.notes[0]


def test_times_without_a_zone_land_once_the_source_says_which(customer, source):
    customer.execute(f"ALTER TABLE {QUALITY} ALTER created_at TYPE timestamp")
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) VALUES "
        "(gen_random_uuid(), .5, '2026-07-01 12:00:00')"
    )
    assert collect(source)[0].reasons == {"time_without_zone": 1}
    source.naive_timezone = "Europe/Berlin"
    source.save()
    assert collect(source, since=datetime(2026, 6, 1, tzinfo=UTC))[0].new == 1
    assert QualityFeedback.objects.get().created_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert RejectedRecord.objects.open().count() == 0


def test_only_databases_are_collected_from_and_windows_have_a_length(source):
    now = datetime.now(UTC)
    with pytest.raises(Refusal, match="empty"):
        collect(source, since=now, until=now)
    source.kind = "file"
    with pytest.raises(Refusal, match="kind file"):
        collect(source)


@pytest.mark.parametrize(("hides_from_count", "came", "counted"), [(False, 19, 20), (True, 20, 19)])
def test_a_run_that_does_not_agree_with_the_count_of_its_source_fails(
    customer, source, hides_from_count, came, counted
):
    customer.fill(20)
    # A view that answers the count and the reading differently, though in one snapshot.
    customer.execute(f"ALTER TABLE {QUALITY} RENAME TO everything")
    customer.execute(
        f"CREATE VIEW {QUALITY} AS SELECT * FROM everything WHERE response_id <> 'response-20' "
        f"OR (current_query() LIKE '%count(*)%') <> {hides_from_count}"
    )
    customer.execute(f"GRANT SELECT ON {QUALITY} TO {READER}")
    code, result = run_command("collect_feedback", "--now")
    assert (code, result["failed"]) == (1, ["customer"])
    runs = {run.table: run for run in CollectionRun.objects.all()}
    unreconciled = runs.pop("quality_feedback")
    assert (unreconciled.state, unreconciled.is_reconciled) == ("failed", False)
    assert f"{came} rows came, but the source counts {counted}" in unreconciled.error
    assert (unreconciled.new, QualityFeedback.objects.count()) == (came, came)
    assert all(run.state == "complete" and run.is_reconciled for run in runs.values())
    source.refresh_from_db()
    assert source.failures == 1

    customer.execute(f"CREATE OR REPLACE VIEW {QUALITY} AS SELECT * FROM everything")
    again = collect(source)[0]
    assert (again.state, again.is_reconciled) == ("complete", True)
    assert QualityFeedback.objects.count() == 20


def test_the_connection_test_says_what_it_found(customer, source):
    customer.execute(f"DROP TABLE {EXPLANATIONS}")
    found = check_connection(source)
    assert not found.passed
    refused = [check["name"] for check in found.checks if check["verdict"] != "pass"]
    assert refused == [EXPLANATIONS]


def test_every_row_of_a_run_is_accounted_for_in_the_database(source):
    with pytest.raises(IntegrityError), transaction.atomic():
        CollectionRun.objects.create(source=source, found=2, new=1)


def test_text_arrives_whole_whatever_encoding_the_role_prefers(customer, source):
    customer.fill(3)
    customer.execute("UPDATE ai_gm_quality_feedback SET feedback_text = 'schön'")
    customer.execute(f"ALTER ROLE {READER} SET client_encoding = 'LATIN1'")
    try:
        assert collect(source)[0].new == 3
    finally:
        customer.execute(f"ALTER ROLE {READER} RESET client_encoding")
    assert set(QualityFeedback.objects.values_list("feedback_text", flat=True)) == {"schön"}


# --- How far a table has been read ----------------------------------------------------------------

MADE_OF = {
    "quality_feedback": f"INSERT INTO {QUALITY} (id, quality_rating, created_at) "
    "VALUES (md5(%(key)s)::uuid, .5, %(at)s)",
    "explanations": f"INSERT INTO {EXPLANATIONS} (id, quality_score, created_at) "
    "VALUES (md5(%(key)s)::uuid, .5, %(at)s)",
    "ab_testing": f"INSERT INTO {AB_TESTING} "
    "(id, experiment_name, variant, user_rating, created_at) VALUES "
    "(('x' || left(md5(%(key)s), 8))::bit(32)::int, 'e', 'A', .5, %(at)s)",
}
TABLES = pytest.mark.parametrize("table", MADE_OF)


def leave(customer, table, *days_ago):
    """Let somebody leave feedback, so and so many days ago."""
    for days in days_ago:
        at = datetime.now(UTC) - timedelta(days=days)
        customer.execute(MADE_OF[table], {"key": f"{table} {days}", "at": at})


def ago(days):
    return datetime.now(UTC) - timedelta(days=days)


def position(table):
    cursor = CollectionCursor.objects.get(table=table)
    return cursor.position_at, cursor.position_id


def stored(table):
    return model_of(table).objects.count()


@TABLES
@pytest.mark.parametrize("limit", [None, 1], ids=["whole", "limited"])
def test_a_window_of_the_past_does_not_take_the_cursor_back(customer, source, table, limit):
    leave(customer, table, 9, 6, 3)
    collect(source, tables=[table])
    before = position(table)
    leave(customer, table, 8)
    run = collect(source, tables=[table], since=ago(10), until=ago(5), limit=limit)[0]
    assert run.state == "complete"
    assert position(table) == before
    assert collect(source, tables=[table], since=ago(10), until=ago(7))[0].new == (
        0 if limit is None else 1
    )
    assert position(table) == before
    leave(customer, table, 1)
    assert collect(source, tables=[table])[0].new == 1
    assert position(table) > before
    assert stored(table) == 5


@TABLES
def test_a_reading_of_the_overlap_that_breaks_off_leaves_the_cursor_where_it_was(
    customer, source, table, monkeypatch
):
    customer.fill(9_000, days=1)  # two chunks, all of them inside the overlap
    collect(source, tables=[table])
    before = position(table)

    def break_off(*_):
        raise KeyboardInterrupt

    run = claimed_run("feedback.collect_feedback", sources=[source.name])
    monkeypatch.setattr(run, "report", break_off)
    with pytest.raises(KeyboardInterrupt):
        collect(source, tables=[table], run=run)
    assert position(table) == before


@TABLES
def test_a_table_that_is_read_without_its_newest_rows_keeps_its_cursor(customer, source, table):
    leave(customer, table, 9, 6, 3)
    collect(source, tables=[table])
    before = position(table)
    name = {"quality_feedback": QUALITY, "explanations": EXPLANATIONS, "ab_testing": AB_TESTING}
    customer.execute(f"DELETE FROM {name[table]} WHERE created_at > now() - interval '5 days'")
    source.overlap_hours = 24.0 * 30
    source.save()
    collect(source, tables=[table])
    assert position(table) == before


@TABLES
@pytest.mark.parametrize("limit", [None, 10], ids=["whole", "limited"])
@pytest.mark.parametrize("until", [None, 2], ids=["to now", "to an end"])
def test_the_gap_before_a_window_beyond_the_cursor_is_read_by_the_next_run(
    customer, source, table, limit, until
):
    leave(customer, table, 20)
    collect(source, tables=[table])
    leave(customer, table, 12, 11, 3)
    window = {"since": ago(5), "until": None if until is None else ago(until)}
    assert collect(source, tables=[table], limit=limit, **window)[0].new == 1
    assert collect(source, tables=[table])[0].new == 2
    assert stored(table) == 4


@TABLES
def test_a_gap_smaller_than_the_overlap_is_read_too(customer, source, table):
    leave(customer, table, 20)
    collect(source, tables=[table])
    leave(customer, table, 19.8, 19.6, 3)
    assert collect(source, tables=[table], since=ago(19.5))[0].new == 1
    assert collect(source, tables=[table])[0].new == 2


@TABLES
def test_a_window_that_begins_where_the_last_reading_ended_leaves_no_gap(customer, source, table):
    leave(customer, table, 20)
    collect(source, tables=[table])
    leave(customer, table, 12, 3)
    collect(source, tables=[table], since=position(table)[0])
    assert position(table)[0] > ago(4)
    assert collect(source, tables=[table])[0].found == 1  # nothing but the overlap of its own
    assert stored(table) == 3


@TABLES
def test_where_reading_began_goes_back_only_when_no_gap_is_left_behind(customer, source, table):
    leave(customer, table, 30, 20, 10, 3)

    def began():
        return CollectionCursor.objects.get(table=table).starts_at

    first = ago(5)
    collect(source, tables=[table], since=first)
    assert (began(), stored(table)) == (first, 1)
    collect(source, tables=[table], since=ago(25), until=ago(15))  # ten days are missing
    assert (began(), stored(table)) == (first, 2)
    collect(source, tables=[table], since=ago(4))
    assert began() == first
    earlier = ago(15)
    collect(source, tables=[table], since=earlier, until=first)
    assert (began(), stored(table)) == (earlier, 3)
    earliest = ago(40)
    collect(source, tables=[table], since=earliest)
    assert (began(), stored(table)) == (earliest, 4)
