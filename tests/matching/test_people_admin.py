"""The admin of users, groups and sessions, posted for real."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from matching.models import PROFILE_FIELDS, SeedUser, TravelGroup, TravelSession
from matching.queries.travellers import INCOMPLETE, load_travellers
from matching.services import sessions
from project.jobs.models import Job
from project.jobs.runner import run_job
from tests.factories import (
    LISBON,
    make_admin,
    make_group,
    make_seed_user,
    make_session,
    make_staff,
)
from tests.matching.commands import run_command

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

LISTS = ["seeduser", "travelgroup", "travelsession"]


def url(name: str, *arguments: Any) -> str:
    return reverse(f"admin:matching_{name}", args=arguments)


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def client_with(*permissions: str) -> Client:
    client = Client()
    client.force_login(make_staff(*permissions))
    return client


def profile_data(user: SeedUser, **changes: Any) -> dict[str, Any]:
    values = {name: getattr(user, name) for name in (*PROFILE_FIELDS, "home_city", "name")}
    values |= {"origin": user.origin, "archetype": user.archetype, **changes}
    return {name: "" if value is None else value for name, value in values.items()}


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def errors_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.context["errors"])


def test_profile_is_edited_and_its_history_kept(admin_client: Client) -> None:
    user = make_seed_user(age=None, interests=[])
    data = profile_data(user, age=33, interests=["wine", "art"])
    response = admin_client.post(url("seeduser_change", user.pk), data)
    assert response.status_code == 302
    user.refresh_from_db()
    assert (user.age, user.interests, user.completeness) == (33, ["wine", "art"], 1.0)
    page = admin_client.get(url("seeduser_history", user.pk)).content.decode()
    assert "33" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"age": 17}, "Expected a whole number of years from 18 to 100"),
        ({"home_lat": 91}, "degrees north from -90 to 90"),
        ({"home_lon": ""}, "both coordinates or none"),
        ({"personality": "introvert"}, "0.80 means extrovert, not introvert"),
        ({"interests": ["x" * 41]}, "at most 40 characters, got 41"),
        ({"languages": ["a\x07b"]}, "printable"),
    ],
)
def test_invalid_profile_is_refused_in_words(
    admin_client: Client, changes: dict[str, Any], words: str
) -> None:
    user = make_seed_user()
    response = admin_client.post(url("seeduser_change", user.pk), profile_data(user, **changes))
    assert words in errors_of(response)


def test_words_that_nobody_knows_are_kept_named_and_shown(admin_client: Client) -> None:
    user = make_seed_user()
    words = {"interests": ["hikin", "food"], "languages": ["germn"], "nationality": "Germany"}
    words |= {"smoking": "vapes", "drinking": "socially"}
    response = admin_client.post(url("seeduser_change", user.pk), profile_data(user, **words))
    assert response.status_code == 302
    assert "interest “hikin” (did you mean hiking?)" in said(response)
    assert "language “germn” (did you mean german?)" in said(response)
    assert "habit “vapes”" in said(response)
    user.refresh_from_db()
    assert (user.interests, user.languages) == (["hikin", "food"], ["germn"])
    assert (user.nationality, user.smoking, user.drinking) == ("german", "vapes", "occasionally")
    page = admin_client.get(url("seeduser_change", user.pk)).content.decode()
    assert "interest hikin" in page
    assert '<option value="vapes" selected>vapes (not known)</option>' in page
    session = make_session(user)
    response = admin_client.post(
        url("travelsession_change", session.pk),
        session_data(user=user.pk, interests=["foood"]),
    )
    assert "interest “foood” (did you mean food?)" in said(response)


def test_extraversion_follows_from_the_label_in_the_form(admin_client: Client) -> None:
    user = make_seed_user()
    data = profile_data(user, personality="introvert", extraversion="")
    admin_client.post(url("seeduser_change", user.pk), data)
    user.refresh_from_db()
    assert user.extraversion == 0.0


def test_added_user_needs_only_an_id(admin_client: Client) -> None:
    response = admin_client.post(url("seeduser_add"), {"external_id": "new_one", "origin": 1})
    assert response.status_code == 302
    assert SeedUser.objects.get(external_id="new_one").completeness == 0.0


def test_words_come_from_files_of_the_installation_without_inline_scripts(
    admin_client: Client,
) -> None:
    user = make_seed_user(interests=["knitting"])
    page = admin_client.get(url("seeduser_change", user.pk)).content.decode()
    assert 'class="sb-words"' in page
    assert '<option value="knitting" selected>' in page
    assert "vendor/select2/select2.full.js" in page
    assert "seedbed/words.js" in page
    assert "https://" not in page


@pytest.mark.parametrize("field", PROFILE_FIELDS)
def test_filter_finds_who_lacks_a_field(admin_client: Client, field: str) -> None:
    nothing: Any = [] if field in ("interests", "languages") else ""
    changes = {field: None if field in ("age", "extraversion") else nothing}
    if field in ("home_lat", "home_lon"):
        changes = {"home_lat": None, "home_lon": None}
    make_seed_user("lacks", **changes)
    make_seed_user("whole")
    for value, expected in ((field, ["lacks"]), ("anything", ["lacks"]), ("nothing", ["whole"])):
        response = admin_client.get(url("seeduser_changelist"), {"missing": value})
        assert [user.external_id for user in response.context["cl"].result_list] == expected


def test_list_shows_how_complete_a_profile_is(admin_client: Client) -> None:
    make_seed_user(age=None)
    page = admin_client.get(url("seeduser_changelist")).content.decode()
    assert "no drinking" in page or "no smoking" in page
    assert "no age" in page


@pytest.mark.parametrize("name", LISTS)
def test_list_takes_the_same_queries_for_many_as_for_one(
    admin_client: Client, name: str, django_assert_num_queries: Any
) -> None:
    def add() -> None:
        make_session(make_group())
        make_session()

    add()
    list_url = url(f"{name}_changelist")
    admin_client.get(list_url)
    with CaptureQueriesContext(connection) as few:
        admin_client.get(list_url)
    for _ in range(6):
        add()
    with django_assert_num_queries(len(few)):
        admin_client.get(list_url)


@pytest.mark.parametrize("name", LISTS)
def test_empty_list_says_what_the_next_step_is(admin_client: Client, name: str) -> None:
    page = admin_client.get(url(f"{name}_changelist")).content.decode()
    assert "sb-empty" in page
    make_session(make_group())
    page = admin_client.get(url(f"{name}_changelist")).content.decode()
    assert "sb-empty" not in page


def test_saving_a_profile_refreshes_its_live_copies(
    admin_client: Client, valkey: Any, django_capture_on_commit_callbacks: Any
) -> None:
    user = make_seed_user("member", age=30)
    make_session(user)
    make_session(make_group("their_group", [user]))
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(url("seeduser_change", user.pk), profile_data(user, age=44))
    for name in ("member", "their_group"):
        assert json.loads(valkey.get(f"session:{name}"))["static_attributes"]["age"] == 44


def test_unreachable_valkey_is_a_warning_and_the_profile_is_saved(
    admin_client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    user = make_seed_user()
    make_session(user)
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        with django_capture_on_commit_callbacks(execute=True):
            admin_client.post(url("seeduser_change", user.pk), profile_data(user, age=44))
        page = admin_client.get(url("travelsession_changelist")).content.decode()
    user.refresh_from_db()
    assert user.age == 44
    assert "Valkey does not answer" in page
    assert "unknown" in page


@pytest.mark.parametrize("way", ["page", "list"])
def test_deleting_a_user_leads_to_the_page_that_erases(admin_client: Client, way: str) -> None:
    user = make_seed_user("leaves")
    if way == "page":
        led = admin_client.post(url("seeduser_delete", user.pk), {"post": "yes"})
    else:
        asked = {"action": "delete_selected", "_selected_action": [user.pk]}
        led = admin_client.post(url("seeduser_changelist"), asked)
    assert led["Location"] == f"{reverse('admin:remove_person')}?number={user.pk}"
    page = admin_client.get(led["Location"]).content.decode()
    assert f"Remove person {user.pk}: leaves" in page
    assert SeedUser.objects.exists()


def test_a_reason_may_not_name_who_is_erased(admin_client: Client) -> None:
    user = make_seed_user("leaves_1", name="Maria Moreau")
    page = f"{reverse('admin:remove_person')}?number={user.pk}"
    for why in ("leaves_1 asked", "asked by Maria Moreau", "maria wrote"):
        asked = admin_client.post(page, {"number": user.pk, "why": why, "features": "keep"})
        said = str(asked.context["form"].errors["why"])
        assert "has an id, a name or part of a name of the person" in said
        assert "“Request 12”" in said
    assert not Job.objects.exists()
    said = {"number": user.pk, "why": "Request 12", "features": "drop"}
    assert admin_client.post(page, said).status_code == 302
    assert Job.objects.get().arguments == said


def session_data(**changes: Any) -> dict[str, Any]:
    start = timezone.localdate() + timedelta(days=5)
    expires = timezone.now() + timedelta(days=2)
    return {
        "origin": 1,
        "mode": "solo",
        **LISBON,
        "start_date": start,
        "end_date": start + timedelta(days=3),
        "budget": "900",
        "interests": ["food"],
        "expires_at_0": f"{expires:%Y-%m-%d}",
        "expires_at_1": f"{expires:%H:%M:%S}",
        **changes,
    }


def test_session_is_added_and_its_copy_written_after_the_commit(
    admin_client: Client, valkey: Any, django_capture_on_commit_callbacks: Any
) -> None:
    user = make_seed_user("planner")
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_client.post(url("travelsession_add"), session_data(user=user.pk))
        assert response.status_code == 302
        assert not valkey.exists("session:planner")
    assert json.loads(valkey.get("session:planner"))["budget"] == 900.0
    record = TravelSession.objects.get(user=user)
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(url("travelsession_change", record.pk), session_data(budget="950"))
    assert json.loads(valkey.get("session:planner"))["budget"] == 950.0
    page = admin_client.get(url("travelsession_change", record.pk)).content.decode()
    assert "session:planner" in page
    assert "there" in page
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(url("travelsession_delete", record.pk), {"post": "yes"})
    assert not valkey.exists("session:planner")


def test_session_page_names_the_fields_that_are_out_of_step(
    admin_client: Client, valkey: Any
) -> None:
    session = make_session(make_seed_user("one"))
    sessions.publish_sessions(["one"])
    document = {**json.loads(valkey.get("session:one")), "budget": 3.0}
    valkey.set("session:one", json.dumps(document), keepttl=True)
    page = admin_client.get(url("travelsession_change", session.pk)).content.decode()
    assert "differs in budget" in page


def test_invalid_session_is_refused_in_words(admin_client: Client) -> None:
    taken = make_session().user
    group = make_group()
    free = make_seed_user()
    yesterday = timezone.localdate() - timedelta(days=1)
    for changes, words in (
        ({}, "Expected a user or a group, got none"),
        ({"user": free.pk, "group": group.pk}, "got both"),
        ({"user": taken.pk}, "plans a trip already"),
        ({"user": free.pk, "end_date": yesterday}, "Expected a day from"),
        ({"user": free.pk, "interests": ["x" * 41]}, "at most 40 characters"),
        ({"user": free.pk, "destination_lat": 99}, "-90 to 90 degrees"),
    ):
        response = admin_client.post(url("travelsession_add"), session_data(**changes))
        page = response.content.decode().replace("&#x27;", "'")
        assert response.status_code == 200
        assert words in page, words


def test_group_is_edited_and_its_copy_follows_its_members(
    admin_client: Client, valkey: Any, django_capture_on_commit_callbacks: Any
) -> None:
    group = make_group("team", [make_seed_user(age=20)])
    make_session(group)
    older = make_seed_user(age=60)
    data = {"name": "Team", "origin": 2, "members": [older.pk]}
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_client.post(url("travelgroup_change", group.pk), data)
    assert response.status_code == 302
    assert json.loads(valkey.get("session:team"))["static_attributes"]["age"] == 60
    assert group.history.count() >= 2


ACTIONS = [
    ("seeduser", "fill_in", "change_seeduser", "matching.complete_users"),
    ("seeduser", "create_sessions", "add_travelsession", "matching.create_sessions"),
    ("travelgroup", "create_sessions", "add_travelsession", "matching.create_sessions"),
    ("travelsession", "check_copies", "change_travelsession", "matching.check_sessions"),
    ("travelsession", "repair_copies", "change_travelsession", "matching.repair_sessions"),
]


@pytest.mark.parametrize(("model", "action", "permission", "kind"), ACTIONS)
def test_action_starts_its_job_with_permission(
    model: str, action: str, permission: str, kind: str
) -> None:
    record: Any = {
        "seeduser": make_seed_user,
        "travelgroup": make_group,
        "travelsession": make_session,
    }[model]()
    client = client_with(f"matching.view_{model}", f"matching.{permission}")
    data = {"confirmed": "1", "action": action, "_selected_action": [record.pk]}
    response = client.post(url(f"{model}_changelist"), data)
    job = Job.objects.get()
    assert (job.kind, job.user is not None) == (kind, True)
    assert "Started" in said(response)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state in (Job.State.SUCCEEDED, Job.State.REFUSED)


@pytest.mark.parametrize(
    ("model", "action"),
    [(model, action) for model, action, _, _ in ACTIONS],
)
def test_action_without_permission_starts_nothing(model: str, action: str) -> None:
    record: Any = {
        "seeduser": make_seed_user,
        "travelgroup": make_group,
        "travelsession": make_session,
    }[model]()
    client = client_with(f"matching.view_{model}")
    data = {"confirmed": "1", "action": action, "_selected_action": [record.pk]}
    client.post(url(f"{model}_changelist"), data)
    assert not Job.objects.exists()


def test_check_needs_the_permission_to_see_sessions() -> None:
    session = make_session()
    data = {"confirmed": "1", "action": "check_copies", "_selected_action": [session.pk]}
    response = client_with("matching.view_seeduser").post(url("travelsession_changelist"), data)
    assert response.status_code == 403
    assert not Job.objects.exists()


STARTS = [
    ("seeduser_seed", {"count": 5, "seed": 2}, "add_seeduser", "matching.seed_users"),
    ("travelsession_create", {"ttl_days": 2, "seed": 2}, "add_travelsession",
     "matching.create_sessions"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "permission", "kind"), STARTS)
def test_start_page_starts_its_job_with_permission_only(
    name: str, data: dict[str, Any], permission: str, kind: str
) -> None:
    stranger = client_with("matching.view_seeduser")
    assert stranger.post(url(name), data).status_code == 403
    client = client_with(f"matching.{permission}", "matching.view_travelsession")
    assert client.get(url(name)).status_code == 200
    assert client.post(url(name), {"seed": -1}).status_code == 200
    assert not Job.objects.exists()
    assert client.post(url(name), data).status_code == 302
    assert Job.objects.get().kind == kind
    assert Job.objects.get().arguments == data


def test_file_is_imported_from_the_admin(admin_client: Client, tmp_path: Any) -> None:
    good = SimpleUploadedFile("p.csv", b"external_id,age\nfrom_file,30\nbad,3\n")
    with override_settings(MEDIA_ROOT=str(tmp_path)):
        assert (
            admin_client.post(url("seeduser_import"), {"file": good, "origin": "real"}).status_code
            == 302
        )
        run_job(str(Job.objects.get().pk))
    assert SeedUser.objects.get().external_id == "from_file"
    assert Job.objects.get().result["rows_refused"] == 1
    for name, content, words in (
        ("p.csv", b"", "empty"),
        ("p.csv", b"\x89PNG\r\n", "a picture (PNG)"),
    ):
        bad = SimpleUploadedFile(name, content)
        page = admin_client.post(url("seeduser_import"), {"file": bad}).content.decode()
        assert words in page
    assert Job.objects.count() == 1


def test_the_form_asks_whether_people_are_real_where_the_file_does_not_say_it(
    admin_client: Client, tmp_path: Any
) -> None:
    file = SimpleUploadedFile("p.csv", b"external_id,age\nfrom_file,30\n")
    with override_settings(MEDIA_ROOT=str(tmp_path)):
        page = admin_client.post(url("seeduser_import"), {"file": file}, follow=True)
    assert "origin" in page.context["form"].errors
    assert not Job.objects.exists()


def test_front_page_shows_people_and_the_next_step(admin_client: Client) -> None:
    index = reverse("admin:index")
    assert "Make 200 people" in admin_client.get(index).content.decode()
    user = make_seed_user(age=None)
    assert "Complete 1" in admin_client.get(index).content.decode()
    make_session(user)
    page = admin_client.get(index).content.decode()
    assert "0 of 1 profiles are complete" in page
    other = client_with("matching.view_travelgroup").get(index).content.decode()
    assert "profiles are complete" not in other
    assert "Nothing to show yet" in other


def test_user_is_found_incomplete_left_out_completed_in_the_admin_and_used(
    admin_client: Client,
) -> None:
    run_command("seed_users", "--now", "--count", "0")
    run_command("create_sessions", "--now")
    user = SeedUser.objects.get(external_id="seed_short_trip_005")
    data = profile_data(user)
    emptied = {**data, "age": "", "interests": []}
    admin_client.post(url("seeduser_change", user.pk), emptied)
    code, report = run_command("check_profiles")
    assert (code, report["profiles"][0]["missing"]) == (2, ["age", "interests"])
    skipped = load_travellers("user_user").skipped()[INCOMPLETE]
    assert skipped["examples"] == [
        {"external_id": "seed_short_trip_005", "missing": ["age", "interests"]}
    ]
    admin_client.post(url("seeduser_change", user.pk), data)
    assert run_command("check_profiles")[0] == 0
    assert "seed_short_trip_005" in set(load_travellers("user_user").users["external_id"])
    assert TravelGroup.objects.count() == 4


def test_rows_of_other_models_show_only_to_who_may_see_them() -> None:
    user = make_seed_user("traveller", name="Known Only To Some")
    session = make_session(user)
    narrow = client_with("matching.view_seeduser").get(url("seeduser_changelist")).content.decode()
    assert session.destination_name not in narrow
    wide = client_with("matching.view_seeduser", "matching.view_travelsession")
    assert session.destination_name in wide.get(url("seeduser_changelist")).content.decode()
