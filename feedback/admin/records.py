"""The records of the three tables in the admin: to look at."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from feedback.admin.sources import origin_badge
from feedback.models import ABTestResult, Explanation, FeedbackSource, QualityFeedback
from feedback.models.records import table_of
from feedback.services.landing import row_format
from project.pages.admins import LargeTableAdmin, M


class SourceFilter(admin.SimpleListFilter):
    """Records by source: sources are few, records many, so that no join is needed."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(source.pk), source.name) for source in FeedbackSource.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(source_id=int(value)) if value and value.isdecimal() else queryset


class CountedFilter(admin.SimpleListFilter):
    """Records that reports leave out, and why."""

    title = "counted"
    parameter_name = "counted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("gone", "no: gone at the source"), ("shared", "at another source")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = {"gone": "gone_at__isnull", "shared": "also_in__isnull"}.get(self.value() or "")
        return queryset.filter(**{asked: False}) if asked else queryset


class FeedbackRecordAdmin(LargeTableAdmin[M]):
    """A table that may hold millions of rows: no count of all, order by the index on time."""

    list_select_related = ["source"]
    list_filter = [SourceFilter, CountedFilter]
    exact_fields = ["external_id", "response_id"]
    search_help_text = "The whole id or response id"
    ordering = ["-created_at", "uid"]
    readonly_fields = ["origin", "counted", "gone_at"]

    def exactly(self, term: str) -> Q:
        """Find an id by what each source makes of it: the key says both, and has the index."""
        table = table_of(self.model)
        uids = [
            UUID(bytes=row_format(source, table, {}).uid(f"i{term}"))
            for source in FeedbackSource.objects.all()
        ]
        return Q(uid__in=uids) | Q(response_id=term)

    @admin.display(description="origin")
    def origin(self, record: Any) -> Any:
        return origin_badge(record.source)

    @admin.display(description="counted")
    def counted(self, record: Any) -> str:
        if record.gone_at:
            return "no: it is not at its source any more"
        others = FeedbackSource.objects.filter(pk__in=record.also_in or [])
        names = ", ".join(others.values_list("name", flat=True))
        return f"once, as a row of {names} where that is looked at too" if names else "yes"


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
