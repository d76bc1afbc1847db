"""Sessions that other applications write, heard as they are written."""

import json
from datetime import timedelta

import pytest
from django.db import DataError
from django.test import override_settings
from django.utils import timezone

from matching.models import SeedUser, TravelSession
from matching.services import foreign_sessions
from matching.services.foreign_sessions import Listener
from matching.services.sessions import publish_sessions
from tests.factories import make_seed_user, make_session
from tests.matching.test_sessions_live import DOCUMENT
from tests.waiting import until

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


@pytest.fixture
def listener(valkey):
    valkey.config_set("notify-keyspace-events", "K$")
    listener = Listener()
    assert listener.take_over() == 0  # it listens from here on
    return listener


def write(valkey, external_id, **changes):
    start = timezone.localdate() + timedelta(days=5)
    days = {"startDate": str(start), "endDate": str(start + timedelta(days=6))}
    document = {**DOCUMENT, "userId": external_id, **days, **changes}
    valkey.set(f"session:{external_id}", json.dumps(document), ex=3600)


def taken_over(listener):
    found = 0

    def look():
        nonlocal found
        found += listener.take_over()
        return found

    until(look)
    return found


def test_a_session_of_a_stranger_is_taken_over(listener, valkey):
    write(valkey, "stranger", budget=812.5)
    assert taken_over(listener) == 1
    trip = TravelSession.objects.get(external_id="stranger")
    assert (trip.budget, trip.is_adopted) == (812.5, True)
    assert SeedUser.objects.get(external_id="stranger").age == 29
    later = (timezone.now() + timedelta(seconds=5)).isoformat()
    write(valkey, "stranger", budget=99.0, createdAt=later)
    assert taken_over(listener) == 1
    trip.refresh_from_db()
    assert trip.budget == 99.0
    assert listener.take_over() == 0


def test_what_we_write_ourselves_changes_nothing(listener):
    user = make_seed_user("ours")
    make_session(user)
    before = TravelSession.history.count()
    publish_sessions(["ours"])
    for _ in range(5):
        assert listener.take_over() == 0
    assert TravelSession.history.count() == before


def test_what_is_no_session_is_left_alone(listener, valkey):
    valkey.set("session:broken", b"\xff{")
    valkey.set("session:bad name", b"{}")
    valkey.set(b"session:\xff\xfe", b"{}")
    valkey.set(f"session:{'x' * 300}", b"{}")
    valkey.set("elsewhere:1", b"{}")
    write(valkey, "good")
    assert taken_over(listener) == 1
    assert list(TravelSession.objects.values_list("external_id", flat=True)) == ["good"]
    assert valkey.get("session:broken") == b"\xff{"


def test_a_server_that_is_away_is_asked_again(listener, valkey, monkeypatch):
    monkeypatch.setattr("matching.services.foreign_sessions.AWAY_SECONDS", 0.0)
    write(valkey, "waiting")
    until(lambda: listener._pubsub.connection.can_read())
    with override_settings(REDIS_URL="unix:///nowhere/valkey.sock"):
        for _ in range(3):  # it was heard, and its copy cannot be read
            assert listener.take_over() == 0
        listener._pubsub.connection.disconnect()
        listener._pubsub = None
        assert listener.take_over() == 0
    listener.take_over()
    write(valkey, "later")

    def are_both_there():
        listener.take_over()
        return TravelSession.objects.count() == 2

    until(are_both_there)


def test_a_session_that_no_record_can_hold_stops_none_of_those_to_come(
    listener, valkey, monkeypatch
):
    mend, asked = foreign_sessions.mend_records, []

    def refuse_the_first(names, by):
        asked.append(names)
        if len(asked) == 1:
            raise DataError("value too long")
        return mend(names, by=by)

    monkeypatch.setattr(foreign_sessions, "mend_records", refuse_the_first)
    write(valkey, "poison")
    until(lambda: listener.take_over() or asked)
    write(valkey, "good")
    assert taken_over(listener) == 1
    assert asked == [["poison"], ["good"]]
