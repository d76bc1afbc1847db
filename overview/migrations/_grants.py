"""How a migration gives rights to roles. Django takes no module whose name begins so for one.

What a release gives stands in the `GRANTS` of its migration, and is given once: what an
installation takes away from a role, or adds to it, stays so. On a fresh database Django makes the
permissions after all migrations; those that are given are made here, with the names it would give.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.auth.management import _get_all_permissions

Grants = Mapping[str, Sequence[str]]  # role to rights, as app_label.codename


def make_roles(grants: Grants) -> Callable[[Any, Any], None]:
    """Return what makes roles with their rights; a group of that name that is there stays its
    owner's."""

    def make(apps: Any, schema_editor: Any) -> None:
        groups, roles = apps.get_model("auth", "Group"), apps.get_model("overview", "Role")
        for name in grants:
            if not groups.objects.filter(name=name).exists():
                roles.objects.create(name=name, group=groups.objects.create(name=name))
        give(apps, grants)

    return make


def give_rights(grants: Grants) -> Callable[[Any, Any], None]:
    """Return what gives further rights to the roles that there still are."""

    def further(apps: Any, schema_editor: Any) -> None:
        give(apps, grants)

    return further


def give(apps: Any, grants: Grants) -> None:
    """Give rights to the groups of roles; LookupError for a right that no model has."""
    for role in apps.get_model("overview", "Role").objects.filter(name__in=grants):
        role.group.permissions.add(*(_permission(apps, right) for right in grants[role.name]))


def _permission(apps: Any, right: str) -> Any:
    app, _, codename = right.partition(".")
    for model in apps.get_app_config(app).get_models():
        names = dict(_get_all_permissions(model._meta))
        if codename in names:
            kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
                app_label=app, model=model._meta.model_name
            )
            permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
                content_type=kind, codename=codename, defaults={"name": names[codename]}
            )
            return permission
    raise LookupError(f"No model has the right {right}.")
