"""The roles that come with Seedbed: made once, never against what an installation decided."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.management import _get_all_permissions
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from overview.migrations._grants import give_rights, make_roles
from overview.models import Role
from project.jobs.contract import all_kinds
from project.pages.registry import all_pages
from tests.roles import given_rights, rights_of_roles

GRANTS = import_module("overview.migrations.0001_roles").GRANTS
PAGE = Path(settings.BASE_DIR) / "docs" / "roles.md"
# Whose rights no role has: records without a page, or of a library.
OF_NOBODY = {"admin", "contenttypes", "sessions", "axes", "django_rq"}


def every_right() -> dict[str, str]:
    """Return every right of a record with a page, and what it is called."""
    return {
        f"{model._meta.app_label}.{codename}": title
        for model in apps.get_models()
        if model._meta.app_label not in OF_NOBODY
        for codename, title in _get_all_permissions(model._meta)
    }


@pytest.fixture
def made(db: None) -> None:
    """Give the roles as the migrations leave them, whatever was removed before."""
    Role.objects.all().delete()
    Group.objects.all().delete()
    first, *later = given_rights()
    make_roles(first)(apps, None)
    for given in later:
        give_rights(given)(apps, None)


def rights_of(group: Group) -> set[str]:
    return {
        f"{app}.{codename}"
        for app, codename in group.permissions.values_list("content_type__app_label", "codename")
    }


def test_every_role_has_its_rights(made: None) -> None:
    assert {role.name: rights_of(role.group) for role in Role.objects.all()} == {
        name: set(rights) for name, rights in rights_of_roles().items()
    }


def test_rights_are_made_on_a_database_that_has_none_yet(db: None) -> None:
    names = dict(Permission.objects.values_list("codename", "name"))
    Role.objects.all().delete()
    Group.objects.all().delete()
    Permission.objects.all().delete()
    ContentType.objects.all().delete()
    ContentType.objects.clear_cache()
    make_roles(GRANTS)(apps, None)
    assert rights_of(Group.objects.get(name="Viewer")) == set(GRANTS["Viewer"])
    made = dict(Permission.objects.values_list("codename", "name"))
    assert made == {codename: names[codename] for codename in made}  # as Django calls them


def test_a_group_of_an_installation_stays_as_it_is(db: None) -> None:
    Role.objects.all().delete()
    Group.objects.all().delete()
    own = Group.objects.create(name="Operator")
    make_roles(GRANTS)(apps, None)
    give_rights({"Operator": ["jobs.delete_job"]})(apps, None)
    assert rights_of(own) == set()
    assert set(Role.objects.values_list("name", flat=True)) == set(GRANTS) - {"Operator"}


def test_a_later_release_gives_what_is_new_and_nothing_again(made: None) -> None:
    viewer, approver = Group.objects.get(name="Viewer"), Group.objects.get(name="Approver")
    viewer.permissions.remove(Permission.objects.get(codename="view_seeduser"))
    viewer.name = "Readers"  # a role is known whatever it is called
    viewer.save()
    approver.delete()
    give_rights({"Viewer": ["jobs.view_jobstep"], "Approver": ["jobs.view_jobstep"]})(apps, None)
    viewer.refresh_from_db()
    assert rights_of(viewer) == {*rights_of_roles()["Viewer"], "jobs.view_jobstep"} - {
        "matching.view_seeduser"
    }
    assert not Group.objects.filter(name="Approver").exists()


def test_a_right_that_is_not_there_is_no_slip_of_the_pen(made: None) -> None:
    with pytest.raises(LookupError, match=r"jobs\.fly"):
        give_rights({"Viewer": ["jobs.fly"]})(apps, None)


def test_every_right_that_opens_something_has_a_role() -> None:
    """Where this fails a release has a new right: say who gets it in a migration of its own."""
    given = {right for rights in rights_of_roles().values() for right in rights}
    assert given <= every_right().keys()
    asked = {kind.permission for kind in all_kinds() if not kind.name.startswith("tests.")}
    asked |= {
        question.ask.permission
        for kind in all_kinds()
        for question in kind.questions
        if question.ask.permission
    }
    asked |= {page.permission for page in all_pages() if page.permission}
    special = {
        right
        for right in every_right()
        if not right.partition(".")[2].startswith(("view_", "add_", "change_", "delete_"))
    }
    assert (asked | special) - given == set()


def test_roles_stand_on_one_another() -> None:
    rights = {name: set(given) for name, given in rights_of_roles().items()}
    assert rights["Viewer"] < rights["Operator"] < rights["Administrator"]
    assert rights["Viewer"] < rights["Approver"] < rights["Administrator"]
    assert "training.promote_model" not in rights["Operator"]
    assert not {"training.train_model", "matching.add_seeduser"} & rights["Approver"]


def table() -> str:
    """Return the table of docs/roles.md."""
    roles = rights_of_roles()
    titles = every_right()
    lines = [f"| right | {' | '.join(roles)} |", f"| --- |{' --- |' * len(roles)}"]
    rights: dict[str, Any] = dict.fromkeys(right for given in roles.values() for right in given)
    for right in rights:
        cells = ("yes" if right in given else "" for given in roles.values())
        lines.append(f"| {titles[right]} (`{right}`) | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_page_of_the_roles_says_what_the_code_does() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), f"Put this into docs/roles.md:\n{table()}"
