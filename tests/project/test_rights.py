"""Nobody gives a right that they do not hold, or takes over an account that holds more."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from project.audit.models import Act, AuditEntry
from tests.factories import make_admin, make_staff

pytestmark = pytest.mark.django_db
VERBS = ("view", "add", "change", "delete")
ACCOUNTS = [f"auth.{verb}_{what}" for verb in VERBS for what in ("user", "group")]


def of(*names: str) -> list[Permission]:
    """Permissions by their names, `app.codename`."""
    return [
        Permission.objects.get(content_type__app_label=app, codename=codename)
        for app, _, codename in (name.partition(".") for name in names)
    ]


@pytest.fixture
def clerk() -> User:
    """Somebody who manages accounts and groups, and may see jobs."""
    person = make_staff(name="clerk")
    person.user_permissions.set(of(*ACCOUNTS, "jobs.view_job"))
    return person


@pytest.fixture
def desk(clerk: User) -> Client:
    client = Client()
    client.force_login(clerk)
    return client


def page(record: User | Group, what: str = "change") -> str:
    return reverse(f"admin:auth_{record._meta.model_name}_{what}", args=[record.pk])


def saved(client: Client, record: User | Group, **changes: Any) -> Any:
    """Send the form of a record as it is shown, or would be, with changes."""
    if isinstance(record, Group):
        return client.post(page(record), {"name": record.name, **changes})
    return client.post(
        page(record),
        {
            "username": record.username, "is_active": "on", "is_staff": "on",
            "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", **changes,
        },
    )  # fmt: skip


def keys(*records: Any) -> list[int]:
    return [record.pk for record in records]


def test_nobody_makes_a_superuser_who_is_none(desk: Client, clerk: User) -> None:
    other = make_staff(name="other")
    for person in (clerk, other):
        rights = keys(*person.user_permissions.all())
        assert saved(desk, person, is_superuser="on", user_permissions=rights).status_code == 302
        person.refresh_from_db()
        assert not person.is_superuser
    assert clerk.user_permissions.count() == len(ACCOUNTS) + 1


def test_a_right_is_given_by_who_holds_it_and_by_nobody_else(desk: Client, clerk: User) -> None:
    held, beyond = of("jobs.view_job", "training.promote_model")
    ring = Group.objects.create(name="viewers")
    ring.permissions.set([held])
    promoters = Group.objects.create(name="promoters")
    promoters.permissions.set([held, beyond])
    other = make_staff(name="other")
    for record, changes in (
        (other, {"user_permissions": keys(beyond)}),
        (clerk, {"user_permissions": keys(beyond)}),
        (other, {"groups": keys(promoters)}),
        (clerk, {"groups": keys(promoters)}),
        (ring, {"permissions": keys(held, beyond)}),
    ):
        refused = saved(desk, record, **changes)
        assert refused.status_code == 200
        assert "not one of the available choices" in refused.content.decode()
    assert not other.has_perm("training.promote_model")
    assert saved(desk, other, user_permissions=keys(held), groups=keys(ring)).status_code == 302
    assert [*other.user_permissions.all(), *other.groups.all()] == [held, ring]
    assert saved(desk, ring, permissions=keys(held)).status_code == 302
    offered = desk.get(page(other)).context["adminform"].form.fields
    assert beyond not in offered["user_permissions"].queryset
    assert list(offered["groups"].queryset) == [ring]


def test_a_group_is_made_of_rights_that_one_holds(desk: Client) -> None:
    held, beyond = of("jobs.view_job", "training.promote_model")
    add = reverse("admin:auth_group_add")
    assert desk.post(add, {"name": "a", "permissions": keys(beyond)}).status_code == 200
    assert desk.post(add, {"name": "a", "permissions": keys(held)}).status_code == 302
    assert list(Group.objects.get(name="a").permissions.all()) == [held]


def with_more(how: str) -> User | Group:
    (beyond,) = of("training.promote_model")
    group = Group.objects.create(name="promoters")
    group.permissions.set([beyond])
    if how == "a group":
        return group
    if how == "a superuser":
        return make_admin()
    person = make_staff(name="ada")
    person.is_active = how != "switched off"
    person.save()
    if how == "by a group":
        person.groups.set([group])
    else:
        person.user_permissions.set([beyond])
    return person


@pytest.mark.parametrize(
    "how", ["a superuser", "by itself", "by a group", "switched off", "a group"]
)
def test_who_holds_more_is_shown_and_not_touched(desk: Client, how: str) -> None:
    record = with_more(how)
    shown = desk.get(page(record))
    assert shown.status_code == 200
    assert 'name="_save"' not in shown.content.decode()
    assert saved(desk, record).status_code == 403
    assert desk.post(page(record, "delete"), {"post": "yes"}).status_code == 403
    lists = reverse(f"admin:auth_{record._meta.model_name}_changelist")
    chosen = {"action": "delete_selected", "_selected_action": record.pk, "post": "yes"}
    desk.post(lists, chosen)
    record.refresh_from_db()
    if isinstance(record, User):
        password = reverse("admin:auth_user_password_change", args=[record.pk])
        before = record.password
        new = {"password1": "correct horse battery", "password2": "correct horse battery"}
        assert desk.post(password, {**new, "usable_password": "true"}).status_code == 403
        record.refresh_from_db()
        assert record.password == before
    assert not AuditEntry.objects.of(Act.ACCOUNT, Act.REMOVAL).exists()


def test_a_superuser_gives_everything(client: Client) -> None:
    client.force_login(make_admin())
    person, (right,) = make_staff(name="ada"), of("training.promote_model")
    sent = saved(client, person, is_superuser="on", user_permissions=keys(right))
    assert sent.status_code == 302
    person.refresh_from_db()
    assert person.is_superuser
    assert list(person.user_permissions.all()) == [right]
