"""Refused rows in the admin: filtered, corrected, tried again, downloaded."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from feedback.admin.sources import origin_badge
from feedback.models import RejectedRecord
from feedback.queries.refused import RETRY_ROWS
from feedback.services.refused import retry_rejected
from project.pages.admins import RecordAdmin
from project.tabular.out import csv_lines

DOWNLOADED = (
    "id", "table", "external_id", "line_number", "reason", "detail", "first_seen_at", "last_seen_at"
)  # fmt: skip


class OpenFilter(admin.SimpleListFilter):
    """Rows that are still refused, unless asked otherwise."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "refused"), ("resolved", "landed since")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "open":
            return queryset.open()
        return queryset.filter(resolved_at__isnull=False) if self.value() else queryset


@admin.register(RejectedRecord)
class RejectedRecordAdmin(RecordAdmin[RejectedRecord]):
    list_display = [
        "__str__", "source", "origin", "table", "reason", "detail", "line_number", "last_seen_at"
    ]  # fmt: skip
    list_filter = [OpenFilter, "reason", "table", "source"]
    list_select_related = ["source"]
    search_fields = ["external_id", "detail"]
    show_full_result_count = False
    actions = ["retry", "download"]
    instant_actions = ["download"]
    readonly_fields = [
        "source", "table", "reason", "detail", "external_id", "line_number", "payload",
        "first_seen_at", "last_seen_at", "resolved_at",
    ]  # fmt: skip
    fields = [*readonly_fields, "correction"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("feedback.retry_rejectedrecord")

    @admin.display(description="origin")
    def origin(self, record: Any) -> Any:
        return origin_badge(record.source)

    @admin.action(description="Try again, with corrections", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: Any) -> None:
        records = list(queryset.open().select_related("source")[: RETRY_ROWS + 1])
        if len(records) > RETRY_ROWS:
            messages.error(request, f"Choose at most {RETRY_ROWS:,} rows at a time.")
            return
        outcome = retry_rejected(records, by=request.user)
        messages.success(
            request,
            f"{outcome.landed:,} of {outcome.tried:,} rows landed; the others say why not.",
        )

    @admin.action(description="Download as CSV", permissions=["view"])
    def download(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        def rows() -> Iterator[list[Any]]:
            for record in queryset.iterator(chunk_size=2_000):
                cells = [getattr(record, name) for name in DOWNLOADED]
                yield [*cells, orjson.dumps(record.payload).decode()]

        return StreamingHttpResponse(
            csv_lines([*DOWNLOADED, "payload"], rows()),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="refused-feedback.csv"'},
        )
