"""What else can be read like a table, and times that are numbers."""

from datetime import UTC, datetime

import pytest

from feedback.jobs.collection import collect
from feedback.models import CollectionCursor, FeedbackSource, QualityFeedback, RejectedRecord
from feedback.queries.connections import check_connection
from tests.feedback.conftest import QUALITY, READER

RATINGS = "quality_feedback"
AS = {
    "a view": "CREATE VIEW other AS SELECT * FROM {table}",
    "a materialized view": "CREATE MATERIALIZED VIEW other AS SELECT * FROM {table}",
    "a partitioned table": "CREATE TABLE other (LIKE {table}) PARTITION BY HASH (id); "
    "CREATE TABLE part_0 PARTITION OF other FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
    "CREATE TABLE part_1 PARTITION OF other FOR VALUES WITH (MODULUS 2, REMAINDER 1); "
    "INSERT INTO other SELECT * FROM {table}",
}


def reread(source, **asked):
    source = FeedbackSource.objects.get(pk=source.pk)
    return collect(source, tables=[RATINGS], **asked)[0]


def checked(source):
    return {check["name"]: check for check in check_connection(source).checks}


@pytest.mark.parametrize("kind", AS)
def test_what_is_no_plain_table_is_read_like_one(customer, source, kind):
    customer.fill(50)
    customer.execute(AS[kind].format(table=QUALITY))
    customer.execute(f"GRANT SELECT ON other TO {READER}")
    source.mapping = {RATINGS: {"table": "other"}}
    source.save()
    run = reread(source)
    assert (run.state, run.found, run.new) == ("complete", 50, 50)
    assert checked(source)["other"]["value"].endswith(kind)


def test_a_foreign_table_is_named_as_one(customer, source):
    customer.execute(
        "DROP FOREIGN DATA WRAPPER IF EXISTS nowhere CASCADE; CREATE FOREIGN DATA WRAPPER nowhere; "
        "CREATE SERVER nobody FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE far "
        "(id uuid, quality_rating float8, created_at timestamptz) SERVER nobody; "
        f"GRANT SELECT ON far TO {READER}"
    )
    source.mapping = {RATINGS: {"table": "far"}}
    assert checked(source)["far"]["value"].endswith("a foreign table")
    run = collect(source, tables=[RATINGS])[0]  # it has columns, and nobody who answers for it
    assert run.state == "failed"
    customer.execute("DROP FOREIGN DATA WRAPPER nowhere CASCADE")


def test_an_index_or_a_sequence_is_no_table(customer, source):
    customer.execute("CREATE SEQUENCE other")
    source.mapping = {RATINGS: {"table": "other"}}
    assert "There is no table public.other" in checked(source)["other"]["remedy"]


def test_a_domain_over_a_time_is_a_time(customer, source):
    customer.fill(20, days=1)
    customer.execute(
        "CREATE DOMAIN stamp AS timestamptz; "
        f"ALTER TABLE {QUALITY} ALTER created_at TYPE stamp USING created_at"
    )
    run = reread(source)
    assert (run.new, run.notes) == (20, [])
    assert CollectionCursor.objects.get(table=RATINGS).position_at is not None


# --- Times that are numbers -----------------------------------------------------------------------

MOMENT = datetime(2026, 5, 4, 8, 11, 12, 345_678, tzinfo=UTC)
EPOCH = "extract(epoch FROM created_at)"
UNITS = {
    "s": ("double precision", f"{EPOCH}::float8"),
    "ms": ("numeric", f"({EPOCH} * 1000)"),
    "us": ("bigint", f"({EPOCH} * 1000000)::bigint"),
    "ns": ("bigint", f"({EPOCH} * 1000000)::bigint * 1000"),
}


def count_times(customer, source, unit, type_=None):
    kind, expression = UNITS[unit]
    cast = f"({expression})::text" if type_ == "text" else expression
    customer.execute(f"ALTER TABLE {QUALITY} ALTER created_at TYPE {type_ or kind} USING {cast}")
    source.time_unit = unit
    source.full_clean()
    source.save()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("type_", [None, "text"])
def test_a_number_with_a_unit_is_a_time_to_the_microsecond(customer, source, unit, type_):
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) "
        f"VALUES (gen_random_uuid(), .5, '{MOMENT.isoformat()}')"
    )
    count_times(customer, source, unit, type_)
    run = reread(source)
    assert (run.new, run.rejected, run.notes) == (1, 0, [])
    assert QualityFeedback.objects.get().created_at == MOMENT


@pytest.mark.parametrize("type_", [None, "text"])
def test_windows_limits_and_the_cursor_hold_for_numbers(customer, source, type_):
    customer.fill(100, days=20)
    count_times(customer, source, "us", type_)
    assert [reread(source, limit=60).new for _ in range(2)] == [60, 40]
    run = reread(source)
    assert (run.new, run.known) == (0, 6)  # the overlap alone
    customer.execute(f"DELETE FROM {QUALITY} WHERE response_id = 'response-99'")
    assert reread(source).gone == 1


def test_numbers_without_a_unit_are_a_fault_of_the_column(customer, source):
    customer.fill(20)
    count_times(customer, source, "us")
    source.time_unit = ""
    source.save()
    run = reread(source)
    assert (run.state, run.found) == ("failed", 0)
    assert "created_at is of type bigint" in run.error
    assert "unit of times" in run.error
    assert not RejectedRecord.objects.exists()
    assert checked(source)[QUALITY]["verdict"] == "refuse"


def test_a_number_that_is_no_time_is_refused_and_the_others_land(customer, source):
    customer.fill(20)
    count_times(customer, source, "us", "text")
    for wrong in ("9" * 19, "soon", "", "-5"):
        customer.execute(
            f"INSERT INTO {QUALITY} (id, quality_rating, created_at) "
            f"VALUES (gen_random_uuid(), .5, '{wrong}')"
        )
    run = reread(source)
    assert (run.state, run.new, run.rejected) == ("complete", 20, 4)
    assert sorted(run.reasons) == ["time_missing", "time_too_early", "time_unreadable"]
