"""Seeding, importing, completing and checking users."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from matching.domain.personality import personality_of
from matching.domain.population import ARCHETYPES, is_of_age
from matching.domain.profiles import clean_profile
from matching.models import PROFILE_FIELDS, SeedUser, TravelGroup, TravelSession
from matching.queries import named
from matching.services import people
from project.acting import Actor
from project.jobs.models import Job, Schedule
from project.jobs.runner import run_job
from project.jobs.services import enqueue, save_schedule, start_due
from project.origin import Origin
from project.uploads.services import keep_upload
from tests.factories import make_seed_user, make_staff
from tests.matching.commands import run_command, show_command

pytestmark = pytest.mark.django_db

NAMES = [
    "seed_budget_traveler_001",
    "seed_luxury_traveler_002",
    "seed_solo_introvert_003",
    "seed_extrovert_group_004",
    "seed_short_trip_005",
    "seed_long_trip_006",
]


def test_named_users_are_complete_and_match_their_names() -> None:
    users = {user["external_id"]: user for user in named.users()}
    assert list(users) == NAMES
    for user in users.values():
        assert all(user[field] not in (None, "", []) for field in PROFILE_FIELDS)
        assert user["archetype"] in {kind.name for kind in ARCHETYPES}
    assert users["seed_solo_introvert_003"]["personality"] == "introvert"
    assert users["seed_extrovert_group_004"]["personality"] == "extrovert"
    trips = named.trips()
    assert trips["seed_short_trip_005"].days <= 4
    assert trips["seed_long_trip_006"].days >= 30
    assert trips["seed_budget_traveler_001"].budget < trips["seed_luxury_traveler_002"].budget / 5
    assert len(named.groups()) == 4
    for group in named.groups():
        assert set(group["members"]) <= set(NAMES)
        assert len(group["members"]) >= 2


def test_broken_fixture_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "named_users.json"
    entries = json.loads(named.USERS_FILE.read_text(encoding="utf-8"))
    entries[0]["age"] = 7
    broken.write_text(json.dumps(entries))
    monkeypatch.setattr(named, "USERS_FILE", broken)
    named.users.cache_clear()
    try:
        with pytest.raises(named.InvalidFixture, match=r"seed_budget_traveler_001, age: Expected"):
            named.users()
    finally:
        named.users.cache_clear()


def test_seeding_twice_adds_nothing_and_says_so() -> None:
    code, first = run_command("seed_users", "--now", "--count", "40", "--seed", "3")
    assert (code, first["users_added"], first["groups_added"]) == (0, 46, 9)
    _, second = run_command("seed_users", "--now", "--count", "40", "--seed", "3")
    assert (second["users_added"], second["users_kept"]) == (0, 46)
    assert (second["groups_added"], second["groups_kept"]) == (0, 9)
    assert SeedUser.objects.count() == 46
    assert "Added nothing" in show_command("seed_users", "--now", "--count", "40", "--seed", "3")


def test_a_larger_count_adds_only_the_rest_and_another_seed_adds_others() -> None:
    run_command("seed_users", "--now", "--count", "10")
    before = set(SeedUser.objects.values_list("external_id", "age"))
    _, result = run_command("seed_users", "--now", "--count", "25")
    assert (result["users_added"], result["users_kept"]) == (15, 16)
    assert before <= set(SeedUser.objects.values_list("external_id", "age"))
    _, result = run_command("seed_users", "--now", "--count", "10", "--seed", "8")
    assert result["users_added"] == 10


def test_seeding_leaves_edits_of_people_alone() -> None:
    run_command("seed_users", "--now", "--count", "0")
    SeedUser.objects.filter(external_id=NAMES[0]).update(age=99)
    TravelGroup.objects.get(external_id="group_museum_weekend_003").members.clear()
    run_command("seed_users", "--now", "--count", "0")
    assert SeedUser.objects.get(external_id=NAMES[0]).age == 99
    assert not TravelGroup.objects.get(external_id="group_museum_weekend_003").members.exists()


def test_drawn_users_are_complete_valid_synthetic_and_have_a_history() -> None:
    run_command("seed_users", "--now", "--count", "60")
    assert not SeedUser.objects.incomplete().exists()
    assert set(SeedUser.objects.values_list("origin", flat=True)) == {Origin.SYNTHETIC.code}
    for user in SeedUser.objects.all():
        assert clean_profile({name: getattr(user, name) for name in PROFILE_FIELDS})[1] == {}
    assert SeedUser.history.count() == SeedUser.objects.count()
    group = TravelGroup.objects.exclude(name="").order_by("-external_id").first()
    assert group is not None
    remembered = group.history.first().members.values_list("seeduser_id", flat=True)
    assert set(remembered) == set(group.members.values_list("pk", flat=True))


def test_the_history_of_what_a_job_wrote_names_who_asked_for_it() -> None:
    somebody = make_staff(
        "matching.add_seeduser",
        "matching.change_seeduser",
        "matching.add_travelsession",
        name="somebody",
    )
    run_job(str(enqueue("matching.seed_users", ring_bell=False, count=8, seed=1, by=somebody).pk))
    SeedUser.objects.filter(external_id__in=NAMES[:2]).update(age=None)
    run_job(str(enqueue("matching.complete_users", ring_bell=False, by=somebody).pk))
    run_job(str(enqueue("matching.create_sessions", ring_bell=False, by=somebody).pk))
    for model in (SeedUser, TravelGroup, TravelSession):
        authors = set(model.history.values_list("history_user__username", flat=True))
        assert authors == {"somebody"}
        assert set(model.history.values_list("history_actor", flat=True)) == {"somebody"}
    assert SeedUser.history.filter(history_type="~").count() == 2


def test_block_after_block_is_made_and_a_retry_goes_on_after_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(people, "BLOCK", 10)
    job = enqueue("matching.seed_users", ring_bell=False, count=25, seed=1, by=None)
    whole = people.seed_block

    def breaks(*, seed: int, block: int, count: int, by: Any) -> people.Seeded:
        if block == 2:
            raise RuntimeError("power cut")
        return whole(seed=seed, block=block, count=count, by=by)

    monkeypatch.setattr(people, "seed_block", breaks)
    with pytest.raises(RuntimeError, match="power cut"):
        run_job(str(job.pk))
    assert SeedUser.objects.exclude(external_id__in=NAMES).count() == 20
    monkeypatch.setattr(people, "seed_block", whole)
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED, lease_until=None)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.result["users_added"]) == (Job.State.SUCCEEDED, 31)
    assert SeedUser.objects.count() == 31


@pytest.mark.parametrize(
    "arguments",
    [["--count", "-1"], ["--count", "x"], ["--seed", "-1"], ["--file", "a.json", "--complete"]],
)
def test_unusable_arguments_end_with_1(arguments: list[str]) -> None:
    code, _ = run_command("seed_users", "--now", *arguments)
    assert code == 1


def write_csv(folder: Path, *lines: str) -> Path:
    file = folder / "people.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_import_lands_good_rows_and_names_bad_ones_by_line_and_field(tmp_path: Path) -> None:
    file = write_csv(
        tmp_path,
        "external_id,age,interests,personality",
        "good,30,food|wine,introvert",
        "young,12,food,",
        "odd id,30,food,",
        "good,31,food,",
        "words,30,{},".format("x" * 41),
    )
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", str(file))
    assert code == 0
    assert (result["added"], result["rows_refused"], result["rows"]) == (1, 4, 5)
    named_errors = [(e["line"], e["field"]) for e in result["errors"]]
    assert named_errors == [(3, "age"), (4, "external_id"), (5, "external_id"), (6, "interests")]
    assert "good stands on line 2 already" in result["errors"][2]["message"]
    user = SeedUser.objects.get(external_id="good")
    assert (user.origin, user.interests) == (Origin.REAL.code, ["food", "wine"])
    assert personality_of(user.extraversion or 0.0) == "introvert"
    assert "line" in show_command("seed_users", "--now", "--origin", "real", "--file", str(file))


def test_text_that_no_database_takes_is_an_error_of_its_row_only(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    people = [
        {"external_id": "nul\x00id", "age": 30},
        {"external_id": "half", "name": "\ud800"},
        {"external_id": "listed", "interests": ["fo\x00od"]},
        {"external_id": "field", "na\x00me": "Ada"},  # a name that is no column
        {"external_id": "good", "age": 30},
    ]
    file.write_text("[" + ",\n".join(json.dumps(each) for each in people) + "]")
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", str(file))
    assert (code, result["added"], result["rows_refused"]) == (0, 2, 3)
    named_errors = [(e["line"], e["external_id"], e["field"]) for e in result["errors"]]
    assert named_errors == [
        (1, "", "external_id"),
        (2, "half", "name"),
        (3, "listed", "interests"),
    ]


def test_importing_a_file_twice_changes_nothing(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "external_id,age", "a,30", "b,31")
    assert (
        run_command("seed_users", "--now", "--origin", "real", "--file", str(file))[1]["added"] == 2
    )
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", str(file))
    assert (code, result["added"], result["updated"], result["unchanged"]) == (0, 0, 0, 2)
    assert SeedUser.history.count() == 2


def test_import_updates_given_fields_keeps_the_rest_and_its_history(tmp_path: Path) -> None:
    user = make_seed_user("known", age=30, personality="extrovert", extraversion=0.9)
    file = tmp_path / "people.json"
    file.write_text(json.dumps([{"external_id": "known", "age": "", "personality": "introvert"}]))
    assert (
        run_command("seed_users", "--now", "--origin", "real", "--file", str(file))[1]["updated"]
        == 1
    )
    user.refresh_from_db()
    assert (user.age, user.personality) == (30, "introvert")
    assert user.extraversion == 0.0
    assert user.history.first().history_change_reason == "Imported from a file"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b'[{"external_id": "a"},', "Line 1: the JSON is broken"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(80), "a picture (PNG)"),
        ("a.csv", b"external_id\n", "names 1 column, and no rows"),
        ("a.jsonl", b"broken\n", "Line 1: Expected JSON"),
        ("a.csv", b"external_id,age,age\na,20,30\n", "twice"),
    ],
)
def test_unusable_file_ends_with_2_and_lands_nothing(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", str(file))
    assert code == 2
    assert words in result["refused"]["message"]
    assert not SeedUser.objects.exists()
    assert Job.objects.get().state == Job.State.REFUSED


def test_a_column_that_is_no_field_is_listed_and_refuses_nothing(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "external_id,colour,e-mail", "a,red,a@example.org")
    code, result = run_command("seed_users", "--now", "--origin", "real", "--file", str(file))
    assert (code, result["added"]) == (0, 1)
    assert "columns that are no field, ignored: colour, e-mail" in result["notes"]


def test_a_file_that_does_not_say_whether_its_people_are_real_asks(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "external_id,age", "a,30", "b,31")
    code, result = run_command("seed_users", "--now", "--file", str(file))
    assert code == 2
    assert (
        "neither that its people are real nor that they are synthetic"
        in (result["refused"]["message"])
    )
    assert not SeedUser.objects.exists()
    command = result["refused"]["command"]
    assert command == f"manage.py seed_users --file {file} --origin real"
    _, name, *options = command.split()
    assert run_command(name, "--now", *options)[1]["added"] == 2


def test_people_are_what_their_rows_say_and_never_the_other(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "external_id,origin", "a,real", "b,Synthetic", "c,Zurich")
    code, result = run_command("seed_users", "--now", "--file", str(file))
    assert (code, result["added"], result["rows_refused"]) == (0, 2, 1)
    assert "says neither" in result["errors"][0]["message"]
    origins = dict(SeedUser.objects.values_list("external_id", "origin"))
    assert origins == {"a": Origin.REAL.code, "b": Origin.SYNTHETIC.code}
    options = ("--now", "--origin", "synthetic", "--file", str(file))
    _, result = run_command("seed_users", *options)
    assert (result["added"], result["unchanged"], result["rows_refused"]) == (1, 1, 1)
    assert "this row says that it is real" in result["errors"][0]["message"]


def test_nobody_real_becomes_synthetic(tmp_path: Path) -> None:
    make_seed_user("a", origin=Origin.REAL.code)
    file = write_csv(tmp_path, "external_id,age", "a,30", "b,31")
    options = ("--now", "--origin", "synthetic", "--file", str(file))
    _, result = run_command("seed_users", *options)
    assert (result["added"], result["rows_refused"]) == (1, 1)
    assert "a real person, who is here" in result["errors"][0]["message"]


def test_missing_file_ends_with_1(tmp_path: Path) -> None:
    code, message = run_command(
        "seed_users", "--now", "--origin", "real", "--file", str(tmp_path / "no.csv")
    )
    assert (code, "No such file" in message) == (1, True)


def test_who_may_only_add_changes_nobody(tmp_path: Path) -> None:
    there = make_seed_user("there", age=30)
    content = b"external_id,age\nthere,50\nnew,20\n"
    adder = make_staff("matching.add_seeduser")
    upload = keep_upload(io.BytesIO(content), "people.csv", by=Actor.of(adder))
    job = enqueue(
        "matching.import_users", ring_bell=False, file=str(upload.pk), origin="real", by=adder
    )
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.result["added"], job.result["updated"], job.result["rows_refused"]) == (1, 0, 1)
    assert "right to change" in job.result["errors"][0]["message"]
    there.refresh_from_db()
    assert there.age == 30


def test_completing_fills_only_what_is_missing_and_names_it() -> None:
    user = make_seed_user(
        "lacks", archetype="luxury_traveler", age=None, interests=[], home_lat=None, home_lon=None
    )
    whole = make_seed_user("whole")
    code, result = run_command("seed_users", "--now", "--complete")
    assert (code, result["completed"]) == (0, 1)
    filled = result["users"][0]["filled"]
    assert set(filled) == {"age", "interests", "home_lat", "home_lon"}
    assert result["fields"] == {"age": 1, "interests": 1, "home_lat": 1, "home_lon": 1}
    user.refresh_from_db()
    assert user.completeness == 1.0
    assert (user.age, user.interests) == (filled["age"], filled["interests"])
    assert (user.nationality, user.personality) == ("german", "extrovert")
    assert user.history.first().history_change_reason == (
        "Filled in: age, interests, home_lat, home_lon"
    )
    assert whole.history.count() == 1
    assert "Every profile is complete" in show_command("seed_users", "--now", "--complete")


def test_nothing_is_invented_of_real_people_at_any_way_in() -> None:
    real = make_seed_user(
        "real", origin=Origin.REAL.code, gender="", home_lat=None, home_lon=None, nationality=""
    )
    drawn = make_seed_user("drawn", gender="")
    code, result = run_command("seed_users", "--now", "--complete")
    assert (code, result["completed"], result["real_left"]) == (0, 1, 1)
    assert [user["external_id"] for user in result["users"]] == ["drawn"]
    # A job that names them, and the service itself.
    run_job(str(enqueue("matching.complete_users", ring_bell=False, users=[real.pk]).pk))
    assert people.complete_profiles([real.pk, drawn.pk], seed=1, by=None)["users"] == []
    real.refresh_from_db()
    assert (real.gender, real.home_lat, real.nationality) == ("", None, "")
    assert real.history.count() == 1
    shown = show_command("seed_users", "--now", "--complete")
    assert "1 real profile left incomplete: nothing is invented of real people." in shown


def test_a_schedule_fills_in_nothing_of_real_people() -> None:
    real = make_seed_user("real", origin=Origin.REAL.code, gender="")
    somebody = make_staff("matching.change_seeduser", name="somebody")
    schedule = Schedule(
        name="fill", kind="matching.complete_users", interval_seconds=3600, arguments={}
    )
    save_schedule(schedule, by=somebody)
    job = start_due(schedule)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.result is not None
    assert (job.result["completed"], job.result["real_left"]) == (0, 1)
    assert job.verdict == "without effect"
    real.refresh_from_db()
    assert real.gender == ""


def test_only_the_chosen_profiles_are_completed() -> None:
    chosen, other = make_seed_user("chosen", age=None), make_seed_user("other", age=None)
    job = enqueue("matching.complete_users", ring_bell=False, users=[chosen.pk])
    run_job(str(job.pk))
    chosen.refresh_from_db()
    other.refresh_from_db()
    assert chosen.completeness == 1.0
    assert (other.age, other.history.count()) == (None, 1)


@pytest.mark.parametrize("label", ["introvert", "ambivert", "extrovert"])
def test_completed_extraversion_agrees_with_the_label(label: str) -> None:
    user = make_seed_user(personality=label, extraversion=None)
    people.complete_profiles([user.pk], seed=1, by=None)
    user.refresh_from_db()
    assert personality_of(user.extraversion or 0.0) == label


@pytest.mark.parametrize(
    ("archetype", "known", "missing"),
    [
        ("easygoing_elder", {"age": 18}, "profession"),
        ("budget_backpacker", {"age": 90}, "profession"),
        ("extrovert_partygoer", {"profession": "retired"}, "age"),
        ("easygoing_elder", {"profession": "student"}, "age"),
        ("", {"age": 40}, "profession"),
    ],
)
def test_what_is_completed_fits_what_is_known(
    archetype: str, known: dict[str, Any], missing: str
) -> None:
    user = make_seed_user(
        archetype=archetype, **known, **{missing: None if missing == "age" else ""}
    )
    people.complete_profiles([user.pk], seed=1, by=None)
    user.refresh_from_db()
    assert user.age is not None
    assert is_of_age(user.profession, user.age)


def test_completed_habits_follow_the_faith() -> None:
    users = [
        make_seed_user(f"user_{k}", religion="muslim", drinking="", archetype="extrovert_partygoer")
        for k in range(30)
    ]
    people.complete_profiles([user.pk for user in users], seed=1, by=None)
    drinking = list(SeedUser.objects.values_list("drinking", flat=True))
    assert drinking.count("no") > 12  # a twentieth of that kind of traveller does not drink


def test_empty_profile_of_an_unknown_archetype_is_completed_the_same_each_time() -> None:
    empty: dict[str, Any] = {
        name: [] if name in ("interests", "languages") else "" for name in PROFILE_FIELDS
    }
    empty |= dict.fromkeys(("age", "extraversion", "home_lat", "home_lon"))
    user = make_seed_user("blank", home_city="", **empty)
    assert user.completeness == 0.0
    first = people.complete_profiles([user.pk], seed=4, by=None)["users"][0]["filled"]
    assert set(first) >= set(PROFILE_FIELDS)
    SeedUser.objects.filter(pk=user.pk).update(**empty, home_city="")
    assert people.complete_profiles([user.pk], seed=4, by=None)["users"][0]["filled"] == first
    user.refresh_from_db()
    assert clean_profile({name: getattr(user, name) for name in PROFILE_FIELDS})[1] == {}


def test_check_profiles_finds_what_is_missing_and_ends_with_2() -> None:
    make_seed_user("lacks", age=None, interests=[])
    make_seed_user("whole")
    code, report = run_command("check_profiles")
    assert (code, report["incomplete"], report["complete"]) == (2, 1, 1)
    assert report["profiles"][0]["external_id"] == "lacks"
    assert report["profiles"][0]["missing"] == ["age", "interests"]
    assert report["missing"] == {"age": 1, "interests": 1}
    shown = show_command("check_profiles")
    assert "11 of 13" in shown
    assert "age, interests" in shown


def test_check_profiles_passes_complete_users_and_refuses_unknown_ones() -> None:
    make_seed_user("whole")
    make_seed_user("lacks", age=None)
    assert run_command("check_profiles", "whole")[0] == 0
    code, report = run_command("check_profiles", "whole", "whol")
    assert code == 2
    assert report["unknown"] == [{"external_id": "whol", "close": ["whole"]}]


def test_check_profiles_of_nobody_says_what_to_do() -> None:
    code, report = run_command("check_profiles")
    assert (code, "seed_users" in report["remedy"]) == (2, True)
