"""What records said before they were changed at their source, to look at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from feedback.admin.sources import origin_badge
from feedback.models import FeedbackChange
from project import words
from project.jobs.links import job_link
from project.pages.admins import LargeTableAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.filters import DateRangeFilter

SHOWN_VALUE = 300  # characters of a value beside the other


@admin.register(FeedbackChange)
class FeedbackChangeAdmin(LargeTableAdmin[FeedbackChange]):
    list_display = ["record", "source_and_table", "outcome", "differences", "found"]
    list_filter = ["action", "table", "source", ("found_at", DateRangeFilter)]
    list_select_related = ["source"]
    exact_fields = ["external_id"]
    search_help_text = "The whole id at the source"
    fields = [
        "record", "source_and_table", "outcome", "differences", "before", "after", "actor",
        "found_at", "run", "job_page",
    ]  # fmt: skip
    readonly_fields = ["record", "source_and_table", "outcome", "differences", "job_page"]
    empty_title = "No record was changed"
    empty_text = "A rating that comes again with other content stands here, before and after."

    @admin.display(description="record")
    def record(self, change: FeedbackChange) -> Any:
        return change.external_id or str(change.uid)

    @admin.display(description="source")
    def source_and_table(self, change: FeedbackChange) -> Any:
        title = format_html("{} {}", change.source, origin_badge(change.source))
        return two_lines(title, change.get_table_display())

    @admin.display(description="what was done")
    def outcome(self, change: FeedbackChange) -> Any:
        return badge(change.action)

    @admin.display(description="before and after")
    def differences(self, change: FeedbackChange) -> Any:
        return format_html_join(
            "",
            "<div>{}: {} → {}</div>",
            (
                (name, _shown(change.before.get(name)), _shown(change.after.get(name)))
                for name in sorted(change.before)
            ),
        )

    @admin.display(description="found")
    def found(self, change: FeedbackChange) -> Any:
        return two_lines(words.moment(change.found_at), change.actor)

    @admin.display(description="job")
    def job_page(self, change: FeedbackChange) -> Any:
        return job_link(change.run.job) if change.run.job else words.NONE

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("source")


def _shown(value: Any) -> str:
    text = words.NONE if value in (None, "") else str(value)
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]} …"
