"""One person is erased: the one that is meant, for a reason that tells nobody who it was."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.jobs.erasing import ErasePerson
from matching.models import SeedUser
from matching.services.identity import rename_person
from project.audit.models import AuditEntry
from project.jobs.models import Job
from project.removal.models import Receipt
from project.removal.registry import removal_of
from tests.factories import make_group, make_seed_user
from tests.feedback.test_commands import run
from tests.removing import remove

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


def plan_of(person: SeedUser) -> Any:
    how = removal_of("person")
    assert how is not None
    return how.plan(person, ErasePerson(number=person.pk, why="-"))


# --- Who is meant ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_former", [False, True])
def test_digits_that_are_the_number_of_one_and_the_id_of_another_erase_nobody(
    *, is_former: bool
) -> None:
    one = make_seed_user("ana")
    other = make_seed_user(str(one.pk))
    if is_former:
        rename_person(other, "was-a-number", on_failure=lambda _: None)
    code, refused = run("remove", "person", str(one.pk), "--why", "Request 12", "--now")
    assert code == 2
    assert refused["refused"]["message"] == (
        f"{one.pk} is the number of one person and the id of another, whose number is {other.pk}."
    )
    assert "`--by number`" in refused["refused"]["remedy"]
    assert not Job.objects.exists()
    asked = ["remove", "person", str(one.pk), "--why", "Request 12", "--now", "--by"]
    assert run(*asked, "name")[0] == 0
    assert list(SeedUser.objects.all()) == [one]
    assert run(*asked, "number")[0] == 0
    assert not SeedUser.objects.exists()


def test_an_id_of_digits_alone_is_still_an_id() -> None:
    person = make_seed_user("4711471147114711")
    code, shown = run("remove", "person", "4711471147114711", "--plan")
    assert (code, shown["plan"]["number"]) == (0, person.pk)
    code, refused = run("remove", "person", "4711471147114711", "--plan", "--by", "number")
    assert (code, refused["refused"]["message"]) == (2, "There is no person 4711471147114711.")


def test_the_page_takes_the_number_and_names_who_it_is(admin_client: Client) -> None:
    one = make_seed_user("ana", name="Ana Alba")
    other = make_seed_user(str(one.pk), name="Bea")
    page = admin_client.get(f"{reverse('admin:remove_person')}?number={one.pk}").content.decode()
    assert f"Remove person {one.pk}: Ana Alba" in page
    main = page.partition("<main")[2]
    address = reverse("admin:matching_seeduser_change", args=[one.pk])
    assert f'<a href="{address}">Ana Alba</a> <span class="sb-quiet">ana</span>' in main
    assert "Bea" not in main
    assert ">Profile<" not in main, "the record itself is not counted beside it"
    remove("person", one.pk)
    assert SeedUser.objects.get() == other
    kept = (*Receipt.objects.values_list("title", "why"), *AuditEntry.objects.values_list("title"))
    assert not any("Ana" in str(line) or "'ana'" in str(line) for line in kept)


# --- What for -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "why",
    [
        *("Carl asked", "carl asked", "for CARL's sake", "mail of Orsted", "as Xanthos wrote"),
        *("wilma xanthos wrote to us", "carl_77", "Carl_77 wrote", "old_carl wrote", "about 77"),
    ],
)
def test_a_reason_with_an_id_or_a_part_of_a_name_is_refused(why: str) -> None:
    person = make_seed_user("old_carl", name="Wilma Xanthos-Ørn")
    person.name = "Carl Örsted"
    person.save()
    rename_person(person, "77", on_failure=lambda _: None)
    rename_person(person, "carl_77", on_failure=lambda _: None)
    code, refused = run("remove", "person", str(person.pk), "--why", why, "--now")
    assert code == 2
    assert "has an id, a name or part of a name" in refused["refused"]["message"]
    assert "“Request 12”" in refused["refused"]["remedy"]
    assert why not in str(refused)
    assert not Job.objects.exists()
    # A job that was asked for past the command looks too.
    job = remove("person", person.pk, why=why)
    assert job.state == Job.State.REFUSED
    assert SeedUser.objects.filter(pk=person.pk).exists()


def test_a_reason_of_other_words_and_those_of_the_product_are_taken() -> None:
    from matching.queries.erasing import ASKED_BY_APPLICATION, ERASED_SINCE_BACKUP

    for why in ("Request 12", "carla asked", "a request of 2026", ASKED_BY_APPLICATION,
                ERASED_SINCE_BACKUP):  # fmt: skip
        person = make_seed_user("carl", name="Carl Made Asked For")
        if why == "carla asked":
            SeedUser.objects.filter(pk=person.pk).update(name="Carl")
            SeedUser.history.filter(id=person.pk).update(name="Carl")
        assert remove("person", person.pk, why=why).state == Job.State.SUCCEEDED, why


def test_a_reason_is_looked_at_after_half_an_erasure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    person = make_seed_user("ana_1", name="Carl")

    def fail(*_: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("feedback.services.erasing.rewrite_feedback", fail)
        with pytest.raises(OSError, match="no room"):
            remove("person", person.pk)
    assert remove("person", person.pk, why="Carl asked").state == Job.State.REFUSED
    assert remove("person", person.pk, why="Request 12").state == Job.State.SUCCEEDED


def test_a_full_name_is_found_in_capitals_and_small_letters_too() -> None:
    person = make_seed_user("ana_1", name="Ana Alba")
    job = Job.objects.create(
        kind="matching.seed_users",
        state=Job.State.SUCCEEDED,
        result={"text": "ANA ALBA, ana alba and Ana Alba; ana albatross stays"},
    )
    remove("person", person.pk)
    job.refresh_from_db()
    label = f"erased-{person.pk}"
    assert job.result["text"] == f"{label}, {label} and {label}; ana albatross stays"


# --- How much -------------------------------------------------------------------------------------

# What is found by reading all of it, which the plan says.
FOUND_LATER = {"uploaded file", "rewritten dataset", "rewritten model description", "other record",
               "replaced file"}  # fmt: skip


def test_the_plan_counts_what_the_erasure_of_a_merged_and_renamed_person_does() -> None:
    assert run("seed_users", "--count", "150", "--now")[0] == 0
    assert run("create_sessions", "--now")[0] == 0
    person, twin = SeedUser.objects.order_by("pk")[:2]
    person.age = 44
    person.save()
    make_group("club", [person, make_seed_user()])
    assert run("generate_events", "--count", "800", "--now")[0] == 0
    assert run("people", "merge", person.external_id, twin.external_id, "--now")[0] == 0
    rename_person(person, "ana-new", on_failure=lambda _: None)
    person = SeedUser.objects.get(pk=person.pk)
    plan = plan_of(person)
    assert "the receipt counts what was found" in plan.also[0]
    planned = {noun: count for noun, count in plan.goes.items() if count}
    for noun in ("history line", "former name", "live session", "rewritten population",
                 "rewritten event", "trip", "group membership"):  # fmt: skip
        assert planned[noun] >= 1, noun
    assert planned["former name"] == 2
    job = remove("person", person.pk)
    counts = job.result["counts"]
    assert planned == {n: c for n, c in counts.items() if c and n not in FOUND_LATER}
    assert job.result["counts"]["replaced file"] > 0
