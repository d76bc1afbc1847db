"""Each kind of bad row is refused with its reason, and the good ones land: one table of rows.

The same table is `docs/examples/feedback-rows.jsonl`, for the command
`manage.py import_feedback docs/examples/feedback-rows.jsonl --table quality_feedback
--mapping as-is`: values of other kinds would be proposed to be read as something else.
"""

import json
from pathlib import Path

import pytest
from django.conf import settings

from feedback.jobs.collection import collect
from feedback.models import CollectionRun, QualityFeedback, RejectedRecord
from tests.feedback.conftest import QUALITY
from tests.feedback.test_commands import run

EXAMPLES = Path(settings.BASE_DIR) / "docs/examples/feedback-rows.jsonl"
COMMAND = ("import_feedback", str(EXAMPLES), "--table", "quality_feedback", "--now")
AS_IS = ("--mapping", "as-is")


def _expected():
    reasons = {}
    for number, line in enumerate(EXAMPLES.read_text().splitlines(), start=1):
        try:
            row = json.loads(line)
            reasons[number] = row["expected"]
        except (ValueError, TypeError):
            reasons[number] = "unreadable"
    return reasons


EXPECTED = _expected() | {5: "target_missing"}  # a file writes NaN where it has no number
GOOD = {number for number, reason in EXPECTED.items() if reason == "good"}


def test_the_example_file_holds_every_reason():
    assert len(GOOD) == 4
    assert len(set(EXPECTED.values())) == 16


def test_each_bad_line_of_the_file_is_refused_with_its_reason(db):
    code, result = run(*COMMAND, *AS_IS)
    assert code == 0
    refused = {one["line"]: one["reason"] for one in result["errors"]}
    assert refused == {line: why for line, why in EXPECTED.items() if why != "good"}
    assert result["new"] == len(GOOD) == QualityFeedback.objects.count()
    assert result["rejected"] == RejectedRecord.objects.count() == len(EXPECTED) - len(GOOD)


def test_the_file_as_it_is_waits_for_a_person(db):
    code, result = run(*COMMAND)
    assert code == 2
    assert "times without a zone" in result["refused"]["message"]
    assert not CollectionRun.objects.exists()
    assert not RejectedRecord.objects.exists()


def test_the_same_file_twice_adds_nothing(db):
    run(*COMMAND, *AS_IS)
    _, result = run(*COMMAND, *AS_IS)
    assert (result["new"], result["changed"], result["known"]) == (0, 0, len(GOOD))
    assert RejectedRecord.objects.count() == len(EXPECTED) - len(GOOD)


def test_a_dry_run_says_the_same_and_writes_nothing(db):
    code, result = run(*COMMAND, *AS_IS, "--dry-run")
    assert code == 0
    assert {one["line"]: one["reason"] for one in result["errors"]} == {
        line: why for line, why in EXPECTED.items() if why != "good"
    }
    assert result["accepted"] == len(GOOD)
    assert not QualityFeedback.objects.exists()
    assert not RejectedRecord.objects.exists()


def test_the_same_rows_in_a_database_are_refused_for_the_same_reasons(customer, source):
    customer.execute(f"DROP TABLE {QUALITY}")
    customer.execute(
        f"CREATE TABLE {QUALITY} (id text, response_id text, quality_rating text, "
        "feedback_text text, provider text, model text, action_type text, session_id text, "
        "user_id text, created_at text, expected text)"
    )
    customer.execute(f"GRANT SELECT ON {QUALITY} TO PUBLIC")
    expected = {}
    for line in EXAMPLES.read_text().splitlines():
        try:
            row = json.loads(line.replace("NaN,", '"NaN",'))
        except ValueError:
            continue
        # PostgreSQL keeps neither NUL nor a list in a text, and writes a boolean as a word.
        if isinstance(row, list) or row["expected"] in ("nul_character", "unreadable"):
            continue
        if isinstance(row["provider"], list):
            continue
        if row["id"] == "row-01" and row["expected"] == "duplicate":
            row["created_at"] = "2026-05-01T13:00:00Z"  # after the one it repeats
        else:
            expected[row["id"]] = row["expected"]
        columns = ", ".join(row)
        customer.execute(
            f"INSERT INTO {QUALITY} ({columns}) VALUES ({', '.join(['%s'] * len(row))})",
            [None if value is None else str(value) for value in row.values()],
        )
    result = collect(source)[0]
    assert result.is_reconciled
    found = dict(RejectedRecord.objects.values_list("external_id", "reason"))
    assert found.pop("row-01") == "duplicate"
    assert found == {row: why for row, why in expected.items() if why != "good"}
    assert result.new == sum(why == "good" for why in expected.values())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("NULL", "time_missing"),
        ("'infinity'", "time_in_future"),
        ("'-infinity'", "time_too_early"),
        ("'10000-01-01Z'", "time_in_future"),
        ("'4713-01-01Z BC'", "time_too_early"),
        ("'epoch'", "time_too_early"),
    ],
)
def test_impossible_times_of_a_database_are_refused_and_not_lost(customer, source, value, reason):
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) "
        f"VALUES (gen_random_uuid(), .5, {value}), (gen_random_uuid(), 'nan', now())"
    )
    run_ = collect(source)[0]
    assert run_.is_reconciled
    reasons = set(RejectedRecord.objects.values_list("reason", flat=True))
    names = {"time_in_future": {"time_infinite", "time_out_of_range", "time_in_future"}}
    assert reasons - {"not_a_number"} <= names.get(reason, {reason, "time_infinite"})
    assert "not_a_number" in reasons
    assert run_.rejected == 2
