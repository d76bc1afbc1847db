"""Refused rows come out again, those of one import and no others; mappings too."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.models import (
    EventBatch,
    MatchEvent,
    ProfileImport,
    RefusedProfile,
    RejectedEvent,
    SeedUser,
    TravelGroup,
    TravelSession,
    live,
)
from matching.queries.removals import plan_of_import
from project import clock
from project.jobs.models import Schedule
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.mappings.models import ImportMapping
from project.removal.models import Receipt
from tests.factories import (
    make_admin,
    make_mapping,
    make_refused_profile,
    make_seed_user,
    make_staff,
)
from tests.feedback.test_commands import run
from tests.matching.test_batches_admin import imported, lines
from tests.removing import remove, remove_dying

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


@pytest.mark.parametrize("within", [True, False])
def test_rejected_lines_go_and_the_events_stay(*, within: bool) -> None:
    batch = imported(lines(3) + b"broken\nbroken too\n")
    other = imported(lines(2, first=50) + b"broken\n")
    job, kills = remove_dying("rejected-events", batch.pk, within=within)
    assert (job.state, job.result["counts"]) == ("succeeded", {"rejected line": 2})
    assert kills == 4
    assert list(RejectedEvent.objects.values_list("batch", flat=True)) == [other.pk]
    assert MatchEvent.objects.of_batch(batch).count() == 3
    assert EventBatch.objects.complete().filter(pk=batch.pk).exists()


@pytest.mark.parametrize("within", [True, False])
def test_rejected_rows_of_a_file_of_people_go(*, within: bool) -> None:
    row, other = make_refused_profile(), make_refused_profile()
    assert row.source_id != other.source_id
    job, kills = remove_dying("rejected-profiles", row.source_id, within=within)
    assert kills == 4
    assert job.state == "succeeded", job.error
    assert job.result["counts"] == {"rejected row": 1}
    assert list(RefusedProfile.objects.all()) == [other]
    assert ProfileImport.objects.count() == 2, "what they made can still be taken back"


def test_a_list_of_refused_rows_leads_to_what_removes_all_of_their_imports() -> None:
    batches = [imported(lines(1, first=n * 10) + b"broken\n") for n in (1, 2)]
    chosen = {
        "action": "remove_rows",
        "_selected_action": list(RejectedEvent.objects.values_list("pk", flat=True)),
    }
    address = reverse("admin:matching_rejectedevent_changelist")
    client = Client()
    client.force_login(make_admin())
    answer = client.post(address, chosen, follow=True)
    page = answer.content.decode()
    assert "Remove 2 records" in page
    for batch in batches:
        assert f"Rejected lines of batch {batch.pk}" in page
    # Without the right there is no such action.
    client.force_login(make_staff("matching.view_rejectedevent", name="looks"))
    assert "remove_rows" not in client.get(address).content.decode()


@pytest.mark.parametrize("within", [True, False])
def test_a_mapping_goes_with_its_earlier_states_and_the_one_before_it_is_taken(
    *, within: bool
) -> None:
    mapping = make_mapping()
    earlier = ImportMapping.objects.get(pk=mapping.pk)
    mapping.pk, mapping.version, mapping.name = None, mapping.version + 1, "the-newer-one"
    for one in (earlier, mapping):
        one.confirmed_at = one.proposed_at
        one.save()
    Schedule.objects.create(
        name="theirs",
        kind="feedback.collect_feedback",
        arguments={"mapping": "the-newer-one"},
        interval_seconds=60,
    )
    history = ImportMapping.history.filter(id=mapping.pk)
    assert history.exists()
    job = remove("mapping", mapping.pk)
    assert job.state == "succeeded", job.error
    assert job.result["stale"] == [
        "Schedule theirs names it and will be refused.",
        f"The next table with these columns is read by version {earlier.version}.",
    ]
    assert list(ImportMapping.objects.all()) == [earlier]
    assert not history.exists(), "not even that it was deleted: its preview had rows"
    job, kills = remove_dying("mapping", earlier.pk, within=within)
    assert (kills, ImportMapping.objects.exists()) == (2, False)
    assert "is proposed anew" in job.result["stale"][0]


# --- Files of people, groups and trips ------------------------------------------------------------


def landed(tmp_path: Path, command: str, rows: list[dict[str, Any]]) -> ProfileImport:
    """Import rows and return the file."""
    path = tmp_path / f"{command}.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    file = ["--file", str(path)] if command == "seed_users" else [str(path)]
    code, result = run(command, "--now", "--origin", "real", *file)
    assert code == 0, result
    return ProfileImport.objects.latest("pk")


def person(external_id: str, **more: Any) -> dict[str, Any]:
    return {"external_id": external_id, "age": 30, "gender": "female", **more}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("within", [None, True, False])
def test_an_import_of_people_is_taken_back_whole_and_lands_again(
    tmp_path: Path, within: bool | None
) -> None:
    make_seed_user("ada", age=40)
    before = SeedUser.objects.count()
    rows = [person("ada"), person("bea", name="Bea B."), person("cleo")]
    source = landed(tmp_path, "seed_users", rows)
    trip = {
        "external_id": "bea", "destination_name": "Rome", "destination_lat": 41.9,
        "destination_lon": 12.5, "start_date": str(clock.today()), "end_date": "2100-01-01",
    }  # fmt: skip
    landed(tmp_path, "import_sessions", [trip])
    landed(tmp_path, "import_groups", [{"external_id": "club", "members": ["bea", "ada"]}])
    SeedUser.objects.filter(external_id="cleo").get().save()
    assert live.present(["bea"]) == {"bea"}
    if within is None:
        job = remove("import", source.pk)
    else:
        job, kills = remove_dying("import", source.pk, within=within)
        assert kills == 5
    assert job.state == "succeeded", job.error
    assert job.result["counts"] == {"person": 2, "rejected row": 0, "import": 1}
    assert job.result["stale"] == [
        "1 person of it was changed since; they go too.",
        "1 group would lose members.",
    ]
    assert SeedUser.objects.count() == before, "who was there stays, changed as she is"
    assert SeedUser.objects.get(external_id="ada").age == 30
    assert list(TravelGroup.objects.get().members.values_list("external_id", flat=True)) == ["ada"]
    assert not TravelSession.objects.filter(external_id="bea").exists()
    gone = {"bea", "cleo"}
    assert not SeedUser.history.filter(external_id__in=gone).exists()
    assert not TravelSession.history.filter(external_id__in=gone).exists()
    assert "Bea" not in json.dumps(Receipt.objects.values_list("counts", "stale", "stays").get())
    again = landed(tmp_path, "seed_users", rows)
    assert plan_of_import(again).goes["person"] == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_imports_of_groups_and_trips_are_taken_back(tmp_path: Path) -> None:
    people = [make_seed_user(name) for name in ("ada", "bea")]
    groups = landed(
        tmp_path, "import_groups",
        [{"external_id": name, "members": ["ada"]} for name in ("club", "crew")],
    )  # fmt: skip
    trips = landed(
        tmp_path,
        "import_sessions",
        [
            {
                "external_id": name, "destination_name": "Rome", "destination_lat": 41.9,
                "destination_lon": 12.5, "start_date": "2099-01-01", "end_date": "2099-01-09",
            }
            for name in ("ada", "club")
        ],
    )  # fmt: skip
    assert plan_of_import(groups).goes == {"import": 1, "group": 2, "rejected row": 0, "trip": 1}
    assert remove("import", trips.pk).result["counts"]["trip"] == 2
    assert not TravelSession.objects.exists()
    assert live.present(["ada", "club"]) == set()
    assert remove("import", groups.pk).result["counts"]["group"] == 2
    assert not TravelGroup.objects.exists()
    assert SeedUser.objects.count() == len(people)


@pytest.mark.usefixtures("valkey")
def test_what_an_import_made_is_removed_with_the_rights_to_all_of_it(tmp_path: Path) -> None:
    source = landed(tmp_path, "seed_users", [person("bea")])
    may = make_staff("matching.delete_seeduser", name="may remove people alone")
    job = enqueue("matching.remove_import", by=may, number=source.pk, why="a test")
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == "refused"
    assert "needs the right to matching.delete_travelsession" in job.error
    assert SeedUser.objects.filter(external_id="bea").exists()


@pytest.mark.usefixtures("valkey")
def test_the_list_of_imported_files_says_what_each_made(tmp_path: Path) -> None:
    source = landed(tmp_path, "seed_users", [person("bea"), person("cleo")])
    client = Client()
    client.force_login(make_admin())
    page = client.get(reverse("admin:matching_profileimport_changelist")).content.decode()
    assert "seed_users.jsonl" in page
    assert ">2<" in page
    assert f"{reverse('admin:remove_import')}?number={source.pk}" in page
    assert reverse("admin:remove_rejected-profiles") not in page  # none of its rows was refused
    make_refused_profile()
    page = client.get(reverse("admin:matching_profileimport_changelist")).content.decode()
    assert page.count(reverse("admin:remove_rejected-profiles")) == 1
    address = reverse("admin:matching_profileimport_change", args=[source.pk])
    assert client.get(address).status_code == 200
