"""Refused rows are mended: corrected together, or downloaded, mended and imported again."""

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from feedback.admin import rejected
from feedback.models import QualityFeedback, RejectedRecord
from tests.feedback.test_imports import import_text

LIST = "admin:feedback_rejectedrecord_changelist"
HEAD = "id,quality_rating,comment,created_at\n"


@pytest.fixture
def refused(tmp_path, db):
    """Hold three refused rows among forty, one of them beginning with a minus."""
    rows = [f"g{n},0.5,ok,2026-05-01T10:00:00Z\n" for n in range(37)]
    rows += [
        'a,seven,"-1, really",2026-05-01T10:00:00Z\n',
        "b,9,=1+1,2026-05-01T10:00:00Z\n",
        "c,-3,fine,2026-05-01T10:00:00Z\n",
    ]
    _, result = import_text(tmp_path, HEAD + "".join(rows))
    assert (result["new"], result["rejected"]) == (37, 3)
    return list(RejectedRecord.objects.order_by("line_number"))


def post(client, action, records, **more):
    return client.post(
        reverse(LIST),
        {"action": action, "_selected_action": [str(one.pk) for one in records], **more},
        follow=True,
    )


def test_a_download_has_the_reason_beside_each_row_and_imports_again(
    refused, admin_client, tmp_path
):
    answer = post(admin_client, "download_to_mend", refused)
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert all("expected" in row["refused_because"] for row in rows)
    assert [row["comment"] for row in rows] == ["'-1, really", "'=1+1", "fine"]
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows({**row, "quality_rating": "0.25"} for row in rows)
    _, result = import_text(tmp_path, out.getvalue(), name="mended.csv")
    assert (result["new"], result["rejected"]) == (3, 0)
    texts = QualityFeedback.objects.filter(external_id__in="ab").values_list(
        "feedback_text", flat=True
    )
    assert set(texts) == {"-1, really", "=1+1"}
    assert not QualityFeedback.objects.exclude(extra=None).exists()
    assert not RejectedRecord.objects.open().exists()


def test_rows_of_objects_are_downloaded_as_objects(tmp_path, admin_client, db):
    good = {"quality_score": 0.5, "created_at": "2026-05-01T10:00:00Z", "metadata": {"note": "x"}}
    rows = [{"id": f"g{n}", **good} for n in range(10)]
    rows.append({"id": "a", **good, "quality_score": 12})
    lines = "\n".join(map(json.dumps, rows))
    import_text(tmp_path, lines, name="rows.jsonl", table="explanations")
    answer = post(admin_client, "download_to_mend", RejectedRecord.objects.all())
    (row,) = map(json.loads, b"".join(answer.streaming_content).splitlines())
    assert (row["metadata"], row["quality_score"]) == ({"note": "x"}, 12)
    assert "0 to 1" in row["refused_because"]


def test_many_rows_are_corrected_together_and_keep_their_lines(refused, admin_client):
    asked = post(admin_client, "correct", refused)
    assert "3 refused rows" in asked.content.decode()
    post(admin_client, "correct", refused, column="quality_rating", value="0.75")
    post(admin_client, "retry", refused, confirmed="1")
    assert QualityFeedback.objects.filter(csat=0.75).count() == 3
    assert not RejectedRecord.objects.open().exists()


def test_many_rows_are_tried_again_chunk_by_chunk(refused, admin_client, monkeypatch):
    monkeypatch.setattr(rejected, "RETRY_ROWS", 2)
    post(admin_client, "correct", refused, column="quality_rating", value="0.75")
    post(admin_client, "retry", refused, confirmed="1")
    assert QualityFeedback.objects.filter(csat=0.75).count() == 3
    monkeypatch.setattr(rejected, "RETRIED_TOGETHER", 2)
    RejectedRecord.objects.update(resolved_at=None)
    answer = post(admin_client, "retry", refused, confirmed="1")
    told = [str(one) for one in answer.context["messages"]] if answer.context else []
    assert RejectedRecord.objects.open().count() == 3
    assert not told or "at most 2 rows" in told[0]


def test_a_run_that_kept_too_much_keeps_the_beginning_of_further_rows(
    tmp_path, admin_client, monkeypatch
):
    rows = [{"id": f"b{n}", "quality_rating": "much", "feedback_text": "x" * 900} for n in range(3)]
    size = len(json.dumps(rows[0]))
    monkeypatch.setattr("feedback.services.landing.KEPT_TOTAL", 2 * size + 400)
    good = [{"id": f"g{n}", "quality_rating": 0.5} for n in range(9)]
    at = {"created_at": "2026-05-01T10:00:00Z"}
    lines = "\n".join(json.dumps({**row, **at}) for row in [*good, *rows])
    import_text(tmp_path, lines, name="rows.jsonl")
    kept = RejectedRecord.objects.order_by("line_number")
    assert [row.is_complete for row in kept] == [True, True, False]
    assert isinstance(kept[2].came, str)
    assert len(kept[2].came) < 300
    # A row of which not all is known lands only with its correction, or from its file.
    assert kept[2].mended is None
    post(admin_client, "correct", kept, column="quality_rating", value="0.75")
    post(admin_client, "retry", kept, confirmed="1")
    assert QualityFeedback.objects.filter(external_id__in=["b0", "b1"]).count() == 2


def test_a_row_that_is_refused_again_keeps_its_line(refused, admin_client):
    lines = [one.line_number for one in refused]
    post(admin_client, "correct", refused, column="quality_rating", value="much")
    post(admin_client, "retry", refused, confirmed="1")
    again = RejectedRecord.objects.open().order_by("line_number")
    assert [one.line_number for one in again] == lines


def test_who_may_only_look_corrects_nothing(refused, client, django_user_model):
    user = django_user_model.objects.create_user("looker", password="x", is_staff=True)
    from django.contrib.auth.models import Permission

    user.user_permissions.add(Permission.objects.get(codename="view_rejectedrecord"))
    client.force_login(user)
    post(client, "correct", refused, column="quality_rating", value="0.75")
    assert not RejectedRecord.objects.exclude(correction={}).exists()


def test_the_columns_of_many_rows_are_asked_for_as_those_of_one(refused, admin_client):
    def asked(records):
        with CaptureQueriesContext(connection) as queries:
            assert b"quality_rating" in post(admin_client, "correct", records).content
        return len(queries.captured_queries)

    asked(refused[:1])  # what a first page keeps for the next
    assert asked(refused) == asked(refused[:1])
