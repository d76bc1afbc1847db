"""Sessions: made, published, checked, repaired and adopted."""

import json
import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from matching.models import SeedUser, TravelSession, live
from matching.queries.session_checks import inspect_sessions
from matching.queries.sessions import user_attributes
from matching.queries.travellers import load_travellers
from matching.services import session_repairs, sessions
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.origin import Origin
from tests.factories import make_group, make_seed_user, make_session
from tests.matching.commands import run_command, show_command
from tests.matching.test_sessions_live import DOCUMENT

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


def published(owner: Any = None, **fields: Any) -> TravelSession:
    """A session whose live copy is there."""
    session = make_session(owner, **fields)
    sessions.publish_sessions([session.external_id])
    return session


def write_document(valkey: Any, external_id: str, ttl: int = 3600, **changes: Any) -> None:
    document = {**DOCUMENT, "userId": external_id, **changes}
    valkey.set(f"session:{external_id}", json.dumps(document), ex=ttl)


def milliseconds(moment: datetime) -> int:
    """Since 1970, as Valkey counts the moment at which a key expires."""
    return math.ceil(moment.timestamp() * 1000)


def names(finding: dict[str, Any]) -> list[str]:
    return [one["external_id"] for one in finding["examples"]]


def test_created_session_has_a_record_and_a_copy_with_static_attributes(valkey: Any) -> None:
    user = make_seed_user("seed_one")
    before = timezone.now()
    code, result = run_command("create_sessions", "--now", "--ttl-days", "3")
    assert (code, result["created"], result["published"]) == (0, 1, 1)
    record = TravelSession.objects.get(user=user)
    document = json.loads(valkey.get("session:seed_one"))
    assert set(document) == set(DOCUMENT)
    assert document["userId"] == "seed_one"
    assert document["budget"] == record.budget
    assert document["static_attributes"] == user_attributes(user)
    assert set(document["static_attributes"]) == set(DOCUMENT["static_attributes"])
    assert before < record.expires_at - timedelta(days=3) < timezone.now()
    assert valkey.pexpiretime("session:seed_one") == milliseconds(record.expires_at)
    assert record.history.count() == 1


def test_creating_again_adds_nothing_and_renews_only_the_expired() -> None:
    make_seed_user("fresh")
    late = make_session(make_seed_user("late"), expires_at=timezone.now() - timedelta(days=1))
    run_command("create_sessions", "--now")
    code, result = run_command("create_sessions", "--now")
    assert (code, result["created"], result["renewed"], result["already_live"]) == (0, 0, 0, 2)
    late.refresh_from_db()
    assert late.expires_at > timezone.now()
    assert late.history.first().history_change_reason == "Renewed"
    assert "added nothing" in show_command("create_sessions", "--now")


def test_same_seed_draws_the_same_trips(valkey: Any) -> None:
    users = [make_seed_user(f"u{n}") for n in range(5)]
    fields = ("destination_name", "budget", "start_date", "end_date")
    run_command("create_sessions", "--now", "--seed", "4")
    first = list(TravelSession.objects.values_list(*fields))
    TravelSession.objects.all().delete()
    valkey.flushdb()
    run_command("create_sessions", "--now", "--seed", "4")
    assert list(TravelSession.objects.values_list(*fields)) == first
    assert len(users) == len(first)


def test_named_users_get_the_trips_of_their_names() -> None:
    run_command("seed_users", "--now", "--count", "0")
    run_command("create_sessions", "--now")
    short = TravelSession.objects.get(external_id="seed_short_trip_005")
    long = TravelSession.objects.get(external_id="seed_long_trip_006")
    assert (short.end_date - short.start_date).days == 3
    assert (long.end_date - long.start_date).days == 56
    assert TravelSession.objects.filter(group__isnull=False, mode="group").count() == 4
    assert len(load_travellers("user_group").users) == 6


def test_group_copy_describes_its_members(valkey: Any) -> None:
    old = make_seed_user("a_old", age=60, extraversion=0.1, personality="introvert")
    young = make_seed_user("b_young", age=20, extraversion=0.2, personality="introvert")
    make_group("group_x", [young, old])
    run_command("create_sessions", "--now")
    document = json.loads(valkey.get("session:group_x"))
    static = document["static_attributes"]
    assert document["mode"] == "group"
    assert (static["age"], static["personality"]) == (40, "introvert")
    assert static["location"] == {"lat": old.home_lat, "lon": old.home_lon}
    members = TravelSession.objects.filter(user__isnull=False)
    assert document["budget"] > 0
    assert members.count() == 2


def test_only_the_selected_owners_get_sessions() -> None:
    chosen, other = make_seed_user(), make_seed_user()
    job = enqueue("matching.create_sessions", ring_bell=False, users=[chosen.pk])
    run_job(str(job.pk))
    assert TravelSession.objects.filter(user=chosen).exists()
    assert not TravelSession.objects.filter(user=other).exists()


@pytest.mark.parametrize(
    "arguments", [["--ttl-days", "0"], ["--ttl-days", "400"], ["--seed", "-1"]]
)
def test_unusable_arguments_end_with_1(arguments: list[str]) -> None:
    assert run_command("create_sessions", "--now", *arguments)[0] == 1


def test_creating_for_nobody_says_what_to_do() -> None:
    assert "seed_users first" in show_command("create_sessions", "--now")


def test_without_valkey_nothing_is_created_for_nobody_knows_what_stands_there() -> None:
    make_seed_user("one")
    job = enqueue("matching.create_sessions", ring_bell=False)
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.REFUSED
    assert not TravelSession.objects.exists()


def test_retry_after_valkey_was_away_publishes_what_is_recorded(
    valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_seed_user("one")
    job = enqueue("matching.create_sessions", ring_bell=False)

    def write(*_: Any, **__: Any) -> int:
        raise live.ValkeyUnavailable("gone in between")

    with monkeypatch.context() as away:
        away.setattr(live, "write", write)
        run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.REFUSED
    assert TravelSession.objects.count() == 1
    assert not valkey.exists("session:one")
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED)
    run_job(str(job.pk))
    assert valkey.exists("session:one")


@pytest.mark.parametrize(
    "value", [json.dumps({**DOCUMENT, "userId": "theirs"}), "{", ""], ids=["theirs", "broken", ""]
)
def test_a_session_that_another_application_has_is_left_alone(valkey: Any, value: str) -> None:
    make_seed_user("ours")
    for name in ("theirs", "late"):
        valkey.set(f"session:{name}", value)
    make_seed_user("theirs")
    make_session(make_seed_user("late"), expires_at=timezone.now() - timedelta(days=1))
    group = make_group("many", [make_seed_user("theirs_too")])
    valkey.set("session:many", value)
    code, result = run_command("create_sessions", "--now")
    assert (code, result["created"], result["published"]) == (0, 2, 2)
    assert result["held_elsewhere"] == {"count": 3, "examples": ["late", "many", "theirs"]}
    for name in ("theirs", "late", "many"):
        assert valkey.get(f"session:{name}").decode() == value
    assert not TravelSession.objects.filter(group=group).exists()
    assert "check_sessions" in show_command("create_sessions", "--now")


def test_one_that_comes_while_sessions_are_drawn_is_left_alone(
    valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_seed_user("one")
    monkeypatch.setattr(live, "present", lambda _: set())
    write_document(valkey, "one", budget=42.0)
    came = valkey.get("session:one")
    _, result = run_command("create_sessions", "--now")
    assert (result["created"], result["published"]) == (1, 0)
    assert valkey.get("session:one") == came


@pytest.mark.parametrize("is_readable", [True, False])
def test_what_another_application_wrote_over_ours_outlives_every_publishing(
    valkey: Any, is_readable: bool
) -> None:
    record = published(make_seed_user("one"))
    newer = (record.created_at + timedelta(hours=1)).isoformat()
    write_document(valkey, "one", createdAt=newer, budget=42.0)
    if not is_readable:
        valkey.set("session:one", "{")
    before = valkey.get("session:one")
    assert sessions.publish_sessions(["one"]) == 0
    TravelSession.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert sessions.publish_sessions(["one"]) == 0
    assert valkey.get("session:one") == before


def test_an_adopted_session_that_its_application_renewed_is_not_removed(valkey: Any) -> None:
    adopt(valkey, "theirs")
    TravelSession.objects.update(expires_at=timezone.now() - timedelta(days=1))
    sessions.publish_sessions(["theirs"])
    assert valkey.exists("session:theirs")


def test_sessions_in_order_pass() -> None:
    for _ in range(5):
        published()
    code, report = run_command("check_sessions")
    assert (code, report["verdict"], report["live"]) == (0, "pass", 5)


def test_too_few_live_sessions_end_with_2() -> None:
    published()
    assert run_command("check_sessions", "--min", "1")[0] == 0
    code, report = run_command("check_sessions", "--min", "2")
    assert (code, report["verdict"]) == (2, "refuse")
    assert "create_sessions" in report["remedy"]
    assert run_command("check_sessions", "--min", "0")[0] == 1


def test_flushed_valkey_is_said_and_repaired_from_the_records(valkey: Any) -> None:
    record = published(make_seed_user("one"), expires_at=timezone.now() + timedelta(hours=5))
    before = json.loads(valkey.get("session:one"))
    valkey.flushdb()
    code, report = run_command("check_sessions", "--min", "1")
    assert code == 2
    assert names(report["lost"]) == ["one"]
    assert "perhaps flushed" in report["remedy"]
    code, report = run_command("check_sessions", "--min", "1", "--repair", "--now")
    assert (code, report["repaired"]["restored"]) == (0, 1)
    assert json.loads(valkey.get("session:one")) == before
    assert valkey.pexpiretime("session:one") == milliseconds(record.expires_at)


def test_copy_out_of_step_is_named_field_by_field_and_rewritten(valkey: Any) -> None:
    published(make_seed_user("one"))
    document = json.loads(valkey.get("session:one"))
    document["budget"] = 1.0
    document["static_attributes"]["age"] = 77
    valkey.set("session:one", json.dumps(document), keepttl=True)
    code, report = run_command("check_sessions", "--min", "1")
    assert code == 2
    assert report["out_of_step"]["examples"] == [
        {"external_id": "one", "fields": ["budget", "static_attributes.age"]}
    ]
    assert "static_attributes.age" in show_command("check_sessions")
    code, report = run_command("check_sessions", "--min", "1", "--repair", "--now")
    assert (code, report["repaired"]["rewritten"]) == (0, 1)
    assert json.loads(valkey.get("session:one"))["budget"] == 1500.0
    assert TravelSession.objects.get().budget == 1500.0


def test_wrong_time_to_live_is_out_of_step(valkey: Any) -> None:
    published(make_seed_user("one"))
    valkey.persist("session:one")
    _, report = run_command("check_sessions")
    assert report["out_of_step"]["examples"] == [{"external_id": "one", "fields": ["expires"]}]
    run_command("check_sessions", "--repair", "--now")
    assert valkey.pttl("session:one") > 0


def test_copy_without_static_attributes_gets_them(valkey: Any) -> None:
    published(make_seed_user("one"))
    document = json.loads(valkey.get("session:one"))
    del document["static_attributes"]
    valkey.set("session:one", json.dumps(document), keepttl=True)
    code, report = run_command("check_sessions", "--min", "1")
    assert (code, names(report["without_static_attributes"])) == (2, ["one"])
    assert report["live"] == 0
    assert run_command("check_sessions", "--min", "1", "--repair", "--now")[0] == 0
    assert json.loads(valkey.get("session:one"))["static_attributes"]["age"] == 29


def test_expired_record_only_warns() -> None:
    published()
    make_session(make_seed_user("late"), expires_at=timezone.now() - timedelta(seconds=1))
    code, report = run_command("check_sessions", "--min", "1")
    assert (code, report["verdict"], names(report["expired"])) == (0, "warn", ["late"])


def test_malformed_copy_is_named_kept_and_only_warns(valkey: Any) -> None:
    published()
    valkey.set("session:broken", "{")
    code, report = run_command("check_sessions", "--min", "1", "--repair", "--now")
    assert (code, report["verdict"], names(report["malformed"])) == (0, "warn", ["broken"])
    assert valkey.get("session:broken") == b"{"


def test_session_of_another_application_is_adopted_with_its_owner(valkey: Any) -> None:
    before = timezone.now()
    write_document(valkey, "real_person_9", ttl=10 * 86_400, theirs="kept")
    code, report = run_command("check_sessions", "--min", "1")
    assert (code, names(report["orphaned"])) == (2, ["real_person_9"])
    code, report = run_command("check_sessions", "--min", "1", "--repair", "--now")
    assert (code, report["repaired"]["adopted"], report["repaired"]["adopted_users"]) == (0, 1, 1)
    record = TravelSession.objects.get(external_id="real_person_9")
    assert (record.is_adopted, record.origin, record.budget) == (True, Origin.REAL.code, 1500.0)
    owner = SeedUser.objects.get(external_id="real_person_9")
    assert (owner.age, owner.origin, owner.completeness) == (29, Origin.REAL.code, 1.0)
    assert before + timedelta(days=9) < record.expires_at < timezone.now() + timedelta(days=10)
    assert json.loads(valkey.get("session:real_person_9"))["theirs"] == "kept"
    assert list(load_travellers("user_user").users["external_id"]) == ["real_person_9"]


def test_adopted_owner_lacks_what_is_not_valid_and_is_found(valkey: Any) -> None:
    static = {**DOCUMENT["static_attributes"], "age": 7, "interests": ["knitting"], "location": 5}
    write_document(valkey, "odd", static_attributes=static)
    run_command("check_sessions", "--min", "1", "--repair", "--now")
    owner = SeedUser.objects.get(external_id="odd")
    assert owner.missing_fields == ["age", "home_lat", "home_lon"]
    assert owner.interests == ["knitting"]
    assert run_command("check_profiles", "odd")[0] == 2


def test_session_of_a_known_user_without_a_record_is_adopted(valkey: Any) -> None:
    user = make_seed_user("known", age=55)
    write_document(valkey, "known")
    run_command("check_sessions", "--repair", "--now")
    assert TravelSession.objects.get(user=user).destination_name == "Lisbon"
    user.refresh_from_db()
    assert user.age == 55
    assert json.loads(valkey.get("session:known"))["static_attributes"]["age"] == 55


def test_newer_session_under_our_key_goes_before_the_record(valkey: Any) -> None:
    record = published(make_seed_user("one"))
    newer = (record.created_at + timedelta(hours=1)).isoformat()
    write_document(valkey, "one", createdAt=newer, budget=42.0)
    code, report = run_command("check_sessions", "--min", "1", "--repair", "--now")
    assert (code, report["repaired"]["updated_from_copy"]) == (0, 1)
    record.refresh_from_db()
    assert (record.budget, record.is_adopted) == (42.0, True)
    assert record.history.first().history_change_reason == "Updated by another application"


def adopt(valkey: Any, external_id: str, **changes: Any) -> TravelSession:
    """A session that another application wrote and a repair has adopted."""
    write_document(valkey, external_id, **changes)
    run_command("check_sessions", "--repair", "--now")
    return TravelSession.objects.get(external_id=external_id)


WRITTEN_LATER: dict[str, dict[str, Any]] = {
    "destination": {"destination": {"name": "Porto", "lat": 41.15, "lon": -8.61}},
    "budget": {"budget": 42.0},
    "days": {"startDate": "2027-02-01", "endDate": "2027-02-03"},
    "mode": {"mode": "group"},
    "interests": {"interests": ["surfing"]},
    "time of creation, earlier": {"createdAt": "2020-01-01T00:00:00.000+00:00", "budget": 42.0},
    "no time of creation": {"createdAt": None, "budget": 42.0},
}


@pytest.mark.parametrize("changes", WRITTEN_LATER.values(), ids=WRITTEN_LATER.keys())
def test_adopted_copy_stays_as_its_application_writes_it_and_the_record_follows(
    valkey: Any, changes: dict[str, Any]
) -> None:
    adopt(valkey, "theirs", seat="12A")
    written = {**DOCUMENT, "userId": "theirs", "seat": "12B", **changes}
    valkey.set("session:theirs", json.dumps(written), keepttl=True)
    code, report = run_command("check_sessions", "--min", "1", "--repair", "--now")
    assert (code, report["repaired"]["updated_from_copy"]) == (0, 1)
    kept = json.loads(valkey.get("session:theirs"))
    for name in ("destination", "budget", "startDate", "endDate", "mode", "interests", "seat"):
        assert kept[name] == written[name], name
    record = TravelSession.objects.get(external_id="theirs")
    assert record.is_adopted
    assert record.destination_name == written["destination"]["name"]
    assert (record.budget, record.mode) == (written["budget"], written["mode"])
    assert record.interests == written["interests"]
    assert (f"{record.start_date}", f"{record.end_date}") == (
        written["startDate"],
        written["endDate"],
    )


@pytest.mark.parametrize("days", [5, 20])
def test_adopted_copy_lives_as_long_as_its_application_says(valkey: Any, days: int) -> None:
    adopt(valkey, "theirs", ttl=10 * 86_400)
    before = timezone.now()
    valkey.expire("session:theirs", timedelta(days=days))
    run_command("check_sessions", "--repair", "--now")
    record = TravelSession.objects.get(external_id="theirs")
    assert before < record.expires_at - timedelta(days=days) + timedelta(hours=1)
    assert record.expires_at < timezone.now() + timedelta(days=days)
    assert valkey.pexpiretime("session:theirs") == milliseconds(record.expires_at)


def test_what_another_application_keeps_in_an_adopted_copy_outlives_our_writing(
    valkey: Any,
) -> None:
    static = {**DOCUMENT["static_attributes"], "shoe_size": 41}
    adopt(valkey, "theirs", seat={"row": 12}, static_attributes=static)
    SeedUser.objects.filter(external_id="theirs").update(age=30)
    sessions.publish_sessions(["theirs"])
    kept = json.loads(valkey.get("session:theirs"))
    assert kept["seat"] == {"row": 12}
    assert (kept["static_attributes"]["age"], kept["static_attributes"]["shoe_size"]) == (30, 41)


def test_copy_that_came_while_a_lost_one_was_being_restored_is_left_alone(valkey: Any) -> None:
    published(make_seed_user("one"))
    valkey.flushdb()
    planned = session_repairs.mend_records(by=None)
    write_document(valkey, "one", budget=42.0)
    came = valkey.get("session:one")
    session_repairs.mend_copies(planned)
    assert valkey.get("session:one") == came


def test_older_copy_under_our_key_does_not_go_before_our_record(valkey: Any) -> None:
    record = published(make_seed_user("one"))
    same = record.created_at.isoformat(timespec="milliseconds")
    older = (record.created_at - timedelta(hours=1)).isoformat()
    for created_at in (same, older, None):
        write_document(valkey, "one", createdAt=created_at, budget=42.0)
        _, report = run_command("check_sessions", "--repair", "--now")
        assert (report["repaired"]["rewritten"], report["repaired"]["updated_from_copy"]) == (1, 0)
        assert json.loads(valkey.get("session:one"))["budget"] == 1500.0


def test_copy_of_a_deleted_owner_is_removed_and_never_adopted(valkey: Any) -> None:
    user = make_seed_user("gone")
    write_document(valkey, "gone")
    user.delete()
    _, report = run_command("check_sessions")
    assert report["orphaned"]["examples"] == [
        {"external_id": "gone", "note": "its owner was deleted"}
    ]
    run_command("check_sessions", "--repair", "--now")
    assert not valkey.exists("session:gone")
    assert not SeedUser.objects.exists()


def test_repair_in_order_changes_nothing(valkey: Any) -> None:
    published(make_seed_user("one"))
    before = valkey.get("session:one")
    _, report = run_command("check_sessions", "--repair", "--now")
    assert not any(report["repaired"].values())
    assert valkey.get("session:one") == before
    assert "nothing to do" in show_command("check_sessions", "--repair", "--now")


def test_check_without_valkey_ends_with_1_and_a_remedy() -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        code, message = run_command("check_sessions")
    assert code == 1
    assert "services status" in message


def test_check_job_is_refused_while_something_is_lost() -> None:
    make_session()
    job = enqueue("matching.check_sessions", ring_bell=False, minimum=1)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.REFUSED
    assert job.result["refused"]["lost"]["count"] == 1
    sessions.publish_sessions(TravelSession.objects.values_list("external_id", flat=True))
    job = enqueue("matching.check_sessions", ring_bell=False, minimum=1)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED


def test_repair_of_some_leaves_the_others_alone(valkey: Any) -> None:
    for name in ("a", "b"):
        published(make_seed_user(name))
    valkey.flushdb()
    job = enqueue("matching.repair_sessions", ring_bell=False, minimum=1, only=["a"])
    run_job(str(job.pk))
    assert [copy.external_id for copy in live.read_all()] == ["a"]


def test_inspecting_takes_the_same_queries_for_many_as_for_one(
    django_assert_num_queries: Any,
) -> None:
    published(make_group())
    with django_assert_num_queries(2):
        inspect_sessions()
    for _ in range(4):
        published(make_group())
        published()
    with django_assert_num_queries(2):
        inspect_sessions()
