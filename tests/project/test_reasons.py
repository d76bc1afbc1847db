"""Why a record was changed or removed is asked for, and kept."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse

from matching.models import TravelGroup
from project.acting import ActedHistory, operator
from project.audit.models import Act, AuditEntry
from project.pages.admins import HistoryAdmin
from tests.factories import make_admin, make_group, make_mapping, make_seed_user, make_staff

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
    group = make_group("gone", [])
    page = reverse("admin:matching_travelgroup_delete", args=[group.pk])
    sent = {"post": "yes", "reason": "asked to be forgotten\0"}
    if together:
        page = reverse("admin:matching_travelgroup_changelist")
        sent |= {"action": "delete_selected", "_selected_action": str(group.pk)}
    asked = {**sent, "confirmed": "1"}
    asked.pop("post")
    shown = client.post(page, asked) if together else client.get(page)
    assert 'name="reason"' in shown.content.decode()
    client.post(page, sent)
    assert not TravelGroup.objects.exists()
    entry = AuditEntry.objects.get(act=Act.REMOVAL)
    assert entry.detail.startswith("asked to be forgotten")


FIELD = re.compile(r"<(?:input|select|textarea)\b(?![^>]*type=\"(?:hidden|submit)\")[^>]*>")


def fields_to_write_in(page: HttpResponse) -> list[str]:
    html = page.content.decode()
    main = html[html.index('id="content-main"') : html.index("</main>")]
    return [field for field in FIELD.findall(main) if "disabled" not in field]


def test_an_earlier_state_has_fields_for_who_may_go_back_to_it_alone(client: Client) -> None:
    user, mapping = make_seed_user(), make_mapping()

    def earlier(record: Any) -> str:
        name = f"admin:{record._meta.app_label}_{record._meta.model_name}_simple_history"
        return reverse(name, args=[record.pk, record.history.latest().pk])

    assert fields_to_write_in(client.get(earlier(user)))
    assert fields_to_write_in(client.get(earlier(mapping))) == []  # nobody changes one by hand
    client.force_login(make_staff("matching.view_seeduser"))
    shown = client.get(earlier(user))
    assert fields_to_write_in(shown) == []
    assert user.external_id in shown.content.decode()
    assert "Revert" not in shown.content.decode()
