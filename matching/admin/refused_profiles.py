"""Refused rows of files of people, groups and trips in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from matching.models import ProfileImport, RefusedProfile
from matching.services.refused_profiles import RETRY_ROWS, retry_profiles
from project.mappings.refused_admin import OpenFilter, ReasonFilter, RefusedRowAdmin

FILES_OFFERED = 30  # newest imports that the filter names; any other can be asked for by number
SHOWN = 40  # characters of a name in the list


class FileFilter(admin.SimpleListFilter):
    """Rows of one import."""

    title = "file"
    parameter_name = "file"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        files = ProfileImport.objects.values_list("pk", "file_name")[:FILES_OFFERED]
        return [(str(pk), name) for pk, name in files]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value() or ""
        if not value:
            return queryset
        is_number = value.isascii() and value.isdigit() and len(value) < 10
        return queryset.filter(source_id=int(value)) if is_number else queryset.none()


class HoldsFilter(admin.SimpleListFilter):
    """Rows of people, of groups or of trips."""

    title = "rows of"
    parameter_name = "holds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(ProfileImport.Holds.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(source__holds=self.value()) if self.value() else queryset


@admin.register(RefusedProfile)
class RefusedProfileAdmin(RefusedRowAdmin[RefusedProfile]):
    list_display = ("line", "file", "holds", "about", "state_word", "message")
    list_filter = (HoldsFilter, FileFilter, OpenFilter, ReasonFilter)
    list_select_related = ("source",)
    exact_fields = ("external_id",)
    word_fields = ("external_id", "message")
    search_help_text = "The whole id; or, of the newest rows, a part of it or of what is wrong"
    retry_permission = "matching.retry_refusedprofile"
    came_with = "source_id"
    rows_page = "remove_rejected-profiles"
    file_order = ("line", "pk")
    one_file = ("source",), "Choose rows of one file: they have the same columns."
    empty_title = "No person, group or trip is refused"
    empty_text = (
        "Rows of files of people, groups and trips that cannot be taken are kept here, to be "
        "mended."
    )

    @admin.display(description="file")
    def file(self, row: RefusedProfile) -> str:
        return str(row.source)[:SHOWN]

    @admin.display(description="rows of")
    def holds(self, row: RefusedProfile) -> str:
        return row.source.get_holds_display()

    @admin.display(description="id")
    def about(self, row: RefusedProfile) -> str:
        return row.external_id[:SHOWN]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Remove one: it is about people, and nothing else removes it."""
        return request.user.has_perm("matching.delete_refusedprofile")

    def where(self, row: RefusedProfile) -> str:
        """Say its line and its file."""
        return f"Line {row.line:,} of {row.source}"

    def back_to(self, row: RefusedProfile) -> str:
        """Lead back to what is still refused of its file."""
        return f"{self.list_url}?file={row.source_id}&state=open"

    def is_csv(self, rows: QuerySet[Any]) -> bool:
        """Whether the file was a table of cells."""
        first = rows.first()
        return first is not None and first.source.is_csv

    def try_again(self, request: HttpRequest, rows: QuerySet[Any]) -> str:
        """Try rows again at once."""
        if rows.count() > RETRY_ROWS:
            messages.error(request, f"Choose at most {RETRY_ROWS:,} rows at a time.")
            return ""
        by: Any = request.user
        self.tell_tried(request, *retry_profiles(rows, by=by))
        return ""
