"""Accounts and groups: Django's own pages, with what is done there in the audit list."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from project.audit.models import Act
from project.audit.services import record
from project.pages.admins import RecordAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


class RightsAdmin(RecordAdmin[Any]):
    """Notes who gave whom which rights: the fields that were changed, never what they hold."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(Act.ACCOUNT, about=obj, detail="added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(Act.ACCOUNT, about=obj, detail=_words_of(message))
        return super().log_change(request, obj, message)


@admin.register(User)
class AccountAdmin(RightsAdmin, UserAdmin):  # type: ignore[type-arg]
    pass


@admin.register(Group)
class RoleAdmin(RightsAdmin, GroupAdmin):
    pass


def _words_of(message: Any) -> str:
    """Return a change as words: of Django's structure, or what it says of a new password."""
    if isinstance(message, str):
        return message
    fields = [name for part in message for name in part.get("changed", {}).get("fields", ())]
    return f"changed: {', '.join(map(str, fields))}" if fields else "saved without a change"
