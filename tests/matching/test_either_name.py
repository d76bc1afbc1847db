"""Every door takes a former name for who had it: no second person, whichever comes."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from matching.admin.navigation import find_people
from matching.models import (
    MatchEvent,
    RefusedProfile,
    SeedUser,
    TravelGroup,
    TravelSession,
)
from matching.queries.behaviour import OF_THEN
from matching.queries.people import check_profiles
from matching.services.identity import merge_people, rename_person
from tests.factories import make_seed_user, make_session
from tests.matching.commands import run_command
from tests.matching.test_behaviour_logs import swipe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


@pytest.fixture
def person() -> SeedUser:
    """Somebody who was renamed, and took in another record: ada, former names old and gone."""
    user, gone = make_seed_user("old"), make_seed_user("gone")
    merge_people(user.pk, gone.pk)
    return rename_person(user, "ada")


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", ["ada", "old", "gone"])
def test_a_row_of_any_name_updates_the_one_person(
    tmp_path: Path, person: SeedUser, name: str
) -> None:
    file = write(tmp_path / "a.csv", f"external_id,age\n{name},44\nnew,20\n")
    code, result = run_command("seed_users", "--file", file, "--origin", "synthetic", "--now")
    assert (code, result["added"], result["updated"]) == (0, 1, 1)
    person.refresh_from_db()
    assert (person.age, SeedUser.objects.count()) == (44, 2)


def test_two_names_of_one_person_in_a_file_are_an_id_that_stands_twice(
    tmp_path: Path, person: SeedUser
) -> None:
    file = write(tmp_path / "a.csv", "external_id,age\nold,44\nada,45\ngone,46\n")
    code, result = run_command("seed_users", "--file", file, "--origin", "synthetic", "--now")
    assert (code, result["updated"], result["rows_refused"]) == (0, 1, 2)
    assert result["errors"][0]["message"] == (
        "ada stands on line 2 already, as old, another name of the same person."
    )
    assert set(RefusedProfile.objects.values_list("reason", flat=True)) == {"stands_twice"}
    person.refresh_from_db()
    assert person.age == 44


def test_drawn_and_named_people_are_not_drawn_again_under_the_former_name() -> None:
    run_command("seed_users", "--now", "--count", "5", "--seed", "3")
    for user in SeedUser.objects.all():
        rename_person(user, f"{user.external_id}-x")
    _, again = run_command("seed_users", "--now", "--count", "5", "--seed", "3")
    assert (again["users_added"], again["users_kept"]) == (0, 11)
    TravelGroup.objects.all().delete()
    run_command("seed_users", "--now", "--count", "0")
    assert all(group.members.count() >= 2 for group in TravelGroup.objects.all())


@pytest.mark.parametrize("name", ["ada", "old", "gone"])
def test_members_of_groups_and_travellers_are_found_by_any_name(
    tmp_path: Path, person: SeedUser, name: str
) -> None:
    make_seed_user("bob")
    file = write(tmp_path / "g.csv", f"id,members\ng1,{name};ada;bob\n")
    assert run_command("import_groups", file, "--origin", "synthetic", "--now")[0] == 0
    members = TravelGroup.objects.get().members
    assert set(members.values_list("external_id", flat=True)) == {"ada", "bob"}
    trip = "external_id,destination_lat,destination_lon,start_date,end_date\n"
    row = "38.7,-9.1,2027-05-01,2027-05-09\n"
    file = write(tmp_path / "t.csv", f"{trip}{name},{row}bob,{row}")
    code, result = run_command("import_sessions", file, "--origin", "synthetic", "--now")
    assert (code, result["added"]) == (0, 2)
    assert TravelSession.objects.get(user=person).external_id == "ada"
    file = write(tmp_path / "u.csv", f"{trip}{name},{row}ada,{row}")
    code, result = run_command("import_sessions", file, "--origin", "synthetic", "--now")
    assert code == 2
    assert "ada stands on line 2 already" in result["refused"]["message"]


def test_a_group_takes_no_name_that_a_person_had(tmp_path: Path, person: SeedUser) -> None:
    file = write(tmp_path / "g.csv", "id,members\nold,ada\n")
    code, result = run_command("import_groups", file, "--origin", "synthetic", "--now")
    assert code == 2
    assert "old is a former name of ada, a person." in result["refused"]["message"]


def test_events_of_any_name_are_of_the_one_person(tmp_path: Path, person: SeedUser) -> None:
    other = make_seed_user("bob")
    for user in (person, other):
        make_session(user)
    lines = [swipe(name, "bob") for name in ("ada", "old", "gone", "who")]
    lines += [swipe("bob", "gone"), swipe("old", "ada")]
    file = write(tmp_path / "e.jsonl", "".join(f"{line}\n" for line in lines))
    code, result = run_command("import_events", file, "--now")
    assert (code, result["new"]) == (0, 6)
    events = list(MatchEvent.objects.order_by("pk"))
    assert [event.user_id for event in events[:3]] == [person.pk] * 3
    assert (events[3].user_id or 0) < 0
    assert (events[4].target_id, events[5].user_id, events[5].target_id) == (
        person.pk, person.pk, person.pk,
    )  # fmt: skip
    assert events[1].external == {"userId": "old", "targetId": "bob"}
    assert all(event.age_score is not None for event in (*events[:3], events[4]))
    assert result["files"][0]["people_known"] == pytest.approx(5 / 6)
    # The same line again is the same event, whatever its people are called by now.
    rename_person(person, "ada-2")
    again = write(tmp_path / "f.jsonl", f"{lines[1]}\n")
    assert run_command("import_events", again, "--now")[1]["known"] == 1


def test_a_trip_of_before_the_rename_is_that_of_the_person(tmp_path: Path) -> None:
    user, other = make_seed_user("old"), make_seed_user("bob")
    for one in (user, other):
        make_session(one)
    rename_person(user, "ada")
    TravelSession.objects.get(user=user).delete()
    moment = timezone.now() - timedelta(milliseconds=1)
    TravelSession.history.filter(external_id="old").update(history_date=moment - timedelta(hours=2))
    TravelSession.history.filter(external_id="bob").update(history_date=moment - timedelta(hours=2))
    at = moment - timedelta(hours=1)
    lines = [swipe(name, "bob", at=at) for name in ("ada", "old")]
    file = write(tmp_path / "e.jsonl", "".join(f"{line}\n" for line in lines))
    code, result = run_command("import_events", file, "--now")
    assert code == 0
    assert result["files"][0]["trips"] == {OF_THEN: 2}
    first, second = MatchEvent.objects.order_by("pk")
    assert first.distance_score is not None
    assert first.distance_score == second.distance_score


def test_checks_lists_and_the_palette_find_by_a_former_name(
    person: SeedUser, admin_client: Client
) -> None:
    report = check_profiles(["old", "gone", "ada"])
    assert (report["users"], report["unknown"]) == (1, [])
    assert [found.title.split(" · ")[1] for found in find_people("gone")] == ["ada"]
    listed = admin_client.get(reverse("admin:matching_seeduser_changelist"), {"q": "old"})
    assert [row.external_id for row in listed.context["cl"].result_list] == ["ada"]
    make_session(person)
    trips = admin_client.get(reverse("admin:matching_travelsession_changelist"), {"q": "gone"})
    assert [row.external_id for row in trips.context["cl"].result_list] == ["ada"]
    picked = admin_client.get(
        reverse("admin:autocomplete"),
        {
            "app_label": "matching",
            "model_name": "travelgroup",
            "field_name": "members",
            "term": "gone",
        },
    )
    assert [one["text"] for one in json.loads(picked.content)["results"]] == ["ada"]
