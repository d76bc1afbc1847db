"""What the roles that come with Seedbed may do, as its migrations give it release by release."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from django.contrib.auth.models import Group, User

from overview import migrations
from tests.factories import make_staff


def given_rights() -> Iterator[dict[str, list[str]]]:
    """Yield role to rights, as each migration gives them, the first one first."""
    for module in sorted(iter_modules(migrations.__path__), key=lambda one: one.name):
        given = getattr(import_module(f"{migrations.__name__}.{module.name}"), "GRANTS", None)
        if given:
            yield given


def rights_of_roles() -> dict[str, list[str]]:
    """Return role to rights, as all migrations together give them."""
    found: dict[str, dict[str, None]] = {}
    for given in given_rights():
        for role, rights in given.items():
            found.setdefault(role, {}).update(dict.fromkeys(rights))
    return {role: list(rights) for role, rights in found.items()}


def make_person_of(role: str) -> User:
    """Make somebody of a role; of a group like it, for tests that flush have none of migrations."""
    user, template = make_staff(name=f"of_{role}"), make_staff(*rights_of_roles()[role])
    group = Group.objects.create(name=f"like {role}")
    group.permissions.set(template.user_permissions.all())
    template.delete()
    user.groups.add(group)
    return user
