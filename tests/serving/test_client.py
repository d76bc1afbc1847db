"""The Python client: every route of a living server, with the types that the document tells."""

import re
import tomllib
import typing
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import seedbed_client
from django.utils import timezone
from seedbed_client import Seedbed, SeedbedError
from seedbed_client import types as said

from feedback.models import QualityFeedback
from matching.models import MatchEvent
from serving.api.app import api
from tests.factories import make_seed_user, make_session
from tests.serving.test_send_events import event
from tests.serving.test_send_feedback import rating
from tests.training.batches import make_dataset, make_model
from training.services import registry

START = timezone.localdate() + timedelta(days=30)
TRIP = {
    "destination_lat": 38.72,
    "destination_lon": -9.13,
    "start_date": START.isoformat(),
    "end_date": (START + timedelta(days=7)).isoformat(),
}


@pytest.fixture
def seedbed(live_server, make_token, valkey):
    return Seedbed(live_server.url, make_token())


@pytest.mark.django_db
def test_each_operation_of_the_document_is_a_method():
    operations = {
        operation["operationId"]
        for path in api.get_openapi_schema()["paths"].values()
        for operation in path.values()
    }
    assert {name for name in operations if not hasattr(Seedbed, name)} == set()


@pytest.mark.django_db
def test_its_types_are_those_of_the_document():
    schemas = api.get_openapi_schema()["components"]["schemas"]
    compared = 0
    for name, schema in schemas.items():
        own = getattr(said, name, None)
        if own is None or not typing.is_typeddict(own):
            continue
        compared += 1
        fields = set(own.__annotations__) - (
            {"problem"} if "score" in own.__annotations__ else set()
        )
        inherited = set(schema["properties"])
        assert fields == inherited, name
    answers = {
        *("ScoreAnswer", "RankAnswer", "PersonStored", "TripStored", "TripRemoved"),
        "ErasureAsked",
        *(
            "ExplainAnswer",
            "OutcomesAnswer",
            "EventsTaken",
            "FeedbackTaken",
            "PredictAnswer",
            "ModelList",
            "ModelFields",
        ),
    }
    assert answers <= set(schemas)
    assert compared >= len(answers)


@pytest.mark.django_db(transaction=True)
def test_people_are_sent_and_ranked(seedbed):
    registry.promote(make_model(make_dataset()))
    for name in ("ana", "ben"):
        stored = seedbed.put_person(name, {"age": 30, "interests": ["food"]})
        assert stored["is_new"]
        make_session(make_seed_user(f"other-{name}"))
        assert seedbed.put_session(name, TRIP)["is_live"]
    assert seedbed.score_pairs([("ana", "ben")])["scores"][0]["served_by"] == "model"
    profile = {"age": 30, "interests": ["food"]}
    assert seedbed.score_profiles([(profile, profile)])["scores"][0]["missing"]
    features = seedbed.score_features([{"ageScore": 0.5}], "smooth-1", match_type="user_group")
    assert len(features["scores"]) == 1
    ranked = seedbed.rank_partners("other-ana", count=3)
    assert [one["right"] for one in ranked["best"]] == ["other-ben"]
    assert seedbed.list_models()["models"][0]["is_live"]
    assert seedbed.get_champion("match_compatibility")["version"] == 1
    assert seedbed.delete_session("ana")["external_id"] == "ana"
    with pytest.raises(SeedbedError, match="has no trip") as refused:
        seedbed.delete_session("ana")
    assert (refused.value.status, refused.value.errors) == (404, [])
    assert refused.value.remedy


@pytest.mark.django_db(transaction=True)
def test_events_and_feedback_are_sent_once(seedbed):
    assert seedbed.send_events([event(1)], idempotency_key="a")["new"] == 1
    assert seedbed.send_events([event(1)], idempotency_key="a")["new"] == 1
    assert seedbed.send_events([event(1)])["known"] == 1
    assert MatchEvent.objects.count() == 1
    assert seedbed.send_feedback("quality_feedback", [rating(1)], source="shop")["new"] == 1
    told = seedbed.send_feedback("quality_feedback", [rating(1, 0.1)], on_change="refuse",
                                 source="shop")  # fmt: skip
    assert [one["row"] for one in told["refused"]] == [0]
    assert QualityFeedback.objects.get().csat == 0.8
    assert seedbed.predict_feedback("csat", [{}])["served_by"] == "baseline"
    with pytest.raises(SeedbedError) as refused:
        seedbed.predict_feedback("csat", [{"quality": 80}])
    assert refused.value.errors[0]["at"] == "rows.0"


@pytest.fixture
def answering(monkeypatch):
    """Return what starts a server that answers one after the other, and notes what it is asked."""
    servers = []
    slept = []
    monkeypatch.setattr("seedbed_client.client.time.sleep", slept.append)

    def start(*answers):
        asked, left = [], list(answers)

        def application(environ, start_response):
            asked.append(environ.get("HTTP_IDEMPOTENCY_KEY"))
            status, headers, body = left.pop(0)
            phrase = HTTPStatus(status).phrase
            start_response(f"{status} {phrase}", [("Content-Type", "x/y"), *headers])
            return [body]

        server = make_server("127.0.0.1", 0, application, handler_class=Silent)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return Seedbed(f"http://127.0.0.1:{server.server_port}/", "sb_x"), asked, slept

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def test_who_is_told_to_come_again_comes_again_with_the_same_name(answering):
    later = [("Retry-After", "7")]
    seedbed, asked, slept = answering(
        (429, later, b"{}"), (503, later, b"{}"), (409, later, b"{}"), (200, [], b'{"new": 1}')
    )
    assert seedbed.send_events([{}]) == {"new": 1}
    assert slept == [7, 7, 7]
    assert len(set(asked)) == 1
    assert asked[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((503, [("Retry-After", "61")], b'{"detail": "away"}'), "503 away"),
        ((503, [], b"<html>"), "503 Service Unavailable"),
        ((422, [("Retry-After", "1")], b"[]"), "422"),
        ((200, [], b"<html>"), "no JSON"),
    ],
)
def test_what_is_not_to_come_again_is_said_at_once(answering, answer, words):
    seedbed, asked, slept = answering(answer)
    with pytest.raises(SeedbedError, match=words):
        seedbed.list_models()
    assert (len(asked), slept) == (1, [])


def test_who_never_answers_is_named(monkeypatch):
    from tests.project.test_serve import free_port

    slept = []
    monkeypatch.setattr("seedbed_client.client.time.sleep", slept.append)
    with pytest.raises(SeedbedError, match="does not answer") as refused:
        Seedbed(f"http://127.0.0.1:{free_port()}", "sb_x", retries=2).list_models()
    assert (refused.value.status, slept) == (0, [0.5, 1.0])


@pytest.mark.parametrize("address", ["", "localhost:8000", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="Expected an address"):
        Seedbed(address, "sb_x")


def test_it_has_no_dependency():
    for module in (seedbed_client.client, said):
        names = {getattr(value, "__module__", "") for value in vars(module).values()}
        assert not any(name.startswith(("django", "requests", "httpx")) for name in names if name)


def test_what_pip_leaves_beside_the_client_is_checked_by_no_tool() -> None:
    """`pip install ./clients/python` builds in the folder: a second module of the same name."""
    root = Path(__file__).resolve().parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    copy, own = (f"clients/python/{at}seedbed_client/client.py" for at in ("build/lib/", ""))
    left_out = [re.compile(one) for one in settings["tool"]["mypy"]["exclude"]]
    assert any(one.search(copy) for one in left_out)
    assert not any(one.search(own) for one in left_out)
    assert "build/" in (root / ".gitignore").read_text().splitlines()
