"""Why a record was changed or removed is asked for, and kept."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from matching.models import SeedUser, TravelGroup
from project.acting import ActedHistory, operator
from project.audit.models import Act, AuditEntry
from project.pages.admins import HistoryAdmin
from tests.factories import make_admin, make_group, make_seed_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def test_the_history_keeps_why_a_record_was_changed(client: Client) -> None:
    group = make_group()
    page = reverse("admin:matching_travelgroup_change", args=[group.pk])
    assert 'name="why"' in client.get(page).content.decode()
    members = list(group.members.values_list("pk", flat=True))
    said = {"name": "Walkers", "origin": group.origin, "members": members}
    client.post(page, {**said, "why": "asked by three people"})
    assert group.history.first().history_change_reason == "asked by three people"
    shown = client.get(reverse("admin:matching_travelgroup_history", args=[group.pk]))
    assert "asked by three people" in shown.content.decode()
    # Made at the command line: by whom, and not by an application.
    assert f"<td>{operator().name}</td>" in shown.content.decode()
    refused = client.post(page, {**said, "name": "Runners", "why": "x" * 101})
    assert "at most 100 characters" in refused.content.decode()
    assert TravelGroup.objects.get().name == "Walkers"


def test_every_history_names_who_acted() -> None:
    histories = [model for model in apps.get_models() if hasattr(model, "history_user")]
    assert len(histories) > 5
    assert [model for model in histories if not issubclass(model, ActedHistory)] == []


def test_every_record_with_a_history_asks_why_when_it_is_changed() -> None:
    admin.autodiscover()
    request = HttpRequest()
    request.user = make_admin()
    found = 0
    for model, model_admin in admin.site._registry.items():
        if isinstance(model_admin, HistoryAdmin) and model_admin.has_change_permission(request):
            found += 1
            form = model_admin.get_form(request, model(), change=True)
            assert "why" in form.base_fields, model
    assert found


@pytest.mark.parametrize("together", [False, True])
def test_the_audit_list_keeps_why_a_record_was_removed(client: Client, together: bool) -> None:
    user = make_seed_user("gone")
    page = reverse("admin:matching_seeduser_delete", args=[user.pk])
    sent = {"post": "yes", "reason": "asked to be forgotten\0"}
    if together:
        page = reverse("admin:matching_seeduser_changelist")
        sent |= {"action": "delete_selected", "_selected_action": str(user.pk)}
    asked = {**sent, "confirmed": "1"}
    asked.pop("post")
    shown = client.post(page, asked) if together else client.get(page)
    assert 'name="reason"' in shown.content.decode()
    client.post(page, sent)
    assert not SeedUser.objects.exists()
    entry = AuditEntry.objects.get(act=Act.REMOVAL)
    assert entry.detail.startswith("asked to be forgotten")
