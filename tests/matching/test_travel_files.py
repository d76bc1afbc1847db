"""Files of groups and of trips: other people's tables come in whole, or not at all."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.models import RefusedProfile, SeedUser, TravelGroup, TravelSession
from matching.models.live import read
from project.jobs.models import Job
from project.mappings.models import ImportMapping
from project.mappings.refused import set_correction
from tests.factories import make_seed_user, make_session, make_staff
from tests.matching.commands import run_command as run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _people(settings: Any, tmp_path: Path, valkey: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    for name in ("anna", "ben", "cleo"):
        make_seed_user(name)


def import_(tmp_path: Path, what: str, text: str, *options: str) -> tuple[int, dict[str, Any]]:
    path = tmp_path / "theirs.csv"
    path.write_text(text)
    return run(f"import_{what}", str(path), "--origin", "real", "--now", *options)


def members(group: str) -> set[str]:
    return set(SeedUser.objects.filter(travel_groups__external_id=group).values_list(
        "external_id", flat=True
    ))  # fmt: skip


def test_groups_land_with_their_members_and_a_second_time_change_nothing(tmp_path: Path) -> None:
    text = "Group Id;Title;Participants;color\ng1;Hikers;anna, ben;red\ng2;;{cleo};\n"
    code, result = import_(tmp_path, "groups", text)
    assert (code, result["added"], result["rows_refused"]) == (0, 2, 0)
    assert (members("g1"), members("g2")) == ({"anna", "ben"}, {"cleo"})
    assert TravelGroup.objects.get(external_id="g1").name == "Hikers"
    assert "columns that are no field, ignored: color" in result["notes"]
    assert import_(tmp_path, "groups", text)[1]["unchanged"] == 2
    assert import_(tmp_path, "groups", text.replace("anna, ben", "anna"))[1]["updated"] == 1
    assert members("g1") == {"anna"}
    assert TravelGroup.history.filter(external_id="g1").count() > 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("g2,anna;nobody", "Nobody here has the id 'nobody'"),
        ("g2,", "Expected the ids of people"),
        ("g1,anna", "stands on line 2 already"),
        ("a b,anna", "Line 3, external_id"),
    ],
)
def test_a_group_that_cannot_be_keeps_all_of_them_out(tmp_path: Path, row: str, said: str) -> None:
    text = f"id,members\ng1,anna\n{row}\n"
    code, result = import_(tmp_path, "groups", text)
    assert code == 2
    assert said in result["refused"]["message"]
    assert not TravelGroup.objects.exists()
    code, result = import_(tmp_path, "groups", text, "--accept-partial")
    assert (code, result["added"], result["rows_refused"]) == (0, 1, 1)
    assert members("g1") == {"anna"}
    kept = RefusedProfile.objects.get()
    assert (kept.line, kept.source.holds, kept.is_whole) == (3, "groups", True)
    assert said.split(", ")[-1] in kept.message


def try_again(client: Client, rows: Any) -> str:
    asked = {"action": "retry", "_selected_action": [row.pk for row in rows], "confirmed": "1"}
    answer = client.post(reverse("admin:matching_refusedprofile_changelist"), asked, follow=True)
    return " ".join(str(one) for one in answer.context["messages"])


def test_refused_groups_are_mended_in_the_admin_and_land(
    tmp_path: Path, admin_client: Client
) -> None:
    text = "id,members\ng1,anna\ng2,anna;nobody\ng1,ben\ng3,\n"
    _, result = import_(tmp_path, "groups", text, "--accept-partial")
    assert (result["added"], result["rows_refused"]) == (1, 3)
    page = admin_client.get(reverse("admin:jobs_job_change", args=[Job.objects.latest("pk").pk]))
    assert "Refused rows of theirs.csv" in page.content.decode()
    two, twice, three = RefusedProfile.objects.order_by("line")
    assert twice.reason == "stands_twice"
    set_correction(two, {"members": "anna, ben"})
    assert "1 of 3 rows landed" in try_again(admin_client, [two, twice, three])
    assert (members("g1"), members("g2")) == ({"anna"}, {"anna", "ben"})
    set_correction(twice, {"id": "g4"})
    set_correction(three, {"members": "cleo"})
    assert "All 2 rows landed" in try_again(admin_client, [twice, three])
    assert (members("g4"), members("g3")) == ({"ben"}, {"cleo"})
    assert not RefusedProfile.objects.open()


def test_a_mended_group_changes_one_that_is_here_by_the_rights_of_who_tries_it(
    tmp_path: Path, client: Client
) -> None:
    import_(tmp_path, "groups", "id,members\ng1,anna\n")
    import_(tmp_path, "groups", "id,members\ng1,nobody\ng2,ben\n", "--accept-partial")
    row = RefusedProfile.objects.get()
    set_correction(row, {"members": "cleo"})
    rights = ["matching.view_refusedprofile", "matching.retry_refusedprofile"]
    client.force_login(make_staff(*rights))
    assert "0 of 1 rows landed" in try_again(client, [row])
    assert members("g1") == {"anna"}
    client.force_login(make_staff(*rights, "matching.change_travelgroup", name="second"))
    assert "The row landed" in try_again(client, [row])
    assert members("g1") == {"cleo"}


def test_groups_that_do_not_say_what_they_are_ask(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("id,members\ng1,anna\n")
    code, result = run("import_groups", str(path), "--now")
    assert code == 2
    assert result["refused"]["command"].endswith("--origin real")
    path.write_text(TRIP + "anna,Bern,46.9,7.4,2030-05-01,2030-05-09,900,\n")
    code, result = run("import_sessions", str(path), "--now")
    assert (code, "trips are real" in result["refused"]["message"]) == (2, True)


TRIP = "who,city,lat,lng,from,until,trip budget,activities\n"


def test_trips_land_of_people_and_groups_with_their_live_copies(tmp_path: Path) -> None:
    import_(tmp_path, "groups", "id,members\ng1,anna;ben\n")
    text = TRIP + "anna,Bern,46.9,7.4,2030-05-01,2030-05-09,900,Hiking;food\n"
    text += "g1,Rome,41.9,12.5,31/05/2030,2030-06-02,,\n".replace("31/05/2030", "2030-05-31")
    code, result = import_(tmp_path, "sessions", text)
    assert (code, result["added"]) == (0, 2)
    trip = TravelSession.objects.get(external_id="anna")
    assert (trip.start_date, trip.budget) == (date(2030, 5, 1), 900.0)
    assert (trip.interests, trip.mode) == (["hiking", "food"], "solo")
    assert TravelSession.objects.get(external_id="g1").group.external_id == "g1"
    assert import_(tmp_path, "sessions", text)[1]["unchanged"] == 2


def test_days_are_read_in_one_order_and_need_no_zone(tmp_path: Path) -> None:
    text = TRIP + "anna,Bern,46.9,7.4,01/05/2030,13/05/2030,,\nben,Bern,46.9,7.4,02/05/2030,"
    code, result = import_(tmp_path, "sessions", text + "14/05/2030,,\n")
    assert code == 2  # the first column could be months and days
    (change,) = result["refused"]["proposal"]["changes"]
    assert (change["field"], "zone" in change["words"]) == ("start_date", False)
    code, result = import_(tmp_path, "sessions", text + "14/05/2030,,\n", "--mapping", "proposed")
    assert (code, result["added"]) == (0, 2)
    assert TravelSession.objects.get(external_id="ben").start_date == date(2030, 5, 2)
    assert ImportMapping.objects.get().door == "matching.trips"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("dora,Bern,46.9,7.4,2030-05-01,2030-05-09,,", "Neither a person nor a group"),
        ("anna,Bern,96.9,7.4,2030-05-01,2030-05-09,,", "destination_lat"),
        ("anna,Bern,46.9,7.4,2030-05-09,2030-05-01,,", "is before"),
        ("anna,Bern,46.9,7.4,2030-05-01,2030-05-09,-5,", "budget"),
    ],
)
def test_a_trip_that_cannot_be_keeps_all_of_them_out(tmp_path: Path, row: str, said: str) -> None:
    good = "ben,Bern,46.9,7.4,2030-05-01,2030-05-09,,\n"
    code, result = import_(tmp_path, "sessions", f"{TRIP}{good}{row}\n")
    assert code == 2
    assert said in result["refused"]["message"]
    assert not TravelSession.objects.exists()


def test_a_refused_trip_lands_once_it_is_mended_and_not_by_a_person_of_its_id(
    tmp_path: Path, admin_client: Client
) -> None:
    trips = "id,lat,lon,start,end\nanna,52,13,2030-05-01,2030-05-04\n"
    text = trips + "ben,52,13,2030-05-04,2030-05-01\n"
    import_(tmp_path, "sessions", text, "--accept-partial")
    row = RefusedProfile.objects.get()
    assert (row.source.holds, row.field) == ("trips", "end_date")
    people = tmp_path / "people.csv"
    people.write_text("id,age\nben,30\n")
    run("seed_users", "--file", str(people), "--origin", "real", "--now")
    assert RefusedProfile.objects.open().exists()
    set_correction(row, {"end": "2030-05-08"})
    assert "The row landed" in try_again(admin_client, [row])
    assert TravelSession.objects.get(external_id="ben").end_date == date(2030, 5, 8)


def test_a_trip_imported_again_settles_its_refused_row(tmp_path: Path) -> None:
    head = "id,lat,lon,start,end\n"
    good, bad = "anna,52,13,2030-05-01,2030-05-04\n", "ben,52,13,2030-05-04,2030-05-01\n"
    import_(tmp_path, "sessions", head + good + bad, "--accept-partial")
    import_(tmp_path, "sessions", head + bad.replace("-04,", "-01,"))
    assert not RefusedProfile.objects.open()


def test_a_live_copy_follows_its_trip(tmp_path: Path, django_capture_on_commit_callbacks) -> None:
    make_session(SeedUser.objects.get(external_id="anna"))
    text = TRIP + "anna,Bern,46.9,7.4,2030-05-01,2030-05-09,,\n"
    with django_capture_on_commit_callbacks(execute=True):
        assert import_(tmp_path, "sessions", text)[1]["updated"] == 1
    copy = read(["anna"])["anna"].session
    assert copy is not None
    assert copy.destination_name == "Bern"


@pytest.mark.parametrize(
    ("page", "kind"),
    [("travelgroup", "matching.import_groups"), ("travelsession", "matching.import_sessions")],
)
def test_the_form_asks_what_the_command_does(admin_client: Client, page: str, kind: str) -> None:
    answer = admin_client.get(reverse(f"admin:matching_{page}_import"))
    assert answer.status_code == 200
    assert {"file", "origin", "mapping"} <= {field.name for field in answer.context["form"]}
