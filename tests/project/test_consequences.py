"""Whatever changes several records asks first, and says to how many and what comes of it."""

import pytest
from django.contrib import admin
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from matching.models import SeedUser
from project.jobs.models import Job
from project.origin import Origin
from project.pages import registry
from project.pages.admins import RecordAdmin
from tests.factories import make_seed_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

# Actions that ask nothing before, and why not.
CHANGES_NOTHING = "downloads"
ASKS_ITSELF = "leads to a form that says how many and what"
INSTANT: dict[tuple[str, str], str] = {
    ("feedback.feedbacksource", "test_connection"): ASKS_ITSELF,
    ("feedback.rejectedrecord", "correct"): ASKS_ITSELF,
    ("feedback.rejectedrecord", "download"): CHANGES_NOTHING,
    ("feedback.rejectedrecord", "download_to_mend"): CHANGES_NOTHING,
    ("feedback.rejectedrecord", "remove_rows"): ASKS_ITSELF,
    ("matching.refusedprofile", "remove_rows"): ASKS_ITSELF,
    ("matching.rejectedevent", "remove_rows"): ASKS_ITSELF,
    ("matching.eventbatch", "export"): CHANGES_NOTHING,
    ("matching.refusedprofile", "correct"): ASKS_ITSELF,
    ("matching.refusedprofile", "download_to_mend"): CHANGES_NOTHING,
    ("matching.rejectedevent", "correct"): ASKS_ITSELF,
    ("matching.rejectedevent", "download_to_mend"): CHANGES_NOTHING,
    ("training.modelversion", "compare_versions"): "shows versions side by side",
}


def test_every_action_says_its_consequence_or_stands_among_the_few_that_need_none() -> None:
    admin.autodiscover()
    instant = {}
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, RecordAdmin), f"the actions of {model_admin} ask nothing"
        label = model._meta.label_lower
        for _, name, _ in model_admin._get_base_actions():
            if name == "delete_selected":  # its page counts what goes
                continue
            if name in model_admin.instant_actions:
                instant[label, name] = True
            else:
                assert name in model_admin.consequences, f"{label}.{name} does not say what comes"
    for (label, name), action in registry._actions.items():
        if action.foresee is None:
            instant[label, name] = True
    assert instant.keys() == INSTANT.keys()


def test_filling_in_counts_synthetic_people_and_leaves_real_ones(admin_client: Client) -> None:
    drawn = make_seed_user("drawn", gender="")
    real = make_seed_user("real", gender="", origin=Origin.REAL.code)
    whole = make_seed_user("whole")
    there = reverse("admin:matching_seeduser_changelist")
    chosen = {"action": "fill_in", "_selected_action": [drawn.pk, real.pk, whole.pk]}
    html = admin_client.post(there, chosen).content.decode()
    assert "Fill in what is missing: 1<" in html
    assert "1 synthetic profile lacks something and is filled in with drawn values." in html
    assert "1 real person lacks something and stays as it is: nothing is invented" in html
    assert "1 profile is complete already." in html
    assert "No worker is running" in html
    assert not Job.objects.exists()


def test_what_comes_to_nothing_has_no_button(admin_client: Client) -> None:
    real = make_seed_user("real", gender="", origin=Origin.REAL.code)
    there = reverse("admin:matching_seeduser_changelist")
    chosen = {"action": "fill_in", "_selected_action": [real.pk]}
    html = admin_client.post(there, chosen).content.decode()
    assert "There is nothing to fill in" in html
    assert "Fill in what is missing:" not in html
    assert SeedUser.objects.get(pk=real.pk).gender == ""


def test_a_consequence_can_be_said_of_no_record_at_all() -> None:
    admin.autodiscover()
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, RecordAdmin)
        for foresee in model_admin.consequences.values():
            said = foresee(HttpRequest(), model._default_manager.none())
            assert said.count == 0
            assert said.sentences
