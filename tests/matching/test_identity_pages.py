"""Renaming and merging on the page of a person, by who may."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.models import SeedUser, TravelSession
from matching.queries.merging import plan_merge
from matching.services.identity import merge_people, rename_person
from project.audit.models import AuditEntry
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.origin import Origin
from tests.factories import make_group, make_seed_user, make_session, make_staff
from tests.removing import remove

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
VIEW, CHANGE, DELETE = (f"matching.{what}_seeduser" for what in ("view", "change", "delete"))


def page(name: str, user: SeedUser) -> str:
    return reverse(f"admin:matching_seeduser_{name}", args=[user.pk])


def messages_of(answer: Any) -> str:
    return " ".join(str(one) for one in answer.context["messages"])


@pytest.mark.parametrize(
    ("rights", "rename", "merge"),
    [([VIEW], 403, 403), ([VIEW, CHANGE], 200, 403), ([VIEW, CHANGE, DELETE], 200, 200),
     ([VIEW, DELETE], 403, 403)],
)  # fmt: skip
def test_only_who_may_is_led_there_and_let_in(
    client: Client, rights: list[str], rename: int, merge: int
) -> None:
    user = make_seed_user("ada")
    client.force_login(make_staff(*rights))
    shown = client.get(page("change", user)).content.decode()
    for name, status in (("rename", rename), ("merge", merge)):
        assert client.get(page(name, user)).status_code == status
        assert client.post(page(name, user), {}).status_code == status
        assert (page(name, user) in shown) == (status == 200)


@pytest.mark.parametrize("has_both", [True, False])
def test_a_trip_whose_place_nobody_named_is_a_trip(admin_client: Client, *, has_both: bool) -> None:
    keep, gone = make_seed_user("ana"), make_seed_user("bob")
    for user in (keep, gone) if has_both else (gone,):
        make_session(user, destination_name="", destination_lat=52.52, destination_lon=13.4)
    plan = plan_merge(keep, gone)
    assert (plan["trip"], plan["trip_ends"]) == ("kept" if has_both else "moved", has_both)
    assert plan["gone"]["trip"] == "a place at 52.52, 13.40"
    shown = admin_client.get(f"{page('merge', keep)}?with={gone.pk}").content.decode()
    assert "Neither has a trip" not in shown
    place = ">a place at 52.52, 13.40</a>"
    address = reverse("admin:matching_seeduser_changelist")
    assert place in admin_client.get(address).content.decode()
    assert place in admin_client.get(page("change", gone)).content.decode()
    trips = reverse("admin:matching_travelsession_changelist")
    assert "a place at 52.52, 13.40" in admin_client.get(trips).content.decode()
    assert str(gone.session) == "bob to a place at 52.52, 13.40"  # type: ignore[attr-defined]


def test_a_person_is_renamed_and_the_page_tells_the_former_name(admin_client: Client) -> None:
    user, _ = make_seed_user("ada"), make_seed_user("bob")
    refused = admin_client.post(page("rename", user), {"external_id": "bob"})
    said = str(refused.context["form"].errors)
    assert "bob is the name of another person" in said
    assert "“Merge …” on the page of the person to keep" in said
    answer = admin_client.post(page("rename", user), {"external_id": "ada-2"}, follow=True)
    assert "ada is ada-2 now." in messages_of(answer)
    shown = answer.content.decode()
    assert "ada is ada-2 now." in shown  # an id keeps its letters
    assert "Former names" in shown
    assert "Renamed" in shown
    assert AuditEntry.objects.first().actor == "admin"
    assert user.history.first().history_actor == "admin"


def test_merging_shows_the_plan_first_and_starts_a_job_when_it_is_confirmed(
    admin_client: Client,
) -> None:
    keep, gone = make_seed_user("ada", profession=""), make_seed_user("bob", age=61)
    make_session(gone, destination_name="Faro")
    make_group("crew", [gone])
    asked = admin_client.post(page("merge", keep), {"gone": gone.pk})
    address = f"{page('merge', keep)}?gone={gone.pk}"
    assert (asked.status_code, asked["Location"]) == (302, address)
    shown = admin_client.get(address)
    text = shown.content.decode()
    rows = {row["label"]: row["taken"] for row in shown.context["rows"]}
    assert rows == {"profession": True, "age": False}
    for said in ("bob becomes part of ada", "The trip of who goes is taken over", "crew"):
        assert said in text
    assert f"{page('merge', gone)}?gone={keep.pk}" in text
    assert not Job.objects.exists()
    answer = admin_client.post(address, {"gone": gone.pk, "confirmed": "1"}, follow=True)
    assert answer.redirect_chain[-1][0] == page("change", keep)
    job = Job.objects.get()
    assert job.arguments == {"keep": keep.pk, "gone": gone.pk}
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == "succeeded"
    keep.refresh_from_db()
    assert keep.profession == "engineer"
    assert TravelSession.objects.get().external_id == "ada"
    told = admin_client.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    assert f"Person {gone.pk} is part of person {keep.pk}" in told


def test_what_cannot_be_merged_is_said_where_it_is_asked(admin_client: Client) -> None:
    keep = make_seed_user("ada", origin=Origin.REAL.code)
    for gone, said in (
        (keep, "one person already"),
        (make_seed_user("bob"), "never merged"),
    ):
        answer = admin_client.post(page("merge", keep), {"gone": gone.pk, "confirmed": "1"})
        assert said in str(answer.context["form"].errors)
    for given in ("", "x", "0", "99999999999999999999"):
        assert admin_client.post(page("merge", keep), {"gone": given}).status_code == 200
        assert admin_client.get(page("merge", keep), {"gone": given}).status_code == 200
    assert not Job.objects.exists()


def test_a_person_added_under_a_former_name_is_pointed_to_who_had_it(
    admin_client: Client,
) -> None:
    rename_person(make_seed_user("ada"), "ada-2")
    answer = admin_client.post(
        reverse("admin:matching_seeduser_add"), {"external_id": "ada", "origin": 1}
    )
    assert "ada is a former name of ada-2" in str(answer.context["adminform"].form.errors)
    answer = admin_client.post(
        reverse("admin:matching_travelgroup_add"), {"external_id": "ada", "origin": 1}
    )
    assert "ada is a former name of ada-2" in str(answer.context["adminform"].form.errors)
    assert SeedUser.objects.count() == 1


def test_an_earlier_state_comes_back_under_the_present_name(admin_client: Client) -> None:
    user = make_seed_user("ada", age=30)
    session = make_session(user)
    versions = user.history.first().pk, session.history.first().pk
    rename_person(user, "ada-2")
    for record, version in zip((user, session), versions, strict=True):
        model = record._meta.model_name
        address = reverse(f"admin:matching_{model}_simple_history", args=[record.pk, version])
        form = admin_client.get(address).context["adminform"].form
        fields = {
            name: form.get_initial_for_field(field, name) for name, field in form.fields.items()
        }
        fields = {name: value for name, value in fields.items() if value not in (None, "")}
        if "expires_at" in fields:
            moment = session.expires_at
            fields |= {"expires_at_0": moment.date(), "expires_at_1": moment.time()}
        answer = admin_client.post(address, fields)
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        record.refresh_from_db()
        assert record.external_id == "ada-2"


def test_nobody_who_was_merged_is_brought_back(admin_client: Client) -> None:
    keep, gone = make_seed_user("ada"), make_seed_user("bob")
    number, version = gone.pk, gone.history.first().pk
    merge_people(keep.pk, number)
    address = reverse("admin:matching_seeduser_simple_history", args=[number, version])
    answer = admin_client.post(address, {"external_id": "bob"}, follow=True)
    assert "bob was merged into ada, and stays so." in messages_of(answer)
    assert SeedUser.objects.count() == 1


def test_whoever_is_removed_leaves_no_copy_under_a_former_name(valkey: Any) -> None:
    user = rename_person(make_seed_user("ada"), "ada-2")
    valkey.set("session:ada", "{}")
    assert remove("person", user.pk).state == "succeeded"
    assert not SeedUser.objects.exists()
    assert valkey.get("session:ada") is None
