"""The live copy's key and format, and how strictly it is read."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from matching.models import live
from matching.models.live import MalformedSession, ValkeyUnavailable, as_document, parse

DOCUMENT: dict[str, Any] = {
    "userId": "user_1",
    "destination": {"name": "Lisbon", "lat": 38.72, "lon": -9.13},
    "budget": 1500.0,
    "startDate": "2026-12-01",
    "endDate": "2026-12-08",
    "mode": "solo",
    "interests": ["food", "museums"],
    "static_attributes": {
        "age": 29,
        "gender": "female",
        "personality": "extrovert",
        "interests": ["food"],
        "languages": ["english"],
        "location": {"lat": 52.52, "lon": 13.4},
        "smoking": "no",
        "drinking": "occasionally",
        "religion": "none",
        "nationality": "german",
        "profession": "engineer",
    },
    "createdAt": "2026-11-22T10:00:00.000+00:00",
}


def read(**changes: Any) -> live.LiveSession:
    return parse("user_1", json.dumps({**DOCUMENT, **changes}).encode())


def test_a_document_comes_back_as_it_was_written() -> None:
    session = parse("user_1", json.dumps(DOCUMENT).encode())
    assert as_document(session) == DOCUMENT
    assert live.differences(session, session) == []


def test_fields_of_other_applications_are_kept() -> None:
    assert as_document(read(theirs={"deep": [1]}))["theirs"] == {"deep": [1]}


@pytest.mark.parametrize(
    "value", ["2026-12-01", "2026-12-01T09:30:00Z", "2026-12-01T09:30:00+02:00", 1796083200000]
)
def test_dates_are_read_as_iso_text_or_milliseconds(value: object) -> None:
    assert read(startDate=value).start_date == date(2026, 12, 1)


def test_what_is_optional_may_be_absent() -> None:
    short = {k: DOCUMENT[k] for k in ("destination", "startDate", "endDate")}
    session = parse("user_1", json.dumps(short).encode())
    assert (session.budget, session.mode, session.interests) == (None, "solo", ())
    assert (session.static_attributes, session.created_at) == (None, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"userId": "user_2"}, "userId: expected user_1"),
        ({"destination": "Lisbon"}, "destination: expected an object"),
        ({"destination": {"name": "", "lat": 1, "lon": 1}}, "destination.name"),
        ({"destination": {"name": "L", "lat": 91, "lon": 1}}, "destination.lat"),
        ({"destination": {"name": "L", "lat": True, "lon": 1}}, "destination.lat"),
        ({"destination": {"name": "L", "lat": 1, "lon": None}}, "destination.lon"),
        ({"budget": -1}, "budget"),
        ({"budget": "much"}, "budget"),
        ({"startDate": "soon"}, "startDate: expected a date"),
        ({"startDate": 10**30}, "startDate"),
        ({"startDate": "1812-01-01"}, "startDate: expected 2000"),
        ({"endDate": "2026-11-01"}, "before startDate"),
        ({"mode": "pair"}, "mode: expected solo or group"),
        ({"interests": "food"}, "interests"),
        ({"interests": ["x" * 41]}, "interests"),
        ({"interests": [1]}, "interests"),
        ({"interests": ["x"] * 101}, "at most 100"),
        ({"static_attributes": []}, "static_attributes: expected an object"),
        ({"createdAt": "noon"}, "createdAt"),
        ({"deep": [[[[[[[1]]]]]]]}, "nested at most 6"),
        ({"destination": {"name": "a\x00b", "lat": 1, "lon": 1}}, "NUL"),
        ({"padding": "x" * 70_000}, "at most 65,536 bytes"),
    ],
)
def test_malformed_field_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MalformedSession, match=words):
        read(**changes)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[]", b"null", b'{"a": NaN}', b"[" * 60_000])
def test_what_is_no_json_object_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedSession):
        parse("user_1", text)


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_parser(text: bytes) -> None:
    with pytest.raises(MalformedSession):
        parse("user_1", text)


def test_key_that_is_no_external_id_is_malformed() -> None:
    with pytest.raises(MalformedSession, match="key"):
        parse("with space", json.dumps({**DOCUMENT, "userId": "with space"}).encode())


def test_differences_name_fields_and_ignore_order_and_digits() -> None:
    one = read()
    same = read(
        interests=["museums", "food"],
        destination={"name": "Lisbon", "lat": 38.7200000001, "lon": -9.13},
    )
    assert live.differences(one, same) == []
    other = read(
        budget=2.0, static_attributes={**DOCUMENT["static_attributes"], "age": 30, "location": None}
    )
    assert live.differences(one, other) == [
        "budget",
        "static_attributes.age",
        "static_attributes.location",
    ]


def test_written_copy_has_the_key_format_and_time_to_live(valkey: Any) -> None:
    expires_at = timezone.now() + timedelta(hours=2)
    assert live.write([(read(), expires_at)]) == 1
    assert json.loads(valkey.get("session:user_1")) == DOCUMENT
    assert valkey.pexpiretime("session:user_1") == math.ceil(expires_at.timestamp() * 1000)
    copy = live.read(["user_1", "nobody"])["user_1"]
    assert copy.session == read()
    assert live.remove(["user_1", "nobody"]) == 1
    assert live.read(["user_1"]) == {}


def test_restoring_never_overwrites_what_somebody_wrote_meanwhile(valkey: Any) -> None:
    later = timezone.now() + timedelta(hours=2)
    live.write([(read(budget=1.0), later)])
    assert live.write([(read(budget=2.0), later)], only_if_absent=True) == 0
    copy = live.read(["user_1"])["user_1"].session
    assert copy is not None
    assert copy.budget == 1.0


def test_every_copy_is_found_and_unreadable_ones_are_named(valkey: Any) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    many = [
        parse(f"u{n}", json.dumps({**DOCUMENT, "userId": f"u{n}"}).encode()) for n in range(2500)
    ]
    assert live.write((session, later) for session in many) == 2500
    valkey.set("session:huge", "x" * 70_000)
    valkey.set("session:empty", "")
    valkey.hset("session:hash", "a", "b")
    valkey.set(b"session:\xff", "{}")
    valkey.set("other:key", "{}")
    copies = {copy.external_id: copy for copy in live.read_all()}
    assert len(copies) == 2504
    assert "got 70,000" in copies["huge"].problem
    assert "empty value" in copies["empty"].problem
    assert "another type" in copies["hash"].problem
    assert "key" in copies["\\xff"].problem
    assert copies["huge"].ttl_ms == live.NO_EXPIRY


def test_unreachable_valkey_is_an_expected_failure_with_a_remedy() -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        assert settings.REDIS_URL.endswith("/0")
        with pytest.raises(ValkeyUnavailable, match="services status"):
            live.read(["user_1"])
        with pytest.raises(ValkeyUnavailable):
            list(live.read_all())
