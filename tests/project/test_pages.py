"""The registry through which apps add to each other's pages, and the pages that are made of it."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from matching.models import EventBatch, SeedUser
from project.pages import registry
from project.pages.badges import badge, tone_of
from project.pages.consequences import Consequence
from project.pages.figures import figure
from project.pages.links import record_url
from project.pages.registry import AlreadyRegistered
from tests.factories import make_admin, make_alarm, make_seed_user, make_staff
from tests.training.batches import make_good_batch


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    admin.autodiscover()  # what the apps register while a copy stands in would go with it
    for name in ("_pages", "_actions"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))


def test_nothing_is_registered_twice() -> None:
    with pytest.raises(AlreadyRegistered, match="front page"):
        registry.front_page(lambda request: {})
    page = registry.page("A", route="a/", name="a", permission="x.y")
    page(lambda request: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(AlreadyRegistered, match="named a"):
        page(lambda request: None)  # type: ignore[arg-type,return-value]

    def act(request: Any, records: Any) -> None:
        pass

    registry.object_action("matching.eventbatch", "Act", permission="x.y", foresee=None)(act)
    with pytest.raises(AlreadyRegistered, match="named act"):
        registry.object_action("matching.eventbatch", "Again", permission="x.y", foresee=None)(act)


def test_an_action_of_another_app_is_offered_and_done_with_its_permission_only(
    db: None, client: Client
) -> None:
    done: list[list[int]] = []

    @registry.object_action(
        "matching.eventbatch",
        "Wave",
        permission="matching.export_events",
        foresee=lambda request, batches: Consequence(batches.count(), ("They are waved at.",)),
    )
    def wave(request: Any, batches: Any) -> None:
        done.append(sorted(batches.values_list("pk", flat=True)))

    batch = make_good_batch(40)
    there = reverse("admin:matching_eventbatch_changelist")
    page = reverse("admin:matching_eventbatch_change", args=[batch.pk])
    chosen = {"confirmed": "1", "action": "wave", "_selected_action": [batch.pk]}

    client.force_login(make_staff("matching.view_eventbatch"))
    assert b"Wave" not in client.get(there).content + client.get(page).content
    client.post(there, chosen)
    assert done == []

    client.force_login(make_staff("matching.view_eventbatch", "matching.export_events"))
    assert b"Wave" in client.get(there).content
    assert b"Wave" in client.get(page).content
    client.post(there, chosen)
    assert done == [[batch.pk]]


def test_every_registered_page_is_closed_to_who_lacks_its_permission(
    db: None, client: Client
) -> None:
    client.force_login(make_staff())
    pages = registry.all_pages()
    assert pages
    for page in pages:
        if not page.permission:
            continue  # for whoever is signed in; what it shows asks for itself
        arguments = {"kind": "csat"} if "<slug:kind>" in page.route else {}
        address = reverse(f"admin:{page.name}", kwargs=arguments)
        assert client.get(address).status_code == 403, page.name


def test_a_page_that_begins_records_is_linked_from_their_list(db: None, client: Client) -> None:
    client.force_login(make_admin())
    models = client.get(reverse("admin:training_modelversion_changelist")).content.decode()
    assert reverse("admin:training_modelversion_rebuild") in models


def test_every_record_admin_of_ours_takes_actions_of_other_apps() -> None:
    ours = ("project.", "matching.", "feedback.", "training.", "overview.")
    for model, model_admin in admin.site._registry.items():
        if type(model_admin).__module__.startswith(ours):
            assert hasattr(model_admin, "object_actions"), model


def test_a_badge_has_the_tone_of_its_word_and_escapes_it() -> None:
    assert tone_of("Refuse") == "bad"
    assert tone_of("any other word") == "plain"
    assert "sb-synthetic" in badge("synthetic")
    assert "<b>" not in badge("<b>")
    assert 'href="/x"' in badge("live", url="/x")


def test_a_figure_shows_its_interval() -> None:
    assert figure(None) == "-"
    assert figure({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert "0.400 to 0.600" in figure({"value": 0.5, "low": 0.4, "high": 0.6})


def test_a_list_without_records_names_the_next_step(db: None, client: Client) -> None:
    client.force_login(make_admin())
    SeedUser.objects.all().delete()
    EventBatch.objects.all().delete()
    page = client.get(reverse("admin:matching_seeduser_changelist")).content.decode()
    assert "There are no seed users yet" in page
    assert reverse("admin:matching_seeduser_seed") in page


def test_a_page_is_titled_by_its_record_and_offers_a_history_where_there_is_one(
    admin_client: Client,
) -> None:
    user, alarm = make_seed_user("user1", name="Amira Haddad"), make_alarm()
    page = admin_client.get(record_url(user)).content.decode()
    assert "<title>Amira Haddad | Seed user user1 | " in page
    assert "<h1>Amira Haddad</h1><p>Seed user user1</p>" in page
    assert ">History</a>" in page
    page = admin_client.get(record_url(alarm)).content.decode()
    assert f"<h1>{alarm}</h1><p>Alarm</p>" in page
    assert ">History</a>" not in page  # nobody can change it
