"""Refused rows of feedback in the admin."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from feedback.admin.sources import origin_badge
from feedback.models import CollectionRun, RejectedRecord
from feedback.queries.refused import RETRIED_TOGETHER, RETRY_ROWS
from feedback.services.refused import retry_rejected
from project.mappings.refused_admin import OpenFilter, ReasonFilter, RefusedRowAdmin
from project.tabular.out import csv_lines

DOWNLOADED = (
    "id", "table", "external_id", "line_number", "reason", "detail", "first_seen_at", "last_seen_at"
)  # fmt: skip


@admin.register(RejectedRecord)
class RejectedRecordAdmin(RefusedRowAdmin[RejectedRecord]):
    list_display = [
        "__str__", "source", "origin", "table", "reason", "detail", "line_number", "last_seen_at"
    ]  # fmt: skip
    list_filter = [OpenFilter, ReasonFilter, "table", "source"]
    list_select_related = ["source"]
    exact_fields = ["external_id"]
    word_fields = ["external_id", "detail"]
    search_help_text = "The whole id; or, of the newest rows, a part of it or of what is wrong"
    retry_permission = "feedback.retry_rejectedrecord"
    came_with = "run_id"
    rows_page = "remove_rejected-feedback"
    file_order = ("run", "line_number", "pk")
    one_file = ("table", "source"), "Choose rows of one table of one source: a file holds one."
    actions = [*RefusedRowAdmin.actions, "download"]
    instant_actions = [*RefusedRowAdmin.instant_actions, "download"]

    @admin.display(description="origin")
    def origin(self, record: Any) -> Any:
        return origin_badge(record.source)

    def where(self, row: RejectedRecord) -> str:
        """Say which source and file it is of."""
        file = CollectionRun.objects.filter(pk=row.run_id).values_list("file_name", flat=True)
        at = f"line {row.line_number:,} of {file[0]}, " if row.line_number and file else ""
        return f"{at}{row.get_table_display()} of the source {row.source}"

    def try_again(self, request: HttpRequest, rows: QuerySet[Any]) -> str:
        """Try rows again at once, chunk by chunk."""
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[: RETRIED_TOGETHER + 1])
        if len(keys) > RETRIED_TOGETHER:
            messages.error(
                request,
                f"Choose at most {RETRIED_TOGETHER:,} rows at a time, or download them, mend the "
                "file and import it.",
            )
            return ""
        tried = landed = 0
        for start in range(0, len(keys), RETRY_ROWS):
            chosen = RejectedRecord.objects.filter(pk__in=keys[start : start + RETRY_ROWS])
            outcome = retry_rejected(list(chosen.select_related("source")), by=request.user)
            tried, landed = tried + outcome.tried, landed + outcome.landed
        self.tell_tried(request, tried, landed)
        return ""

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
