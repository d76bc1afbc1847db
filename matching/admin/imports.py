"""Files of people, groups and trips in the admin: what each made, and the way to undo it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from matching.models import ProfileImport
from matching.queries.removals import with_made
from project import words
from project.jobs.references import refer
from project.pages.admins import LargeTableAdmin
from project.pages.cells import two_lines
from project.pages.filters import DateRangeFilter

refer("matching.profileimport", "import")

FIELDS = ("file_name", "what", "origin", "imported_at", "made", "refused_rows")


@admin.register(ProfileImport)
class ProfileImportAdmin(LargeTableAdmin[ProfileImport]):
    list_display = ("file", "what", "origin", "made", "refused_rows")
    list_filter = ("holds", ("imported_at", DateRangeFilter))
    word_fields = ("file_name",)
    search_help_text = "Part of the name of the file; of the newest that filters leave"
    fields = FIELDS
    readonly_fields = FIELDS
    removal_page = "remove_import"
    empty_title = "No file of people, groups or trips was imported yet"
    empty_text = "Each import stands here with what it made, and can be taken back."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_made(super().get_queryset(request))

    @admin.display(description="file")
    def file(self, source: ProfileImport) -> Any:
        return two_lines(source.file_name, words.moment(source.imported_at))

    @admin.display(description="rows of")
    def what(self, source: ProfileImport) -> str:
        return str(source.get_holds_display())

    @admin.display(description="made by it, and here")
    def made(self, source: Any) -> str:
        return words.number(source.made)

    @admin.display(description="refused rows")
    def refused_rows(self, source: Any) -> str:
        return words.number(source.refused_rows)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("matching.delete_seeduser")

    def removal_links(self, request: HttpRequest, record: ProfileImport) -> list[tuple[str, str]]:
        links = super().removal_links(request, record)
        has_some = getattr(record, "refused_rows", 0)
        if has_some and request.user.has_perm("matching.delete_refusedprofile"):
            url = f"{reverse('admin:remove_rejected-profiles')}?number={record.pk}"
            links.append(("Remove its refused rows", url))
        return links
