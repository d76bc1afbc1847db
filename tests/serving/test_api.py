"""The addresses that are asked without a key, the document of the API, and the models."""

from itertools import pairwise

import pytest
import redis
from django.db import OperationalError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from serving.api.schemas import ModelFields, ModelList
from serving.domain.limits import Pace, whole_seconds
from tests.blobs import last_file_of
from tests.training.batches import make_dataset, make_model
from training.services import registry

pytestmark = pytest.mark.django_db


def test_a_living_process_says_so_and_asks_nobody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert answer.json() == {"status": "ok"}
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_a_balancer_may_ask_over_plain_http(settings, address, valkey):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get(address).status_code == 200
    assert Client().get("/admin/").status_code == 301


def test_ready_is_who_can_answer_with_what_there_is_to_say(client, valkey, monkeypatch):
    told = client.get("/readyz").json()
    assert told["status"] == told["database"] == told["valkey"] == "ok"
    assert "no champion" in told["champion"]
    assert "jobs wait" in told["worker"]
    model = make_model(make_dataset())
    registry.promote(model)
    assert client.get("/readyz").json()["champion"] == "ok"
    file = last_file_of(model)
    kept = file.read_bytes()
    file.write_bytes(kept + b" ")
    said = client.get("/readyz").json()["champion"]
    assert "cannot be used" in said
    assert str(model.folder) not in said
    file.write_bytes(kept)

    def gone(*_, **__):
        raise redis.ConnectionError

    monkeypatch.setattr("redis.Redis.ping", gone)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert "does not answer" in answer.json()["valkey"]

    def fail():
        raise OperationalError("password=secret")

    monkeypatch.setattr("serving.queries.readiness.connection.cursor", fail)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "does not answer"
    assert b"secret" not in answer.content


def test_models_are_listed_and_the_live_one_is_shown(ask):
    assert ask("models").json() == {"models": []}
    refused = ask("models/match_compatibility/champion")
    assert refused.status_code == 404
    assert "models promote" in refused.json()["remedy"]
    assert "match_compatibility" in ask("models/nothing/champion").json()["remedy"]
    model = make_model(make_dataset())
    registry.promote(model)
    listed = ModelList.model_validate(ask("models").json()).models
    assert [(one.version, one.is_live) for one in listed] == [(model.version, True)]
    live = ModelFields.model_validate(ask("models/match_compatibility/champion").json())
    assert live == listed[0]
    assert live.value is not None
    assert live.value.low < live.value.value < live.value.high
    assert (live.trained_on, live.problem) == ("synthetic", "")


def test_the_document_of_the_api_says_what_each_route_takes_and_how_it_refuses(client):
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["security"], path
            told = set(operation["responses"])
            assert {"401", "403", "429", "500", "503"} <= told
            assert told & {"200", "202"}


def test_its_page_works_without_the_network(client):
    page = client.get("/api/v1/docs").content.decode()
    assert "openapi.json" in page
    for attribute in ("src=", "href="):
        for before, after in pairwise(page.split(attribute)):
            assert before
            assert after.startswith(('"/static/', "'/static/")), after[:80]
    assert "http" not in page.replace("http-equiv", "")


def test_an_error_of_ours_is_a_problem_that_repeats_nothing(ask, monkeypatch):
    def fail(*_):
        raise RuntimeError("password=secret")

    monkeypatch.setattr("serving.api.registry.list_models", fail)
    answer = ask("models")
    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert b"secret" not in answer.content

    def gone(*_):
        raise OperationalError("password=secret")

    monkeypatch.setattr("serving.api.registry.list_models", gone)
    answer = ask("models")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) >= 1
    assert b"secret" not in answer.content


@given(
    st.integers(1, 100_000),
    st.lists(st.floats(0, 30), min_size=1, max_size=300),
)
def test_no_key_sends_more_than_its_pace_and_one_that_keeps_it_never_waits(limit, pauses):
    pace = Pace.per_minute(limit)
    due, now, let = 0.0, 1_000.0, 0
    for pause in pauses:
        now += pause
        due, wait = pace.next_due(due, now)
        let += not wait
        if wait:
            assert pace.next_due(due, now + wait + 1e-6)[1] == 0
            assert whole_seconds(wait) >= wait
        assert let <= (now - 1_000) / pace.interval + pace.burst + 1e-6
    due = 0.0
    for number in range(50):
        due, wait = pace.next_due(due, number * pace.interval)
        assert wait == 0
