"""Accounts and groups: Django's own pages, where nobody gives what they do not hold, and what is
done there in the audit list."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import QuerySet
from django.http import HttpRequest

from project.audit.models import Act
from project.audit.services import record
from project.pages.admins import RecordAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


class RightsAdmin(RecordAdmin[Any]):
    """Gives what its reader holds, and notes who gave whom which rights.

    An account or group that holds more than its reader is only shown to them: whoever may set its
    password, or say who is in it, has all that it may. What is noted are the fields that were
    changed, never what they hold.
    """

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _covers(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _covers(request.user, obj)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the rights, and the groups of rights, that the reader holds."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        held = _held_by(request.user)
        if field is not None and db_field.related_model is Permission:
            field.queryset = field.queryset.filter(pk__in=held)  # type: ignore[union-attr]
        elif field is not None and db_field.related_model is Group:
            beyond = Group.objects.filter(permissions__in=Permission.objects.exclude(pk__in=held))
            field.queryset = field.queryset.exclude(pk__in=beyond)  # type: ignore[union-attr]
        return field

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(Act.ACCOUNT, about=obj, detail="added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(Act.ACCOUNT, about=obj, detail=_words_of(message))
        return super().log_change(request, obj, message)


@admin.register(User)
class AccountAdmin(RightsAdmin, UserAdmin):  # type: ignore[type-arg]
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave it to superusers to make one."""
        shown = super().get_readonly_fields(request, obj)
        return shown if _is_superuser(request.user) else (*shown, "is_superuser")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the password, and the way to set one, where the account is only shown."""
        shown = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return shown
        return [
            (title, {**options, "fields": [n for n in options["fields"] if n != "password"]})
            for title, options in shown
        ]


@admin.register(Group)
class RoleAdmin(RightsAdmin, GroupAdmin):  # type: ignore[misc]  # Django's stubs name the record
    pass


def _is_superuser(person: Any) -> bool:
    return bool(person.is_active and person.is_superuser)


def _covers(person: Any, holder: User | Group | None) -> bool:
    """Whether somebody holds all that an account or a group does."""
    if holder is None or _is_superuser(person):
        return True
    if isinstance(holder, User) and holder.is_superuser:
        return False
    return not _rights_of(holder).exclude(pk__in=_held_by(person)).exists()


def _held_by(person: Any) -> QuerySet[Permission]:
    return Permission.objects.all() if _is_superuser(person) else _rights_of(person)


def _rights_of(holder: Any) -> QuerySet[Permission]:
    """Return what was given to an account, itself or by its groups, or to a group.

    Read from the records: Django says of an account that is switched off that it may nothing, and
    it can be switched on again.
    """
    if isinstance(holder, Group):
        return Permission.objects.filter(group=holder)
    return (
        Permission.objects.filter(user=holder) | Permission.objects.filter(group__user=holder)
    ).distinct()


def _words_of(message: Any) -> str:
    """Return a change as words: of Django's structure, or what it says of a new password."""
    if isinstance(message, str):
        return message
    fields = [name for part in message for name in part.get("changed", {}).get("fields", ())]
    return f"changed: {', '.join(map(str, fields))}" if fields else "saved without a change"
