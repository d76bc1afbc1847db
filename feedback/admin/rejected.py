"""Refused rows in the admin: filtered, corrected, tried again, downloaded."""

import csv

import orjson
from django.contrib import admin, messages
from django.http import StreamingHttpResponse

from feedback.admin.sources import origin_badge
from feedback.models import RejectedRecord
from feedback.services.imports import RETRY_ROWS, retry_rejected

DOWNLOADED = (
    "id", "table", "external_id", "line_number", "reason", "detail", "first_seen_at", "last_seen_at"
)  # fmt: skip
# Spreadsheets take a cell that begins so for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class OpenFilter(admin.SimpleListFilter):
    """Rows that are still refused, unless asked otherwise."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return [("open", "refused"), ("resolved", "landed since")]

    def queryset(self, request, queryset):
        if self.value() == "open":
            return queryset.open()
        return queryset.filter(resolved_at__isnull=False) if self.value() else queryset


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text):
        return text


@admin.register(RejectedRecord)
class RejectedRecordAdmin(admin.ModelAdmin):
    list_display = [
        "__str__", "source", "origin", "table", "reason", "detail", "line_number", "last_seen_at"
    ]  # fmt: skip
    list_filter = [OpenFilter, "reason", "table", "source"]
    list_select_related = ["source"]
    search_fields = ["external_id", "detail"]
    show_full_result_count = False
    actions = ["retry", "download"]
    readonly_fields = [
        "source", "table", "reason", "detail", "external_id", "line_number", "payload",
        "first_seen_at", "last_seen_at", "resolved_at",
    ]  # fmt: skip
    fields = [*readonly_fields, "correction"]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_retry_permission(self, request):
        return request.user.has_perm("feedback.retry_rejectedrecord")

    @admin.display(description="origin")
    def origin(self, record):
        return origin_badge(record.source)

    @admin.action(description="Try again, with corrections", permissions=["retry"])
    def retry(self, request, queryset):
        records = list(queryset.open().select_related("source")[: RETRY_ROWS + 1])
        if len(records) > RETRY_ROWS:
            messages.error(request, f"Choose at most {RETRY_ROWS:,} rows at a time.")
            return
        outcome = retry_rejected(records)
        messages.success(
            request,
            f"{outcome['landed']:,} of {outcome['tried']:,} rows landed; the others say why not.",
        )

    @admin.action(description="Download as CSV", permissions=["view"])
    def download(self, request, queryset):
        writer = csv.writer(_Echo())

        def lines():
            yield writer.writerow([*DOWNLOADED, "payload"])
            for record in queryset.iterator(chunk_size=2_000):
                cells = [*(getattr(record, name) for name in DOWNLOADED)]
                payload = orjson.dumps(record.payload).decode()
                yield writer.writerow([_cell(value) for value in (*cells, payload)])

        return StreamingHttpResponse(
            lines(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="refused-feedback.csv"'},
        )


def _cell(value):
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
