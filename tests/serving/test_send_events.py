"""Events that applications send: landed once, in batches that do not change once they are read."""

import orjson
import pytest
from django.test import Client
from django.urls import reverse

from matching.models import EventBatch, EventChange, MatchEvent, RejectedEvent
from matching.queries.removals import plan_of_batch
from matching.services.sent import close_sent_batches
from project.mappings.models import ImportMapping
from project.mappings.services import confirm_mapping
from serving.api.events_schemas import EventsTaken
from serving.models import GivenAnswer
from tests.factories import make_seed_user, make_session
from tests.feedback.test_commands import run

pytestmark = pytest.mark.django_db(transaction=True)
MOMENT = 1_777_000_000_000  # milliseconds


@pytest.fixture
def send(make_token, valkey):
    """Return what sends events as an application that may ingest."""
    client = Client(headers={"Authorization": f"Bearer {make_token('ingest')}"})

    def sending(rows, key="", **more):
        body = orjson.dumps({"rows": rows, **more})
        headers = {"Idempotency-Key": key} if key else {}
        return client.post("/api/v1/events", body, content_type="application/json", headers=headers)

    return sending


def event(number=1, outcome="accept", features=True, **more):
    return {
        "eventId": f"e-{number}",
        "matchType": "user_user",
        "userId": "ana",
        "targetId": f"other-{number}",
        "outcome": outcome,
        "label": int(outcome in ("accept", "chat")),
        "timestamp": MOMENT + number,
        "features": {"distanceScore": 0.31, "ageScore": 0.77} if features else {},
        **more,
    }


def taken(answer):
    assert answer.status_code == 200, answer.content
    told = answer.json()
    EventsTaken.model_validate(told)
    assert set(told) == set(EventsTaken.model_fields)
    parts = told["new"] + told["known"] + told["changed"] + told["views"] + len(told["refused"])
    assert told["found"] == parts
    return told


def counts(told):
    return told["new"], told["known"], told["changed"], len(told["refused"])


def test_a_batch_that_was_sent_is_called_no_file(send, admin_client):
    taken(send([event(1)]))
    batch = EventBatch.objects.get()
    page = admin_client.get(reverse("admin:matching_eventbatch_change", args=[batch.pk]))
    assert "Events that were sent by key application 1." in page.content.decode()
    assert "Imported from" not in page.content.decode()
    stays = " ".join(plan_of_batch(batch).stays)
    assert "an event that is sent again" in stays
    assert "file" not in stays


def test_events_land_once_in_one_batch_that_accounts_for_each(send):
    first = taken(send([event(1), event(2)]))
    assert counts(first) == (2, 0, 0, 0)
    assert (first["features"], first["feature_set"]) == ("logged", "logged-1")
    again = taken(send([event(2), event(3, "ignore"), {"eventId": "e-4"}]))
    assert counts(again) == (1, 1, 0, 1)
    assert again["batch"] == first["batch"]
    batch = EventBatch.objects.get()
    assert (batch.asked, batch.made, batch.refused) == (5, 3, 1)
    assert (batch.get_origin_display(), batch.state, batch.file_name) == (
        "real",
        "complete",
        "sent by key application 1",
    )
    outcomes = batch.summary["outcomes"]
    assert (outcomes["accept"], outcomes["ignore"]) == (2, 1)
    ids = MatchEvent.objects.values_list("pk", flat=True)
    assert sorted(ids) == [batch.first_event_id + row for row in (0, 1, 3)]
    (row,) = RejectedEvent.objects.all()
    assert row.line == 5
    assert again["refused"][0]["row"] == 2
    assert again["refused"][0]["detail"] == row.message


def test_a_batch_that_is_read_takes_no_more(send):
    first = taken(send([event(1)]))
    assert close_sent_batches() == 1
    assert close_sent_batches() == 0
    second = taken(send([event(1), event(2)]))
    assert second["batch"] != first["batch"]
    assert counts(second) == (1, 1, 0, 0)
    assert EventBatch.objects.get(pk=first["batch"]).made == 1
    assert taken(send([event(3)]))["batch"] == second["batch"]


def test_events_of_other_features_join_another_batch(send):
    make_session(make_seed_user("ana"))
    make_session(make_seed_user("other-2"))
    logged = taken(send([event(1)]))
    computed = taken(send([event(2, features=False), event(3, features=False)]))
    assert computed["batch"] != logged["batch"]
    assert (computed["features"], computed["feature_set"]) == ("computed", "smooth-1")
    assert computed["people_not_known"] == 1
    assert MatchEvent.objects.exclude(distance_score=None).count() == 2
    named = taken(send([event(4)], feature_set="tiered-1"))
    assert named["batch"] not in (logged["batch"], computed["batch"])
    assert named["feature_set"] == "tiered-1"


def test_values_of_tiers_are_said_to_be_until_one_is_not(send):
    tiered = event(1, features={})
    tiered["features"] = {"personalityScore": 1.0}
    assert taken(send([tiered]))["feature_set"] == "tiered-1"
    told = taken(send([event(2)]))
    assert told["feature_set"] == "logged-1"
    other = {**tiered, "eventId": "e-9"}
    assert taken(send([other]))["feature_set"] == "logged-1"


@pytest.mark.parametrize(
    ("on_change", "told", "outcome"),
    [
        ("replace", (0, 0, 1, 0), "ignore"),
        ("keep", (0, 0, 1, 0), "accept"),
        ("refuse", (0, 0, 0, 1), "accept"),
    ],
)
def test_other_content_of_a_known_event_is_dealt_with_as_asked(send, on_change, told, outcome):
    send([event(1)])
    changed = {**event(1), "outcome": "ignore", "label": 0}
    assert counts(taken(send([changed], on_change=on_change))) == told
    assert MatchEvent.objects.get().label == (outcome == "accept")
    if on_change == "replace":
        assert EventChange.objects.get().by == "key application 1"
        batch = EventBatch.objects.order_by("pk").first()
        assert batch.summary["outcomes"]["ignore"] == 1
        assert batch.summary["outcomes"]["accept"] == 0


def test_what_would_change_values_waits_for_a_person(send):
    rows = [
        {"swiper": "ana", "swiped": f"other-{n}", "action": word, "time": f"2026-05-0{n} 12:00"}
        for n, word in enumerate(["like", "pass", "like", "superlike"], 1)
    ]
    answer = send(rows)
    assert answer.status_code == 422
    told = answer.json()
    assert told["changes"]
    assert "--" not in told["remedy"]
    assert not EventBatch.objects.exists()
    confirm_mapping(ImportMapping.objects.get(name=told["mapping"]))
    landed = taken(send(rows))
    assert (landed["new"], landed["mapping"]) == (4, told["mapping"])
    assert EventBatch.objects.get().reading is not None
    assert taken(send(rows))["known"] == 4


def test_events_that_say_they_are_drawn_never_land_as_real(send):
    told = taken(send([event(1), event(2, source="synthetic")]))
    assert counts(told) == (1, 0, 0, 1)


def test_too_much_that_cannot_be_used_refuses_all(send):
    rows = [event(number, outcome="perhaps") for number in range(6)]
    answer = send([*rows, *(event(number) for number in range(6, 30))])
    assert answer.status_code == 422
    assert "--" not in answer.json()["remedy"]
    assert not EventBatch.objects.exists()
    assert not RejectedEvent.objects.exists()


def test_a_request_that_names_itself_is_answered_once(send):
    first = send([event(1)], key="a-1")
    assert send([event(1)], key="a-1").content == first.content
    assert EventBatch.objects.get().asked == 1
    assert send([event(2)], key="a-1").status_code == 422
    assert GivenAnswer.objects.count() == 1


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"rows": [{"colour": "red"}]}, "no column for"),
        ({"mapping": "none-such"}, "no mapping"),
        ({"feature_set": "smooth-9"}, "smooth-1"),
        ({"rows": []}, "at least 1"),
        ({"origin": "synthetic"}, "not permitted"),
    ],
)
def test_what_cannot_be_read_is_said(send, sent, words):
    answer = send(**{"rows": [event()], **sent})
    assert answer.status_code == 422, answer.content
    assert words in answer.content.decode()
    assert not EventBatch.objects.exists()


def test_who_builds_a_dataset_closes_the_batches_that_it_may_read(send):
    first = taken(send([event(1)]))
    run("build_dataset", "--kind", "match_compatibility", "--now")
    assert taken(send([event(2)]))["batch"] != first["batch"]
