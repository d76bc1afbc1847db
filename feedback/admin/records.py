"""The records of the three tables in the admin: to look at."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from feedback.admin.sources import origin_badge
from feedback.models import ABTestResult, Explanation, FeedbackSource, QualityFeedback
from project.pages.admins import M, ReadOnlyAdmin


class SourceFilter(admin.SimpleListFilter):
    """Records by source: sources are few, records many, so that no join is needed."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(source.pk), source.name) for source in FeedbackSource.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(source_id=int(value)) if value and value.isdecimal() else queryset


class FeedbackRecordAdmin(ReadOnlyAdmin[M]):
    """A table that may hold millions of rows: no count of all, order by the index on time."""

    list_select_related = ["source"]
    show_full_result_count = False
    list_per_page = 50
    list_filter = [SourceFilter]
    search_fields = ["external_id__exact", "response_id__exact"]
    search_help_text = "The whole id or response id"
    ordering = ["-created_at", "uid"]
    readonly_fields = ["origin"]

    @admin.display(description="origin")
    def origin(self, record: Any) -> Any:
        return origin_badge(record.source)


@admin.register(QualityFeedback)
class QualityFeedbackAdmin(FeedbackRecordAdmin[QualityFeedback]):
    list_display = [
        "__str__", "origin", "csat", "provider", "model", "action_type", "session_id", "created_at"
    ]  # fmt: skip


@admin.register(Explanation)
class ExplanationAdmin(FeedbackRecordAdmin[Explanation]):
    list_display = [
        "__str__", "origin", "quality", "provider", "model", "action_type", "scenario_id",
        "created_at",
    ]  # fmt: skip


@admin.register(ABTestResult)
class ABTestResultAdmin(FeedbackRecordAdmin[ABTestResult]):
    list_display = [
        "__str__", "origin", "experiment_name", "variant", "actual", "prediction", "model",
        "created_at",
    ]  # fmt: skip
