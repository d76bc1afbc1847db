"""One person under two names: renamed, and found by either name."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from matching.models import PersonAlias, SeedUser, TravelSession, live
from matching.models.live import LiveSession
from matching.queries.session_checks import check_sessions
from matching.services import session_repairs
from matching.services.applications import end_trip, put_profile, put_trip
from matching.services.identity import rename_person
from matching.services.sessions import publish_sessions
from project import clock
from project.audit.models import Act, AuditEntry
from project.refusal import Refusal
from tests.factories import make_group, make_seed_user, make_session

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
