"""Rows that come again with other content: counted apart, kept before and after, as asked."""

import json

import pytest
from django.urls import reverse

from feedback.domain.changes import CHANGES_KEPT
from feedback.jobs.collection import collect
from feedback.models import CollectionRun, FeedbackChange, QualityFeedback, RejectedRecord
from feedback.services.refused import retry_rejected
from project.acting import Actor, acting
from tests.factories import make_staff
from tests.feedback.conftest import QUALITY
from tests.feedback.test_commands import run as run_command


def a_file(tmp_path, ratings, name="rows.jsonl"):
    path = tmp_path / name
    path.write_text(
        "".join(
            json.dumps(
                {"id": f"r{n}", "quality_rating": rating, "created_at": "2026-05-01T10:00:00Z"}
            )
            + "\n"
            for n, rating in enumerate(ratings)
        )
    )
    return str(path)


def imported(path, *arguments):
    return run_command("import_feedback", path, "--table", "quality_feedback", "--now", *arguments)


def counts(result):
    return tuple(result[key] for key in ("new", "known", "changed", "rejected"))


def ratings():
    return list(QualityFeedback.objects.order_by("external_id").values_list("csat", flat=True))


def test_a_correction_replaces_the_rating_and_keeps_what_it_said(db, tmp_path):
    imported(a_file(tmp_path, [0.1, 0.2, 0.3]))
    code, result = imported(a_file(tmp_path, [0.1, 0.9, 0.3]))
    assert (code, counts(result)) == (0, (0, 2, 1, 0))
    assert ratings() == [0.1, 0.9, 0.3]
    change = FeedbackChange.objects.get()
    assert (change.external_id, change.action) == ("r1", "replaced")
    assert (change.before, change.after) == ({"quality_rating": 0.2}, {"quality_rating": 0.9})
    assert change.run_id == result["run"]
    assert change.first_run_id < change.run_id
    assert "command line" in change.actor


def test_keep_leaves_what_is_stored_and_notes_each_content_once(db, tmp_path):
    imported(a_file(tmp_path, [0.1, 0.2]))
    for _ in range(3):
        _, result = imported(a_file(tmp_path, [0.1, 0.9]), "--on-change", "keep")
        assert counts(result) == (0, 1, 1, 0)
    imported(a_file(tmp_path, [0.1, 0.7]), "--on-change", "keep")
    assert ratings() == [0.1, 0.2]
    kept = FeedbackChange.objects.order_by("id").values_list("action", "after")
    assert list(kept) == [
        ("kept", {"quality_rating": 0.9}),
        ("kept", {"quality_rating": 0.7}),
    ]


def test_refuse_leaves_what_is_stored_and_lists_what_came(db, tmp_path):
    imported(a_file(tmp_path, [0.1, 0.2]))
    for _ in range(2):
        _, result = imported(a_file(tmp_path, [0.1, 0.9]), "--on-change", "refuse")
        assert counts(result) == (0, 1, 0, 1)
        assert result["reasons"] == {"changed_content": 1}
    assert ratings() == [0.1, 0.2]
    refused = RejectedRecord.objects.open().get()
    assert refused.line_number == 2
    assert refused.payload["quality_rating"] == 0.9
    assert "quality_rating: other than what is stored" in refused.detail
    assert not FeedbackChange.objects.exists()
    # It is refused no longer once the file says again what is stored.
    imported(a_file(tmp_path, [0.1, 0.2]), "--on-change", "refuse")
    assert not RejectedRecord.objects.open().exists()


def test_a_row_that_was_refused_for_its_content_can_be_taken_after_all(db, tmp_path):
    imported(a_file(tmp_path, [0.1, 0.2]))
    imported(a_file(tmp_path, [0.1, 0.9]), "--on-change", "refuse")
    outcome = retry_rejected(list(RejectedRecord.objects.select_related("source")))
    assert (outcome.tried, outcome.landed) == (1, 1)
    assert ratings() == [0.1, 0.9]
    assert not RejectedRecord.objects.open().exists()
    assert FeedbackChange.objects.get().before == {"quality_rating": 0.2}


def collector(*more):
    return Actor.of(make_staff("feedback.collect_feedback", *more, name="collector"))


@pytest.mark.parametrize("may_change", [False, True])
def test_who_may_not_change_feedback_has_changes_refused_with_that_reason(
    customer, source, may_change
):
    customer.fill(10, days=1)
    more = ["feedback.change_qualityfeedback"] if may_change else []
    with acting(collector(*more)):
        assert collect(source)[0].new == 10
        customer.execute(
            f"UPDATE {QUALITY} SET quality_rating = .123 WHERE response_id = 'response-9'"
        )
        run = collect(source)[0]
    if may_change:
        assert (run.changed, run.rejected) == (1, 0)
        assert FeedbackChange.objects.get().actor == "collector"
        return
    assert (run.changed, run.rejected, run.reasons) == (0, 1, {"changed_content": 1})
    assert run.is_reconciled
    detail = RejectedRecord.objects.get().detail
    assert "collector has no right to change it (feedback.change_qualityfeedback)" in detail


def test_collect_feedback_takes_what_is_done_about_changes(customer, source):
    customer.fill(10, days=1)
    run_command("collect_feedback", "--now")
    customer.execute(f"UPDATE {QUALITY} SET quality_rating = .123 WHERE response_id = 'response-9'")
    _, result = run_command("collect_feedback", "--now", "--on-change", "keep")
    assert result["sources"][0]["tables"][0]["changed"] == 1
    assert QualityFeedback.objects.get(response_id="response-9").csat != 0.123


def test_another_mapping_of_the_same_rows_is_no_change(db, tmp_path):
    path = a_file(tmp_path, [0.1, 0.2])
    imported(path)
    _, result = imported(path, "--column", "feedback_text=nothing_such")
    assert result.get("refused") or counts(result) == (0, 2, 0, 0)
    lines = (tmp_path / "rows.jsonl").read_text().replace("quality_rating", "stars")
    (tmp_path / "stars.jsonl").write_text(lines)
    _, result = imported(str(tmp_path / "stars.jsonl"), "--column", "quality_rating=stars")
    assert counts(result) == (0, 2, 0, 0)
    assert not FeedbackChange.objects.exists()


def test_of_a_row_that_changes_for_ever_the_first_and_the_newest_changes_are_kept(db, tmp_path):
    for number in range(CHANGES_KEPT + 10):
        imported(a_file(tmp_path, [number / 100]))
    changes = FeedbackChange.objects.order_by("id")
    assert changes.count() == CHANGES_KEPT
    assert changes[0].before == {"quality_rating": 0.0}
    assert changes.last().after == {"quality_rating": (CHANGES_KEPT + 9) / 100}
    first = CollectionRun.objects.order_by("id").first()
    assert set(changes.values_list("first_run_id", flat=True)) == {first.pk}


@pytest.mark.usefixtures("valkey")
def test_changes_can_be_looked_at_and_not_edited(db, tmp_path, admin_client):
    imported(a_file(tmp_path, [0.1]))
    imported(a_file(tmp_path, [0.9]))
    change = FeedbackChange.objects.get()
    page = admin_client.get(reverse("admin:feedback_feedbackchange_changelist"))
    assert "quality_rating: 0.1 → 0.9" in page.content.decode()
    address = reverse("admin:feedback_feedbackchange_change", args=[change.pk])
    assert "0.1 → 0.9" in admin_client.get(address).content.decode()
    assert admin_client.post(address, {"after": "{}"}).status_code == 403
