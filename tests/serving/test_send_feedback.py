"""Feedback that applications send: landed once, refused row by row, never read by a guess."""

from threading import Event, Thread

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from feedback.models import (
    CollectionRun,
    FeedbackChange,
    FeedbackSource,
    QualityFeedback,
    RejectedRecord,
)
from project.mappings.models import ImportMapping
from project.mappings.services import confirm_mapping
from serving.api.feedback_schemas import FeedbackTaken
from serving.api.sending import Unread
from serving.models import ApiKey, GivenAnswer
from serving.services import answers
from serving.services.answers import InProgress, answer_once
from tests.training.batches import make_dataset

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(make_token, valkey):
    """Return what sends feedback as an application that may ingest."""
    client = Client(headers={"Authorization": f"Bearer {make_token('ingest')}"})

    def sending(rows, key="", **more):
        body = orjson.dumps({"table": "quality_feedback", "rows": rows, **more})
        headers = {"Idempotency-Key": key} if key else {}
        return client.post(
            "/api/v1/feedback", body, content_type="application/json", headers=headers
        )

    return sending


def rating(number=1, value=0.8, **more):
    return {
        "id": number,
        "response_id": f"r-{number}",
        "session_id": "s-1",
        "quality_rating": value,
        "provider": "openai",
        "model": "small",
        "created_at": "2026-05-01T12:00:00Z",
        **more,
    }


def taken(answer):
    assert answer.status_code == 200, answer.content
    told = answer.json()
    FeedbackTaken.model_validate(told)
    assert set(told) == set(FeedbackTaken.model_fields)
    assert told["found"] == told["new"] + told["known"] + told["changed"] + len(told["refused"])
    return told


def counts(told):
    return told["new"], told["known"], told["changed"], len(told["refused"])


def test_rows_land_once_and_those_known_before_are_told_as_known(send):
    told = taken(send([rating(1), rating(2)]))
    assert counts(told) == (2, 0, 0, 0)
    assert told["source"] == "application-1"
    assert counts(taken(send([rating(2), rating(3)]))) == (1, 1, 0, 0)
    assert QualityFeedback.objects.count() == 3
    source = FeedbackSource.objects.get()
    assert (source.kind, source.origin.value) == ("file", "real")


def test_requests_of_one_day_stand_in_one_run_that_accounts_for_each_row(send):
    first = taken(send([rating(1)]))
    assert taken(send([rating(2), rating(3, "much")]))["run"] == first["run"]
    run = CollectionRun.objects.get()
    assert (run.found, run.new, run.rejected, run.source_count) == (3, 2, 1, 3)
    assert (run.state, run.job) == ("complete", None)
    assert run.file_name == "sent by key application 1"
    assert RejectedRecord.objects.get().line_number == 3


def test_a_run_that_a_dataset_may_have_read_takes_no_more_rows(send):
    first = taken(send([rating(1)]))
    make_dataset()
    assert taken(send([rating(2)]))["run"] != first["run"]


def test_a_refused_row_says_why_is_kept_and_stops_no_other(send):
    told = taken(send([rating(1), rating(2, "much"), {"quality_rating": 0.5}, rating(4)]))
    assert counts(told) == (2, 0, 0, 2)
    assert [one["row"] for one in told["refused"]] == [1, 2]
    assert "much" in told["refused"][0]["detail"]
    assert RejectedRecord.objects.count() == 2


@pytest.mark.parametrize(
    ("on_change", "told", "value"),
    [
        ("replace", (0, 0, 1, 0), 0.2),
        ("keep", (0, 0, 1, 0), 0.8),
        ("refuse", (0, 0, 0, 1), 0.8),
    ],
)
def test_other_content_of_a_known_row_is_dealt_with_as_asked(send, on_change, told, value):
    send([rating(1)])
    assert counts(taken(send([rating(1, 0.2)], on_change=on_change))) == told
    assert QualityFeedback.objects.get().csat == pytest.approx(value)
    if on_change == "replace":
        assert FeedbackChange.objects.get().before == {"quality_rating": 0.8}


def test_what_would_change_values_waits_for_a_person(send):
    rows = [rating(number, stars) for number, stars in enumerate([1, 2, 3, 4, 5, 5, 4, 2])]
    answer = send(rows)
    assert answer.status_code == 422
    told = answer.json()
    Unread.model_validate(told)
    assert not QualityFeedback.objects.exists()
    assert not GivenAnswer.objects.exists()
    record = ImportMapping.objects.get(name=told["mapping"])
    assert record.proposed_by == "key application 1"
    assert told["changes"][0]["field"] == "quality_rating"
    assert "--" not in told["remedy"]
    assert "waits for a person" in send(rows, mapping=record.name).json()["detail"]
    assert "confirmed by a person" in send(rows, mapping="proposed").json()["detail"]
    confirm_mapping(record)
    assert taken(send(rows))["mapping"] == record.name
    assert QualityFeedback.objects.order_by("external_id").first().csat == 0
    assert taken(send(rows, mapping=record.name))["known"] == len(rows)


def test_a_rating_under_another_name_is_taken_for_none_by_a_few_rows(send):
    row = rating(1)
    row["stars"] = row.pop("quality_rating")
    answer = send([{**row, "stars": 1}])
    assert answer.status_code == 422
    assert "on which scale" in answer.json()["detail"]
    assert taken(send([{**row, "stars": 1}], mapping="as-is"))["new"] == 1


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"rows": [{"colour": "red"}]}, "no column for"),
        ({"mapping": "none-such"}, "no mapping"),
        ({"columns": {"colour": "red"}}, "no column colour"),
        ({"time_zone": "Mars"}, "zone"),
        ({"source": "a b"}, "pattern"),
        ({"rows": []}, "at least 1"),
        ({"rows": [rating()] * 1001}, "at most 1000"),
        ({"rows": [[]]}, "dictionary"),
        ({"on_change": "ask"}, "replace"),
    ],
)
def test_what_cannot_be_read_is_said(send, sent, words):
    answer = send(**{"rows": [rating()], **sent})
    assert answer.status_code == 422, answer.content
    assert words in answer.content.decode()
    assert "--" not in answer.json()["remedy"]
    assert not QualityFeedback.objects.exists()


def test_a_request_that_names_itself_is_answered_once(send):
    first = send([rating(1)], key="a-1")
    again = send([rating(1)], key="a-1")
    assert again.content == first.content
    assert taken(again)["new"] == 1
    assert (first.headers.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (
        None,
        "true",
    )
    assert CollectionRun.objects.get().found == 1
    other = send([rating(2)], key="a-1")
    assert other.status_code == 422
    assert "Another request" in other.json()["detail"]
    GivenAnswer.objects.update(expires_at=timezone.now())
    assert counts(taken(send([rating(1)], key="a-1"))) == (0, 1, 0, 0)
    assert GivenAnswer.objects.count() == 1


def test_names_are_of_the_key_that_gave_them(send, make_token):
    send([rating(1)], key="a-1")
    headers = {"Authorization": f"Bearer {make_token('ingest')}", "Idempotency-Key": "a-1"}
    body = orjson.dumps({"table": "quality_feedback", "rows": [rating(9)]})
    other = Client(headers=headers).post("/api/v1/feedback", body, content_type="application/json")
    assert taken(other)["new"] == 1


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "é"])
def test_what_is_no_name_of_a_request_is_refused(send, make_token, name):
    headers = {"Authorization": f"Bearer {make_token('ingest')}", "Idempotency-Key": name}
    answer = Client(headers=headers).post(
        "/api/v1/feedback",
        orjson.dumps({"table": "quality_feedback", "rows": [rating()]}),
        content_type="application/json",
    )
    assert answer.status_code == 422
    assert not QualityFeedback.objects.exists()


def test_rows_and_their_answer_are_there_together_or_not_at_all(send, monkeypatch):
    class Gone(Exception):
        pass

    def crash(*_, **__):
        raise Gone

    monkeypatch.setattr("serving.services.answers.GivenAnswer.objects.create", crash)
    assert send([rating(1)], key="a-1").status_code == 500
    assert not QualityFeedback.objects.exists()
    assert not CollectionRun.objects.exists()
    monkeypatch.undo()
    monkeypatch.setattr("serving.queries.keys.RENEWED_SECONDS", 0.0)
    assert taken(send([rating(1)], key="a-1"))["new"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_whose_first_is_being_answered_is_told_to_come_again(send):
    key = ApiKey.objects.get()
    began, ends = Event(), Event()

    def slowly():
        def work():
            began.set()
            ends.wait()
            return 200, b"{}"

        try:
            answer_once(key.pk, "a-1", b"POST", work)
        finally:
            connection.close()

    first = Thread(target=slowly)
    first.start()
    try:
        began.wait()
        answer = send([rating(1)], key="a-1")
        assert answer.status_code == 409
        assert answer["Retry-After"] == "1"
        with pytest.raises(InProgress):
            answer_once(key.pk, "a-1", b"POST", lambda: (200, b""))
        assert answer_once(key.pk, "a-2", b"POST", lambda: (200, b"x")).body == b"x"
    finally:
        ends.set()
        first.join()
    assert answers.given_before(key.pk, "a-1", b"POST").is_repeated
