"""Import mappings in the admin: what is proposed, its preview, and the page that confirms it."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from project import words
from project.acting import Actor
from project.jobs.contract import get_kind, is_known
from project.jobs.references import refer
from project.jobs.starts import start_job
from project.mappings.forms import MappingForm
from project.mappings.jobs import RemoveMapping
from project.mappings.models import PREVIEW_ROWS, ImportMapping
from project.mappings.registry import Rows, door_named, rows_of_source
from project.mappings.services import confirm_mapping
from project.pages.admins import HistoryAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.filters import DateRangeFilter
from project.pages.navigation import Entry, State, add_entries
from project.pages.remedies import in_pages
from project.refusal import Refusal
from project.removal.pages import offer_removals
from project.tabular.doors import Door
from project.tabular.mapping import Mapper, TableMapping, value_at

SHOWN_FIELDS = 12  # of a preview

refer("mappings.importmapping", "mapping_id")
offer_removals(RemoveMapping)

add_entries(
    Entry.of(
        ImportMapping,
        section="Work",
        label="Mappings",
        order=85,
        rows=ImportMapping.objects.all,
        state=State(
            "warn",
            "wait to be confirmed",
            lambda: ImportMapping.objects.filter(confirmed_at__isnull=True),
        ),
    )
)


class ConfirmedFilter(admin.SimpleListFilter):
    """Mappings that wait for a person, or do not."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waits", "waits for a person"), ("confirmed", "confirmed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() in ("waits", "confirmed"):
            return queryset.filter(confirmed_at__isnull=self.value() == "waits")
        return queryset


@admin.register(ImportMapping)
class ImportMappingAdmin(HistoryAdmin[ImportMapping]):
    """Made by imports; a person changes and confirms them on a page of their own."""

    list_display = ["named", "table", "changed", "state", "who"]
    list_display_links = ["named"]
    list_filter = [ConfirmedFilter, "door", ("proposed_at", DateRangeFilter)]
    search_fields = ["name", "file_name"]
    removal_page = "remove_mapping"
    search_help_text = "Name, or the file it was proposed for"
    empty_title = "No table has asked for a mapping yet"
    empty_text = (
        "Tables with other scales, words or dates than ours are proposed a mapping when they are "
        "imported, and wait here for a person."
    )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<int:pk>/confirm/",
                wrap(self.confirm_view),
                name="mappings_importmapping_confirm",
            ),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def row_links(self, request: HttpRequest, record: ImportMapping) -> list[tuple[str, str]]:
        if not self._may_confirm(request, record):
            return []
        url = reverse("admin:mappings_importmapping_confirm", args=[record.pk])
        return [("Change it" if record.is_confirmed else "Look and confirm", url)]

    @admin.display(description="mapping", ordering="name")
    def named(self, record: ImportMapping) -> Any:
        return two_lines(record.name, record.file_name)

    @admin.display(description="of", ordering="door")
    def table(self, record: ImportMapping) -> Any:
        door = door_named(record.door)
        return record.door if door is None else door.title

    @admin.display(description="what it changes")
    def changed(self, record: ImportMapping) -> Any:
        return two_lines(*_first_and_more([str(one["words"]) for one in record.changes]))

    @admin.display(description="state", ordering="confirmed_at")
    def state(self, record: ImportMapping) -> Any:
        return badge("confirmed" if record.is_confirmed else "waits")

    @admin.display(description="by", ordering="proposed_at")
    def who(self, record: ImportMapping) -> Any:
        if record.is_confirmed:
            return two_lines(record.confirmed_by, words.moment(record.confirmed_at))
        return two_lines(record.proposed_by, words.moment(record.proposed_at))

    def _may_confirm(self, request: HttpRequest, record: ImportMapping) -> bool:
        """Whoever may change mappings, and start the job that reads such tables."""
        may_start = not is_known(record.kind) or request.user.has_perm(
            get_kind(record.kind).permission
        )
        return self.has_change_permission(request, record) and may_start

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show what a mapping does; it is changed where it is confirmed."""
        record = self.get_or_denied(request, object_id)
        door = door_named(record.door)
        context = self.page_context(
            request,
            f"Import mapping {record.name}",
            record=record,
            original=record,
            door=door,
            columns=[_described(how) for how in record.mapping.get("columns", ())],
            preview=[]
            if door is None
            else _preview(
                door, record.table, record, [one.get("before") or {} for one in record.preview]
            ),
            record_links=self.row_links(request, record),
            removal_links=self.removal_links(request, record),
            **(extra_context or {}),
        )
        return TemplateResponse(request, "mappings/mapping.html", context)

    def may_go_back(self, request: HttpRequest, record: ImportMapping | None) -> bool:
        return False  # a mapping is changed where it is confirmed

    def confirm_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask how a table is read, show its first rows so, and confirm it.

        Rows of a source are fetched when they are asked for, shown, and kept nowhere.
        """
        record = self.get_or_denied(request, str(pk))
        if not self._may_confirm(request, record):
            raise PermissionDenied
        door = door_named(record.door)
        if door is None:
            messages.error(request, f"Nothing reads tables of {record.door} any more.")
            return self.to_record(record)
        form = MappingForm(door, record, request.POST or None)
        shown = record.table
        if request.method == "POST" and form.is_valid():
            shown = form.mapping
            if "confirm" in request.POST or "import" in request.POST:
                return self._confirm(request, record, shown)
        came: Rows = [one.get("before") or {} for one in record.preview]
        if "look" in request.POST and self._may_see_rows(request, record):
            came = self._rows_of_source(request, record)
        context = self.page_context(
            request,
            f"Confirm {record.name}",
            record=record,
            door=door,
            form=form,
            preview=_preview(door, shown, record, came),
            can_import=bool(record.kind and record.arguments),
            can_look=bool(record.preview) or self._may_see_rows(request, record),
        )
        return TemplateResponse(request, "mappings/confirm.html", context)

    def _may_see_rows(self, request: HttpRequest, record: ImportMapping) -> bool:
        """Whether rows of the source can be shown, and to this person."""
        source = rows_of_source(record.kind)
        return source is not None and request.user.has_perm(source.permission(record))

    def _rows_of_source(self, request: HttpRequest, record: ImportMapping) -> Rows:
        source = rows_of_source(record.kind)
        try:
            found = [] if source is None else source.fetch(record, PREVIEW_ROWS)
        except Refusal as refusal:
            messages.error(request, in_pages(str(refusal)))
            return []
        if not found:
            messages.warning(request, "The table has no rows that this source's user may see.")
        return found

    def _confirm(
        self, request: HttpRequest, record: ImportMapping, mapping: TableMapping
    ) -> HttpResponse:
        confirm_mapping(record, mapping=mapping, by=Actor.of(request.user))
        if "import" in request.POST and record.kind:
            arguments = dict(record.arguments)
            # A source takes what was confirmed for it; of several files one has this header.
            if "file" in arguments or len(arguments.get("files", ())) == 1:
                arguments["mapping"] = record.name
            start_job(request, record.kind, **arguments)
        else:
            messages.success(
                request, f"{record.name} is confirmed: tables with these columns are read so."
            )
        return self.to_record(record)


def _first_and_more(texts: list[str]) -> tuple[str, str]:
    if not texts:
        return "only names", ""
    return texts[0], f"and {len(texts) - 1:,} more" if len(texts) > 1 else ""


def _described(how: dict[str, Any]) -> dict[str, str]:
    said = []
    if how.get("scale"):
        said.append(f"scale {how['scale'][0]:g} to {how['scale'][1]:g}")
    if how.get("values"):
        listed = ", ".join(f"{word} = {meant}" for word, meant in list(how["values"].items())[:20])
        said.append(listed)
    if how.get("dates") not in ("", "iso", None):
        said.append(str(how["dates"]))
    if how.get("zone"):
        said.append(f"times of {how['zone']}")
    if how.get("decimal") == ",":
        said.append("decimal commas")
    return {"field": how["field"], "column": how["column"], "how": "; ".join(said)}


def _preview(
    door: Door, mapping: TableMapping, record: ImportMapping, before: Rows
) -> list[dict[str, Any]]:
    """The first rows, before and after, field by field."""
    if not before:
        return []
    after = Mapper(door, mapping).apply(before)
    changed = {one["field"] for one in record.changes}
    shown = [how for how in mapping.columns if door.field(how.field).kind != "object"]
    shown.sort(key=lambda how: how.field not in changed)
    return [
        {
            "cells": [
                _shown(how.field, _cell(row, how.column), _at(new, how.field))
                for how in shown[:SHOWN_FIELDS]
            ]
        }
        for row, new in zip(before, after, strict=True)
    ]


def _shown(field: str, before: Any, after: Any) -> dict[str, Any]:
    return {"field": field, "before": before, "after": after, "differs": str(before) != str(after)}


def _cell(row: Mapping[str, Any], column: str) -> Any:
    value = value_at(row, column)
    return "" if value is None else value


def _at(row: dict[str, Any], name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else value
