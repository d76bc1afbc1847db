"""Rows that a source keeps from its user: said at the test of the connection and by every run."""

import pytest

from feedback.jobs.collection import collect
from feedback.models import CollectionRun, FeedbackSource, QualityFeedback
from feedback.queries.connections import check_connection
from feedback.queries.reports import csat_report
from feedback.queries.sources import choose_scope
from feedback.queries.status import feedback_status
from tests.feedback.conftest import QUALITY, READER
from tests.feedback.test_commands import run as run_command

SECURED = f"ALTER TABLE {QUALITY} ENABLE ROW LEVEL SECURITY"
SOME = f"CREATE POLICY mine ON {QUALITY} FOR SELECT TO {READER} USING (provider = 'provider-1')"
ALL = f"CREATE POLICY everything ON {QUALITY} FOR SELECT USING (true)"


def collected(source):
    return collect(source, tables=["quality_feedback"])[0]


def whole(source):
    """Return what the test of the connection says about the rows of the ratings."""
    tested = check_connection(source)
    assert tested.passed
    return next(check for check in tested.checks if check["name"] == f"all rows of {QUALITY}")


@pytest.mark.parametrize(
    ("policies", "seen", "said"),
    [((), 0, "no policy lets"), ((SOME,), 20, "policies choose which rows")],
    ids=["no policy", "a policy"],
)
def test_a_run_that_sees_only_some_rows_is_not_called_complete(
    customer, source, policies, seen, said
):
    customer.fill(60)
    for statement in (SECURED, *policies):
        customer.execute(statement)
    run = collected(source)
    assert (run.state, run.is_reconciled, run.found) == ("incomplete", False, seen)
    assert said in run.hidden_by
    assert READER in run.hidden_by
    assert not CollectionRun.objects.complete().exists()
    check = whole(source)
    assert check["verdict"] == "warn"
    assert said in check["remedy"]
    assert "BYPASSRLS" in check["remedy"]


def test_a_policy_that_shows_every_row_hides_none(customer, source):
    customer.fill(60)
    customer.execute(SECURED)
    customer.execute(ALL)
    run = collected(source)
    assert (run.state, run.is_reconciled, run.found) == ("complete", True, 60)
    assert whole(source)["verdict"] == "pass"


def test_a_restrictive_policy_beside_one_that_shows_all_hides_rows(customer, source):
    customer.fill(60)
    customer.execute(SECURED)
    customer.execute(ALL)
    customer.execute(
        f"CREATE POLICY less ON {QUALITY} AS RESTRICTIVE FOR SELECT USING (provider <> 'x')"
    )
    assert collected(source).state == "incomplete"


def test_a_user_who_bypasses_row_security_sees_all(customer, source):
    customer.fill(60)
    customer.execute(SECURED)
    customer.execute(f"ALTER ROLE {READER} BYPASSRLS")
    try:
        run = collected(source)
    finally:
        customer.execute(f"ALTER ROLE {READER} NOBYPASSRLS")
    assert (run.state, run.found) == ("complete", 60)


@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("inner", [True, False])
def test_row_security_below_a_view_is_that_of_the_user_it_reads_as(customer, source, inner, outer):
    customer.fill(60)
    customer.execute(SECURED)
    rights = {True: "WITH (security_invoker = on)", False: ""}
    customer.execute(f"CREATE VIEW below {rights[inner]} AS SELECT * FROM {QUALITY}")
    customer.execute(f"CREATE VIEW shown {rights[outer]} AS SELECT * FROM below")
    customer.execute(f"GRANT SELECT ON shown, below TO {READER}")
    source.mapping = {"quality_feedback": {"table": "shown"}}
    run = collected(source)
    # The owner of the views is the superuser of these tests, whom no policy holds.
    assert (run.state, run.found) == (("incomplete", 0) if inner else ("complete", 60))
    if inner:
        assert f"public.{QUALITY}, which public.shown reads as {READER}," in run.hidden_by


def test_an_owner_is_held_where_the_policies_are_forced(customer, source):
    customer.fill(60)
    customer.execute(f"ALTER TABLE {QUALITY} OWNER TO {READER}")
    customer.execute(SECURED)
    assert collected(source).state == "complete"
    customer.execute(f"ALTER TABLE {QUALITY} FORCE ROW LEVEL SECURITY")
    assert collected(source).state == "incomplete"


def test_collect_feedback_ends_with_2_and_says_what_hides_rows(customer, source):
    customer.fill(20)
    customer.execute(SECURED)
    code, result = run_command("collect_feedback", "--now")
    assert (code, result["incomplete"]) == (2, ["customer"])
    ratings = result["sources"][0]["tables"][0]
    assert (ratings["state"], ratings["reconciled"]) == ("incomplete", False)
    assert "Row security is on" in ratings["hidden_by"]


def test_reports_and_status_say_that_rows_are_hidden_until_they_are_not(customer, source):
    customer.fill(60)
    customer.execute(SECURED)
    customer.execute(SOME)
    collect(source)
    (said,) = csat_report(choose_scope())["scope"]["caveats"]
    assert "customer, Quality feedback: not all rows are here" in said
    assert feedback_status()["caveats"] == [said]
    customer.execute(f"ALTER TABLE {QUALITY} DISABLE ROW LEVEL SECURITY")
    collect(FeedbackSource.objects.get())
    assert csat_report(choose_scope())["scope"]["caveats"] == []


def test_an_estimate_far_above_the_count_is_a_warning_and_no_verdict(customer, source):
    customer.fill(1_000)
    customer.execute(f"ANALYZE {QUALITY}")
    customer.execute(f"DELETE FROM {QUALITY} WHERE quality_rating > .25")
    run = collected(source)
    assert (run.state, run.estimate) == ("complete", 1_000)
    seen = QualityFeedback.objects.count()
    assert f"estimates 1,000 rows, and this user sees {seen}" in run.notes[0]
    assert whole(source)["verdict"] == "warn"
    customer.execute(f"ANALYZE {QUALITY}")
    assert collected(source).notes == []
    assert whole(source)["verdict"] == "pass"


def test_the_estimate_of_parts_is_added_up(customer, source):
    customer.execute(
        f"ALTER TABLE {QUALITY} RENAME TO old; "
        f"CREATE TABLE {QUALITY} (LIKE old) PARTITION BY RANGE (created_at); "
        f"CREATE TABLE part_1 PARTITION OF {QUALITY} DEFAULT; "
        f"GRANT SELECT ON {QUALITY} TO {READER}"
    )
    customer.fill(500)
    customer.execute("ANALYZE part_1")
    run = collected(source)
    assert (run.found, run.estimate, run.notes) == (500, 500, [])
