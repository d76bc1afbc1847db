"""What was exported: each file until it expires, downloaded by who may see what is inside."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from project import words
from project.exports.models import KEPT, Export
from project.pages.admins import ReadOnlyAdmin
from project.pages.cells import two_lines
from project.pages.filters import DateRangeFilter
from project.pages.navigation import Entry, add_entries
from project.storage.blobs import local_path
from project.storage.failures import ArtifactCorrupt

add_entries(
    Entry.of(Export, section="Work", label="Exports", order=86, rows=Export.objects.offered)
)


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin[Export]):
    """Made by jobs; nobody edits one."""

    list_display = ["file", "holds", "size_words", "who", "expires"]
    list_filter = ["format", ("created_at", DateRangeFilter)]
    search_fields = ["name", "actor"]
    search_help_text = "Name of the file, or who asked for it"
    actions = None
    empty_title = "Nothing is kept"
    empty_text = (
        "People, groups, trips, events, feedback, refused rows, datasets and scores are exported "
        f"from their lists. The file stands here for {KEPT.days} days."
    )
    fields: ClassVar[Any] = [
        "name", "what", "format", "rows", "size_words", "sha256", "actor", "created_at",
        "expires_at", "job_page",
    ]  # fmt: skip
    readonly_fields = ["size_words", "job_page"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Show what can be downloaded now."""
        offered = Export.objects.offered()
        return super().get_queryset(request).filter(pk__in=offered.values("pk"))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/download/", wrap(self.download_view), name="exports_export_download"),
            *super().get_urls(),
        ]

    def download_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Give the file to who may see its rows, whatever else they may."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        export = Export.objects.offered().filter(pk=pk).first()
        if export is None:
            raise Http404("There is no such export; each is kept for a week.")
        self.require(request, export.permission)
        try:
            content = local_path(export.blob).open("rb")
        except ArtifactCorrupt as error:
            self.message_user(request, str(error), "error")
            return self.to_list()
        return FileResponse(
            content,
            as_attachment=True,
            filename=export.name,
            content_type="application/octet-stream",
        )

    @admin.display(description="file", ordering="name")
    def file(self, export: Export) -> Any:
        return two_lines(export.name, export.format)

    @admin.display(description="holds", ordering="rows")
    def holds(self, export: Export) -> Any:
        return two_lines(words.counted(export.rows, "row"), export.what.replace("-", " "))

    @admin.display(description="size", ordering="size")
    def size_words(self, export: Export) -> str:
        return words.size(export.size)

    @admin.display(description="by", ordering="created_at")
    def who(self, export: Export) -> Any:
        return two_lines(export.actor, words.moment(export.created_at))

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, export: Export) -> str:
        return words.moment(export.expires_at)

    @admin.display(description="job")
    def job_page(self, export: Export) -> Any:
        if export.job_id is None:
            return "-"
        url = reverse("admin:jobs_job_change", args=[export.job_id])
        return format_html('<a href="{}">The job that wrote it</a>', url)

    def row_links(self, request: HttpRequest, record: Export) -> list[tuple[str, str]]:
        if not request.user.has_perm(record.permission):
            return []
        return [("Download", reverse("admin:exports_export_download", args=[record.pk]))]
