"""What the roles that come with Seedbed may do, as its migrations give it release by release."""

from importlib import import_module
from pkgutil import iter_modules

from overview import migrations


def rights_of_roles() -> dict[str, list[str]]:
    """Return role to rights, as all migrations together give them."""
    found: dict[str, dict[str, None]] = {}
    for module in sorted(iter_modules(migrations.__path__), key=lambda one: one.name):
        given = getattr(import_module(f"{migrations.__name__}.{module.name}"), "GRANTS", {})
        for role, rights in given.items():
            found.setdefault(role, {}).update(dict.fromkeys(rights))
    return {role: list(rights) for role, rights in found.items()}
