"""People and trips that applications send: stored as everywhere, answered as they are stored."""

from datetime import timedelta

import orjson
import pytest
from django.test import Client
from django.utils import timezone

from matching.models import SeedUser, TravelSession, live
from matching.models.live import ValkeyUnavailable
from matching.services.identity import rename_person
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.origin import Origin
from serving.api.people_schemas import ErasureAsked, PersonStored, TripRemoved, TripStored
from tests.factories import make_group, make_seed_user, make_session, make_word

pytestmark = pytest.mark.django_db
START = timezone.localdate() + timedelta(days=30)
TRIP = {
    "destination_name": "Lisbon",
    "destination_lat": 38.72,
    "destination_lon": -9.13,
    "start_date": START.isoformat(),
    "end_date": (START + timedelta(days=7)).isoformat(),
    "budget": 900,
    "interests": ["Food", "parkour"],
}


@pytest.fixture
def send(make_token, valkey):
    """Return what sends as an application that may ingest."""
    client = Client(headers={"Authorization": f"Bearer {make_token('ingest')}"})

    def sending(method, path, body=None):
        data = b"" if body is None else orjson.dumps(body)
        act = getattr(client, method)
        return act(f"/api/v1/{path}", data, content_type="application/json")

    return sending


def stored(answer, schema, status):
    assert answer.status_code == status, answer.content
    told = answer.json()
    schema.model_validate(told)
    assert set(told) == set(schema.model_fields)
    return told


def test_a_person_is_created_replaced_and_left_alone(send):
    sent = {"age": 31, "interests": ["Hiking", "parkour"], "smoking": False, "extraversion": 0.9,
            "nationality": "DE", "name": "Ana"}  # fmt: skip
    told = stored(send("put", "people/ana", sent), PersonStored, 201)
    assert (told["is_new"], told["is_changed"], told["origin"]) == (True, True, "real")
    profile = told["profile"]
    assert (profile["smoking"], profile["nationality"]) == ("no", "german")
    assert profile["personality"] == "extrovert"
    assert told["unknown_words"] == [{"kind": "interest", "word": "parkour", "close": []}]
    assert "languages" in told["missing"]
    assert profile["languages"] is None
    again = stored(send("put", "people/ana", sent), PersonStored, 200)
    assert (again["is_new"], again["is_changed"]) == (False, False)
    less = stored(send("put", "people/ana", {"age": 32}), PersonStored, 200)
    assert (less["is_changed"], less["profile"]["interests"]) == (True, None)
    assert less["unknown_words"] == []
    user = SeedUser.objects.get(external_id="ana")
    assert (user.age, user.interests, user.personality, user.name) == (32, [], "", "")
    rows = user.history.all()
    assert {row.history_actor for row in rows} == {"key application 1"}
    assert [row.history_change_reason for row in rows] == ["Sent by an application"] * 2


def test_a_word_that_was_taught_is_known(send):
    make_word("parkour")
    told = stored(send("put", "people/ana", {"interests": ["parkour"]}), PersonStored, 201)
    assert told["unknown_words"] == []


@pytest.mark.parametrize("sent", ["ana", "ana-before"])
def test_nobody_who_was_drawn_becomes_real_by_being_sent(send, sent):
    """The trip, the groups and the events of a drawn person are drawn: never half of somebody."""
    drawn = make_seed_user("ana-before", archetype="student")
    make_session(drawn)
    rename_person(drawn, "ana", on_failure=lambda _: None)
    answer = send("put", f"people/{sent}", {"age": 29})
    assert answer.status_code == 409
    told = answer.json()
    assert told["detail"] == "ana is a synthetic person here: it was drawn, with what it has."
    assert "remove the drawn one first" in told["remedy"]
    user = SeedUser.objects.get()
    assert (user.origin, user.archetype) == (Origin.SYNTHETIC.code, "student")
    assert user.session.origin == Origin.SYNTHETIC.code
    assert send("put", "people/ana-2", {"age": 29}).status_code == 201


@pytest.mark.parametrize(
    ("sent", "at", "words"),
    [
        ({"age": 17}, "age", "18"),
        ({"age": "31"}, "age", "integer"),
        ({"shoe_size": 42}, "shoe_size", "not permitted"),
        ({"interests": ["x"] * 61}, "interests", "60"),
        ({"interests": ["x" * 60]}, "interests", "40"),
        ({"home_lat": 9}, "home_lon", "longitude"),
        ({"personality": "introvert", "extraversion": 0.9}, "personality", "extrovert"),
        ({"name": "a\nb"}, "name", "pattern"),
        ({"gender": "x" * 21}, "gender", "20"),
    ],
)
def test_what_cannot_be_a_profile_is_named_at_its_field(send, sent, at, words):
    answer = send("put", "people/ana", sent)
    assert answer.status_code == 422, answer.content
    (fault,) = answer.json()["errors"]
    assert fault["at"] == at
    assert words in fault["said"]
    assert not SeedUser.objects.exists()


def test_no_person_has_the_id_of_a_group_or_one_that_is_none(send):
    make_group("club")
    answer = send("put", "people/club", {"age": 30})
    assert answer.status_code == 409
    assert "id of a group" in answer.json()["detail"]
    assert send("put", "people/-x", {}).status_code == 422
    assert send("put", "people/" + "x" * 101, {}).status_code == 422


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("owner", ["ana", "club"])
def test_a_trip_is_created_replaced_and_removed_with_its_live_copy(send, owner):
    make_group("club", [make_seed_user("ana")])
    told = stored(send("put", f"sessions/{owner}", TRIP), TripStored, 201)
    assert told["traveller"] == ("person" if owner == "ana" else "group")
    assert (told["is_live"], told["origin"], told["warning"]) == (True, "real", "")
    assert told["unknown_words"] == [{"kind": "interest", "word": "parkour", "close": []}]
    assert live.read([owner])[owner].session.budget == 900
    again = stored(send("put", f"sessions/{owner}", TRIP), TripStored, 200)
    assert (again["is_new"], again["is_changed"]) == (False, False)
    other = {**TRIP, "budget": None, "destination_lat": 0}
    told = stored(send("put", f"sessions/{owner}", other), TripStored, 200)
    assert (told["budget"], told["destination_lat"]) == (None, 0)
    assert TravelSession.objects.count() == 1
    gone = stored(send("delete", f"sessions/{owner}"), TripRemoved, 200)
    assert (gone["external_id"], gone["is_live"]) == (owner, False)
    assert owner not in live.read([owner])
    assert not TravelSession.objects.exists()
    assert send("delete", f"sessions/{owner}").status_code == 404
    rows = TravelSession.history.filter(external_id=owner)
    assert [row.history_type for row in rows] == ["-", "~", "+"]
    assert {row.history_actor for row in rows} == {"key application 1"}


def test_a_trip_of_nobody_is_refused(send):
    answer = send("put", "sessions/nobody", TRIP)
    assert answer.status_code == 404
    assert "people/" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("change", "at", "words"),
    [
        ({"end_date": "2020-01-01"}, "the body", "end_date"),
        ({"start_date": "1990-01-01"}, "start_date", "2000-01-01"),
        ({"start_date": 0}, "start_date", "2027-05-01"),
        ({"destination_lat": 91}, "destination_lat", "90"),
        ({"budget": -1}, "budget", "0"),
        ({"interests": ["x" * 60]}, "interests", "40"),
        ({"mode": "solo"}, "mode", "not permitted"),
    ],
)
def test_what_cannot_be_a_trip_is_named_at_its_field(send, change, at, words):
    make_seed_user("ana")
    answer = send("put", "sessions/ana", {**TRIP, **change})
    assert answer.status_code == 422, answer.content
    (fault,) = answer.json()["errors"]
    assert fault["at"] == at
    assert words in fault["said"]
    assert not TravelSession.objects.exists()


def test_a_trip_that_is_over_is_stored_and_said_to_be(send):
    make_seed_user("ana")
    over = {**TRIP, "start_date": "2024-05-01", "end_date": "2024-05-08"}
    assert not stored(send("put", "sessions/ana", over), TripStored, 201)["is_live"]


@pytest.mark.django_db(transaction=True)
def test_without_valkey_the_record_is_stored_and_the_copy_is_said_to_lack(send, monkeypatch):
    make_session(make_seed_user("ana", origin=Origin.REAL.code))

    def away(*_, **__):
        raise ValkeyUnavailable("Valkey does not answer.")

    monkeypatch.setattr("matching.services.sessions.publish_sessions", away)
    monkeypatch.setattr("matching.services.sessions.live.remove", away)
    for method, path, body in (
        ("put", "people/ana", {"age": 30}),
        ("put", "sessions/ana", TRIP),
        ("delete", "sessions/ana", None),
    ):
        answer = send(method, path, body)
        assert answer.status_code == 200
        assert "Valkey" in answer.json()["warning"]


@pytest.fixture
def erase(make_token, valkey):
    """Return what erases as an application that may do nothing else."""
    client = Client(headers={"Authorization": f"Bearer {make_token('erase')}"})
    return lambda address: client.delete(f"/api/v1/people/{address}")


def test_a_person_is_erased_by_a_job_that_is_the_same_when_asked_again(erase, send):
    person = make_seed_user("zoe_1", name="Zoe Zander")
    told = stored(erase("zoe_1?features=drop"), ErasureAsked, 202)
    assert told == {"job": told["job"], "number": person.pk, "state": "queued"}
    assert stored(erase("zoe_1"), ErasureAsked, 202) == told
    job = Job.objects.get()
    assert job.arguments == {
        "number": person.pk, "features": "drop", "why": "Asked for by an application",
    }  # fmt: skip
    assert job.actor == "key application 1"
    run_job(str(job.pk))
    assert erase("zoe_1").status_code == 404
    assert not SeedUser.objects.exists()
    again = stored(send("put", "people/zoe_1", {"age": 31}), PersonStored, 201)
    assert again["is_new"]


def test_nobody_and_groups_are_not_erased(erase):
    make_group("party")
    for name in ("party", "nobody"):
        answer = erase(name)
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"Nobody here is called {name}."
        assert answer.json()["remedy"]
    assert erase("zoe?features=some").status_code == 422
    assert not Job.objects.exists()


def test_a_key_of_ingest_erases_nobody(send):
    make_seed_user("zoe_1")
    answer = send("delete", "people/zoe_1")
    assert answer.status_code == 403
    assert "erase" in answer.json()["detail"]
