"""The audit list in the admin: to be read, by those who may."""

from collections import defaultdict
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html

from project.audit.models import Act, AuditEntry
from project.pages.admins import LargeTableAdmin
from project.pages.badges import badge
from project.pages.filters import DateRangeFilter
from project.pages.links import url_for

FIELDS = ("at", "act", "actor", "account", "address", "title", "model", "object_id", "detail")


class AuditList(ChangeList):
    """Looks which of the records on a page are there still: one question for each model."""

    def get_results(self, request: HttpRequest) -> None:
        """Mark entries whose record is gone: removed by a later line, or with its job."""
        super().get_results(request)
        named: dict[str, set[str]] = defaultdict(set)
        for entry in self.result_list:
            if url_for(request, entry.model, entry.object_id):  # for who may see it
                named[entry.model].add(entry.object_id)
        there = {label: _there(label, keys) for label, keys in named.items()}
        for entry in self.result_list:
            entry.is_there = entry.object_id in there.get(entry.model, ())


def _there(label: str, keys: set[str]) -> set[str]:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):  # an act about nothing, or a model of an edition before
        return set()
    usable = []
    for key in keys:
        with suppress(ValidationError):
            usable.append(model._meta.pk.to_python(key))
    found = model._base_manager.filter(pk__in=usable).values_list("pk", flat=True)
    return {str(key) for key in found}


@admin.register(AuditEntry)
class AuditEntryAdmin(LargeTableAdmin[AuditEntry]):
    list_filter = ("act", ("at", DateRangeFilter))
    word_fields = ("actor", "title", "address")
    search_help_text = "Part of who, what or an address; of the newest entries that filters leave"
    list_display_links = ("at",)
    fields = FIELDS
    readonly_fields = FIELDS

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AuditList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return ["at", self.act_badge, "actor", self.what(request), "address", "detail"]

    @admin.display(description="act")
    def act_badge(self, entry: AuditEntry) -> Any:
        return badge(entry.get_act_display())

    @admin.display(description="account")
    def account(self, entry: AuditEntry) -> str:
        return "-" if entry.user_id is None else f"number {entry.user_id}"

    def what(self, request: HttpRequest) -> Any:
        """Make the column that leads to the record, for who may see it."""

        @admin.display(description="what")
        def column(entry: AuditEntry) -> Any:
            # What was removed has no page any more, also in lines of before.
            is_there = entry.act != Act.REMOVAL and getattr(entry, "is_there", False)
            url = url_for(request, entry.model, entry.object_id) if is_there else ""
            return format_html('<a href="{}">{}</a>', url, entry.title) if url else entry.title

        return column
