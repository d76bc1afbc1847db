"""The audit list in the admin: to be read, by those who may."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from project.audit.models import Act, AuditEntry
from project.pages.admins import LargeTableAdmin
from project.pages.badges import badge
from project.pages.filters import DateRangeFilter
from project.pages.links import url_for

FIELDS = ("at", "act", "actor", "account", "address", "title", "model", "object_id", "detail")


@admin.register(AuditEntry)
class AuditEntryAdmin(LargeTableAdmin[AuditEntry]):
    list_filter = ("act", ("at", DateRangeFilter))
    word_fields = ("actor", "title", "address")
    search_help_text = "Part of who, what or an address; of the newest entries that filters leave"
    list_display_links = ("at",)
    fields = FIELDS
    readonly_fields = FIELDS

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
            # What was removed has no page any more.
            is_there = entry.act != Act.REMOVAL
            url = url_for(request, entry.model, entry.object_id) if is_there else ""
            return format_html('<a href="{}">{}</a>', url, entry.title) if url else entry.title

        return column
