"""Refused rows in the admin: filtered, corrected, tried again, downloaded."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse

from feedback.admin.sources import origin_badge
from feedback.models import RejectedRecord
from feedback.queries.refused import RETRY_ROWS
from feedback.services.refused import correct_rejected, retry_rejected
from project.pages.admins import RecordAdmin
from project.tabular.mend import as_csv, as_json_lines
from project.tabular.out import csv_lines

DOWNLOADED = (
    "id", "table", "external_id", "line_number", "reason", "detail", "first_seen_at", "last_seen_at"
)  # fmt: skip


class CorrectionForm(forms.Form):
    """One column, and what it should be in all of the chosen rows."""

    column = forms.ChoiceField()
    value = forms.CharField(max_length=1_000, help_text="What stands there in a good row.")

    def __init__(self, columns: Sequence[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        column: Any = self.fields["column"]
        column.choices = [(name, name) for name in columns]


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
    actions = ["correct", "retry", "download_to_mend", "download"]
    instant_actions = ["correct", "download_to_mend", "download"]
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

    @admin.action(description="Download to mend and import again", permissions=["view"])
    def download_to_mend(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> StreamingHttpResponse | None:
        """Give the chosen rows as the kind of file that they came in, each with its reason."""
        names = set(queryset.values_list("table", "source__name").distinct()[:2])
        if len(names) > 1:
            messages.error(request, "Choose rows of one table of one source: a file holds one.")
            return None
        records = queryset.filter(resolved_at__isnull=True).order_by("run", "line_number", "pk")
        columns: dict[str, None] = {}
        is_nested = False
        for payload in records.values_list("payload", flat=True).iterator(chunk_size=2_000):
            if isinstance(payload, dict):
                columns.update(dict.fromkeys(payload))
                is_nested |= any(isinstance(value, dict | list) for value in payload.values())

        def rows() -> Iterator[tuple[dict[str, Any], str]]:
            for record in records.iterator(chunk_size=2_000):
                if isinstance(record.payload, dict):
                    yield {**record.payload, **record.correction}, record.detail

        named, kind = ("jsonl", "application/x-ndjson") if is_nested else ("csv", "text/csv")
        lines = as_json_lines(rows()) if is_nested else as_csv(rows(), list(columns))
        return StreamingHttpResponse(
            lines,
            content_type=f"{kind}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="refused-rows.{named}"'},
        )

    @admin.action(description="Correct one column of all", permissions=["change"])
    def correct(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Ask for a column and what it should be, and keep that as the rows' correction."""
        records = queryset.open()
        count = records.count()
        if count > RETRY_ROWS:
            messages.error(request, f"Choose at most {RETRY_ROWS:,} rows at a time.")
            return None
        columns = sorted(
            {
                name
                for payload in records.values_list("payload", flat=True)
                if isinstance(payload, dict)
                for name in payload
            }
        )
        is_given = "column" in request.POST
        form = CorrectionForm(columns, request.POST if is_given else None)
        if is_given and form.is_valid():
            column, value = form.cleaned_data["column"], form.cleaned_data["value"]
            changed = correct_rejected(list(records), {column: value})
            messages.success(
                request, f"{changed:,} rows have a corrected {column}; try them again."
            )
            return None
        context = self.page_context(
            request,
            "Correct refused rows",
            form=form,
            count=count,
            action="correct",
            chosen=[str(pk) for pk in records.values_list("pk", flat=True)],
            back_url=request.get_full_path(),
        )
        return TemplateResponse(request, "feedback/correct.html", context)

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
