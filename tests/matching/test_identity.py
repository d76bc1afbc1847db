"""One person under two names: renamed, and found by either name."""

import json
from contextlib import closing
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from matching.models import PersonAlias, SeedUser, TravelSession, live
from matching.queries.session_checks import check_sessions
from matching.services import session_repairs
from matching.services.applications import end_trip, put_profile, put_trip
from matching.services.identity import rename_person
from matching.services.sessions import publish_sessions
from project import clock
from project.audit.models import Act, AuditEntry
from project.refusal import Refusal
from tests.factories import make_group, make_seed_user, make_session
from tests.waiting import until

pytestmark = pytest.mark.django_db


def test_a_former_name_stays_and_history_tells() -> None:
    person = make_seed_user("ada")
    renamed = rename_person(person, "ada-lovelace")
    assert (renamed.pk, renamed.external_id) == (person.pk, "ada-lovelace")
    alias = PersonAlias.objects.get()
    assert (alias.external_id, alias.person_id, alias.why) == ("ada", person.pk, "renamed")
    newest, before = person.history.all()
    assert (newest.external_id, before.external_id) == ("ada-lovelace", "ada")
    assert newest.history_change_reason == "Renamed"
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert entry.act == Act.PERSON
    assert "ada" not in f"{entry.title} {entry.detail}"


def test_who_returns_to_a_former_name_has_one_again() -> None:
    person = make_seed_user("ada")
    rename_person(person, "ada-2")
    rename_person(person, "ada")
    assert SeedUser.objects.get().external_id == "ada"
    assert [alias.external_id for alias in PersonAlias.objects.all()] == ["ada-2"]


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("ada", "ada is the name already"),
        ("bob", "bob is the name of another person.*people merge bob ada"),
        ("robert", "robert is a former name of bob.*people merge bob ada"),
        ("crew", "crew is the id of a group"),
        ("no name", "'no name' is no name"),
        ("", "'' is no name"),
    ],
)
def test_a_name_that_is_taken_is_refused_in_words(to: str, why: str) -> None:
    person, other = make_seed_user("ada"), make_seed_user("robert")
    rename_person(other, "bob")
    make_group("crew", [other])
    with pytest.raises(Refusal, match=why) as refused:
        rename_person(person, to)
    assert refused.value.remedy
    assert PersonAlias.objects.count() == 1


def test_the_database_lets_no_name_be_that_of_one_and_a_former_one_of_another() -> None:
    rename_person(make_seed_user("ada"), "ada-2")
    for attempt in (
        lambda: make_seed_user("ada"),
        lambda: SeedUser.objects.bulk_create([SeedUser(external_id="ada")]),
        lambda: SeedUser.objects.update(external_id="ada"),
        lambda: PersonAlias.objects.create(
            external_id="ada-2", person=SeedUser.objects.get(), why="renamed"
        ),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()


def doc(valkey: Any, name: str) -> dict[str, Any] | None:
    text = valkey.get(f"session:{name}")
    return None if text is None else json.loads(text)


def test_the_live_copy_moves_whole_with_its_time_to_live(
    valkey: Any, django_capture_on_commit_callbacks: Any
) -> None:
    person = make_seed_user("ada")
    session = make_session(person)
    publish_sessions(["ada"])
    said = {**(doc(valkey, "ada") or {}), "theirs": {"x": 1}}
    valkey.set("session:ada", json.dumps(said), px=1_234_000)
    with django_capture_on_commit_callbacks(execute=True):
        rename_person(person, "ada-2")
    session.refresh_from_db()
    assert session.external_id == "ada-2"
    assert doc(valkey, "ada") is None
    assert doc(valkey, "ada-2") == {**said, "userId": "ada-2"}
    assert 1_200_000 < valkey.pttl("session:ada-2") <= 1_234_000
    assert session.history.first().history_change_reason == "Its traveller was renamed"


def test_a_crash_before_the_copy_moved_is_mended_by_a_repair(valkey: Any) -> None:
    person = make_seed_user("ada")
    make_session(person)
    publish_sessions(["ada"])
    rename_person(person, "ada-2")  # what waits for the commit never comes
    report = check_sessions(minimum=1)
    assert report["verdict"] == "refuse"
    assert report["orphaned"]["examples"] == [
        {"external_id": "ada", "note": "a former name of ada-2"}
    ]
    repaired = session_repairs.mend_copies(session_repairs.mend_records(by=None))
    assert repaired["moved"] == 1
    assert doc(valkey, "ada") is None
    assert SeedUser.objects.count() == 1
    assert check_sessions(minimum=1)["verdict"] == "pass"


@pytest.mark.parametrize("only", [None, ["ada"], ["ada-2"]])
def test_what_an_application_writes_under_the_former_name_is_of_the_person(
    valkey: Any, only: list[str] | None
) -> None:
    person = make_seed_user("ada")
    make_session(person)
    rename_person(person, "ada-2")
    publish_sessions(["ada-2"])
    copy = doc(valkey, "ada-2") or {}
    later = (clock.now() + timedelta(seconds=9)).isoformat()
    place = {**copy["destination"], "name": "Porto"}
    theirs = {**copy, "userId": "ada", "destination": place, "createdAt": later}
    valkey.set("session:ada", json.dumps(theirs), ex=600)
    session_repairs.mend_copies(session_repairs.mend_records(only, by=None))
    session = TravelSession.objects.get()
    assert (session.external_id, session.destination_name) == ("ada-2", "Porto")
    assert doc(valkey, "ada") is None
    assert SeedUser.objects.count() == 1


def test_an_unreadable_copy_stays_where_it_is(valkey: Any) -> None:
    valkey.set("session:ada", "[]")
    moved = live.Moved("ada-2", clock.now())
    assert live.move({"ada": moved, "nobody": moved}) == 0
    assert valkey.get("session:ada") == b"[]"


def test_an_older_copy_under_the_former_name_gives_way(valkey: Any) -> None:
    person = make_seed_user("ada")
    make_session(person)
    publish_sessions(["ada"])
    old = doc(valkey, "ada")
    rename_person(person, "ada-2")
    publish_sessions(["ada-2"])
    valkey.set("session:ada", json.dumps({**(old or {}), "budget": 1.0}))
    assert live.move({"ada": live.Moved("ada-2", clock.now())}) == 1
    assert (doc(valkey, "ada-2") or {})["budget"] != 1.0
    assert doc(valkey, "ada") is None


def test_an_application_may_go_on_with_the_former_name(valkey: Any) -> None:
    person = make_seed_user("ada", origin=1)
    rename_person(person, "ada-2")
    stored = put_profile("ada", {"age": 41})
    assert (stored.user.pk, stored.is_new, stored.user.age) == (person.pk, False, 41)
    start = clock.today() + timedelta(days=9)
    trip = {
        "destination_lat": 38.7,
        "destination_lon": -9.1,
        "start_date": start.isoformat(),
        "end_date": start.isoformat(),
    }
    assert put_trip("ada", trip).trip.external_id == "ada-2"
    ended = end_trip("ada")
    assert ended is not None
    assert SeedUser.objects.count() == 1


def test_valkey_away_lets_the_rename_stand_and_says_so(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def away(moves: Any) -> int:
        raise live.ValkeyUnavailable("Valkey does not answer.")

    monkeypatch.setattr(live, "move", away)
    told: list[str] = []
    with django_capture_on_commit_callbacks(execute=True):
        rename_person(make_seed_user("ada"), "ada-2", on_failure=told.append)
    assert told == ["Valkey does not answer."]
    assert SeedUser.objects.get().external_id == "ada-2"


@pytest.mark.django_db(transaction=True)
def test_a_name_that_is_being_given_waits_for_who_is_being_added_and_is_refused(
    valkey: Any,
) -> None:
    person = make_seed_user("ada")
    is_added, may_commit = Event(), Event()
    refused: list[str] = []

    def add() -> None:
        with closing(connection), transaction.atomic():
            make_seed_user("eve")
            is_added.set()
            may_commit.wait()

    def rename() -> None:
        with closing(connection):
            try:
                rename_person(person, "eve")
            except Refusal as refusal:
                refused.append(refusal.message)

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            return cursor.fetchone() is not None

    adding, renaming = Thread(target=add), Thread(target=rename)
    adding.start()
    is_added.wait()
    renaming.start()
    until(is_waiting)
    may_commit.set()
    adding.join()
    renaming.join()
    assert refused == ["eve is the name of another person."]
    assert not PersonAlias.objects.exists()
