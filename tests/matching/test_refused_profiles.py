"""Refused rows of files of people: kept whole, mended, tried again under their line."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.models import ProfileImport, RefusedProfile, SeedUser
from matching.services import refused_profiles
from project.jobs.models import Job
from project.tabular.mend import KEPT_BYTES
from tests.factories import make_seed_user, make_staff
from tests.matching.commands import run_command
from tests.refused_rows import correct_row, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
LIST = "admin:matching_refusedprofile_changelist"
ROWS = (  # line 2 and 5 are good; years read as age
    "login,years,hobbies,note",
    "p1,30,food,one",
    "p2,old,food,two",
    "p3,7,hiking,three",
    "p4,40,food,four",
    "p1,50,hiking,five",
)


@pytest.fixture(autouse=True)
def _uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def import_file(tmp_path: Path, content: str | bytes, *more: str, name: str = "a.csv") -> Any:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    asked = () if "--origin" in more else ("--origin", "real")
    return run_command("seed_users", "--file", str(path), "--now", *asked, *more)


def post(client: Client, action: str, rows: Any, **more: str) -> Any:
    chosen = [str(row.pk) for row in rows]
    asked = {"action": action, "_selected_action": chosen, **more}
    return client.post(reverse(LIST), asked, follow=True)


def retry(client: Client, rows: Any) -> str:
    """Try rows again from their list; returns what it says then."""
    answer = post(client, "retry", rows, confirmed="1")
    return " ".join(str(one) for one in answer.context["messages"])


def downloaded(client: Client, rows: Any) -> str:
    return b"".join(post(client, "download_to_mend", rows).streaming_content).decode()


@pytest.fixture
def refused(tmp_path: Path) -> list[RefusedProfile]:
    """Three refused rows of a file of five: two ages, and an id that stands twice."""
    code, result = import_file(tmp_path, "\n".join(ROWS))
    assert (code, result["added"], result["rows_refused"]) == (0, 2, 3)
    return list(RefusedProfile.objects.order_by("line"))


# --- Kept ----------------------------------------------------------------------------------------


def test_a_refused_row_is_kept_whole_with_its_line_and_names_its_column(
    refused: list[RefusedProfile],
) -> None:
    assert [row.line for row in refused] == [3, 4, 6]
    assert [row.column for row in refused] == ["years", "years", "login"]
    assert [row.external_id for row in refused] == ["p2", "p3", "p1"]
    assert all(row.is_whole for row in refused)
    assert refused[0].came == {"login": "p2", "years": "old", "hobbies": "food", "note": "two"}
    assert "from 18 to 100" in refused[0].said
    assert ProfileImport.objects.get().file_name == "a.csv"


def test_a_row_beyond_64_kib_and_one_that_is_no_text_are_not_kept_whole(tmp_path: Path) -> None:
    long = f"p8,7,food,{'y' * KEPT_BYTES}\n".encode()
    import_file(tmp_path, "\n".join(ROWS[:2]).encode() + b"\n" + long + b"p9,7,\xff\xfe,x\n")
    kept = RefusedProfile.objects.order_by("line")
    assert [(row.line, row.is_whole) for row in kept][:1] == [(3, False)]
    assert (len(kept[0].text), kept[0].mended) == (200, None)


def test_an_import_without_refused_rows_keeps_none_and_names_what_it_made(tmp_path: Path) -> None:
    assert import_file(tmp_path, "\n".join(ROWS[:2]))[0] == 0
    assert not RefusedProfile.objects.exists()
    made = SeedUser.objects.filter(imported_in=ProfileImport.objects.get().upload)
    assert made.count() == SeedUser.objects.count() > 0
    assert Job.objects.get().records == []


def test_rows_that_stand_on_one_line_are_told_apart(tmp_path: Path) -> None:
    rows = [{"id": "q1", "age": 30}, {"id": "q2", "age": 7}, {"id": "q1", "age": 31},
            {"id": "q3", "age": 8}]  # fmt: skip
    code, result = import_file(tmp_path, json.dumps(rows), name="a.json")
    assert (code, result["added"], result["rows_refused"]) == (0, 1, 3)
    assert RefusedProfile.objects.count() == 3


def test_the_page_of_the_import_leads_to_its_refused_rows(
    refused: list[RefusedProfile], admin_client: Client, client: Client
) -> None:
    page = reverse("admin:jobs_job_change", args=[Job.objects.get().pk])
    where = f"{reverse(LIST)}?file={refused[0].source_id}&state=open"
    assert f'href="{where.replace("&", "&amp;")}"' in admin_client.get(page).content.decode()
    shown = admin_client.get(where).content.decode()
    assert all(str(row.external_id) in shown for row in refused)
    client.force_login(make_staff("jobs.view_job", "matching.add_seeduser"))
    seen = client.get(page).content.decode()
    assert "Refused rows of a.csv" in seen
    assert where.replace("&", "&amp;") not in seen


# --- Mended --------------------------------------------------------------------------------------


def test_a_row_lands_once_it_is_corrected(
    refused: list[RefusedProfile], admin_client: Client
) -> None:
    page = admin_client.get(page_of(refused[0]))
    assert [one["field"].label for one in page.context["shown"] if one["is_at_fault"]] == ["years"]
    answer = correct_row(admin_client, refused[0], button="again", years="33")
    assert answer.url == f"{reverse(LIST)}?file={refused[0].source_id}&state=open"
    landed = SeedUser.objects.get(external_id="p2")
    assert (landed.age, landed.interests, landed.get_origin_display()) == (33, ["food"], "real")
    assert landed.history.get().history_user is not None
    refused[0].refresh_from_db()
    assert refused[0].resolved_at is not None
    assert refused[0].came["years"] == "old"  # type: ignore[index]
    assert RefusedProfile.objects.open().count() == 2


def test_rows_are_corrected_together_and_each_that_is_refused_again_keeps_its_line(
    refused: list[RefusedProfile], admin_client: Client
) -> None:
    post(admin_client, "correct", refused[:1], column="years", value="41")
    post(admin_client, "correct", refused[1:2], column="years", value="400")
    assert "1 of 2 rows landed" in retry(admin_client, refused[:2])
    again = RefusedProfile.objects.open().order_by("line")[0]
    assert (again.line, again.correction) == (4, {"years": "400"})
    post(admin_client, "correct", [again], column="years", where="400", value="40")
    assert "The row landed" in retry(admin_client, [again])
    assert SeedUser.objects.get(external_id="p3").age == 40
    assert "None of these rows is refused any more" in retry(admin_client, [again])


def test_an_id_that_stands_twice_lands_only_as_somebody_else(
    refused: list[RefusedProfile], admin_client: Client
) -> None:
    assert "0 of 1 rows landed" in retry(admin_client, refused[2:])
    assert SeedUser.objects.get(external_id="p1").age == 30
    correct_row(admin_client, refused[2], button="again", login="p5")
    assert SeedUser.objects.get(external_id="p5").age == 50


def test_two_rows_that_are_corrected_to_one_id_land_once(
    refused: list[RefusedProfile], admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_profiles, "CHUNK", 1)
    post(admin_client, "correct", refused[:2], column="years", value="22")
    post(admin_client, "correct", refused[:2], column="login", value="p7")
    assert "1 of 2 rows landed" in retry(admin_client, refused[:2])
    again = RefusedProfile.objects.open().get(source=refused[0].source, line=4)
    assert "stands on line 3 already" in again.message


def test_what_the_file_has_no_column_for_is_said_by_a_correction(
    tmp_path: Path, admin_client: Client
) -> None:
    import_file(tmp_path, "id,lat,age\nh1,52.5,30\nh2,,30\n")
    row = RefusedProfile.objects.get()
    assert row.column == "home_lon"
    correct_row(admin_client, row, button="again", home_lon="13.4")
    assert SeedUser.objects.get(external_id="h1").home_lon == 13.4


def test_a_row_of_too_few_cells_waits_until_it_is_written_by_its_columns(
    tmp_path: Path, admin_client: Client
) -> None:
    import_file(tmp_path, "\n".join([*ROWS[:2], "p6,30"]))
    row = RefusedProfile.objects.get()
    assert (row.reason, row.mended) == ("unreadable", None)
    assert "0 of 1 rows landed" in retry(admin_client, [row])
    correct_row(admin_client, row, button="again", login="p6", years="31")
    assert SeedUser.objects.get(external_id="p6").age == 31


def test_rows_are_tried_by_the_origin_and_the_values_that_were_confirmed(
    tmp_path: Path, admin_client: Client
) -> None:
    scores = [f"e{n},{n % 5 + 1},30" for n in range(200)]
    scores[7] = "e7,3,7"
    content = "\n".join(["id,extraversion,age", *scores])
    asked = ("--mapping", "proposed", "--origin", "synthetic")
    assert import_file(tmp_path, content, *asked)[1]["added"] == 199
    correct_row(admin_client, RefusedProfile.objects.get(), button="again", age="70")
    landed = SeedUser.objects.get(external_id="e7")
    assert (landed.extraversion, landed.get_origin_display()) == (0.5, "synthetic")


# --- Downloaded, mended, imported again ----------------------------------------------------------


def test_a_table_is_downloaded_as_a_table_imports_again_and_nothing_waits_any_more(
    refused: list[RefusedProfile], admin_client: Client, tmp_path: Path
) -> None:
    text = downloaded(admin_client, refused)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["login", "years", "hobbies", "note", "refused_because"]
    assert "from 18 to 100" in rows[0]["refused_because"]
    mended = text.replace("old", "35").replace("p3,7", "p3,36").replace("p1,50", "p5,50")
    code, result = import_file(tmp_path, mended, name="mended.csv")
    assert (code, result["added"], result["rows_refused"]) == (0, 3, 0)
    # What has landed by the mended file is not refused any more; another id is somebody else.
    assert [row.external_id for row in RefusedProfile.objects.open()] == ["p1"]


def test_objects_are_downloaded_as_objects(tmp_path: Path, admin_client: Client) -> None:
    rows = [{"id": f"j{n}", "age": age, "interests": ["food"]} for n, age in enumerate((30, 7))]
    import_file(tmp_path, "\n".join(map(json.dumps, rows)), name="a.jsonl")
    (row,) = map(json.loads, downloaded(admin_client, RefusedProfile.objects.all()).splitlines())
    assert row.pop("refused_because")
    assert row == rows[1]
    again = import_file(tmp_path, json.dumps({**row, "age": 18}), name="mended.jsonl")
    assert again[1]["added"] == 1


def test_rows_of_two_files_do_not_go_into_one(
    refused: list[RefusedProfile], admin_client: Client, tmp_path: Path
) -> None:
    import_file(tmp_path, "id,age\nz1,7\nz2,30\n", name="b.csv")
    answer = post(admin_client, "download_to_mend", RefusedProfile.objects.all())
    assert "Choose rows of one file" in answer.content.decode()


# --- Rights --------------------------------------------------------------------------------------


def test_who_may_only_look_corrects_and_tries_nothing(
    refused: list[RefusedProfile], client: Client
) -> None:
    client.force_login(make_staff("matching.view_refusedprofile"))
    assert not client.get(page_of(refused[0])).context["may_change"]
    client.post(page_of(refused[0]), {"value_0": "33", "again": "1"})
    post(client, "correct", refused, column="years", value="33")
    post(client, "retry", refused, confirmed="1")
    assert RefusedProfile.objects.filter(correction={}).open().count() == 3  # type: ignore[attr-defined]


def test_a_row_changes_a_person_by_the_rights_of_who_tries_it(
    refused: list[RefusedProfile], client: Client, admin_client: Client
) -> None:
    make_seed_user("p2", age=20)
    client.force_login(
        make_staff("matching.change_refusedprofile", "matching.retry_refusedprofile")
    )
    correct_row(client, refused[0], button="again", years="33")
    refused[0].refresh_from_db()
    assert refused[0].reason == "may_not_change"
    assert SeedUser.objects.get(external_id="p2").age == 20
    retry(admin_client, refused[:1])
    assert SeedUser.objects.get(external_id="p2").age == 33


def test_more_than_one_page_can_wait_for_is_not_tried(
    refused: list[RefusedProfile], admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matching.admin import refused_profiles as pages

    monkeypatch.setattr(pages, "RETRY_ROWS", 2)
    assert "Choose at most 2 rows" in retry(admin_client, refused)
    assert RefusedProfile.objects.open().count() == 3
