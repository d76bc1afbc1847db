"""Match events and rejected lines in the admin: millions of rows, to be looked at."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.words import MatchType, Outcome, Preset
from matching.models import (
    EventBatch,
    EventChange,
    MatchEvent,
    RejectedEvent,
    SeedUser,
    TravelGroup,
)
from project import words
from project.jobs.questions import LIST_LENGTH
from project.jobs.starts import start_job
from project.mappings.refused_admin import (
    OpenFilter,
    ReasonFilter,
    RefusedRowAdmin,
    foresee_retry,
)
from project.pages.admins import LargeTableAdmin
from project.pages.badges import badge
from project.pages.consequences import Consequence
from project.pages.links import record_link

RETRY_KIND: Final = "matching.retry_events"
BATCHES_OFFERED = 30  # newest batches that the filter names; any other can be asked for by number


class BatchFilter(admin.SimpleListFilter):
    """Rows of one batch."""

    title = "batch"
    parameter_name = "batch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        batches = EventBatch.objects.order_by("-pk").values_list("pk", flat=True)
        return [(str(pk), f"Batch {pk}") for pk in batches[:BATCHES_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value() or ""
        if not value:
            return queryset
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            return queryset.none()
        batch = EventBatch(pk=int(value))
        if queryset.model is MatchEvent:
            return queryset.of_batch(batch)
        if queryset.model is EventChange:
            return queryset.to_batch(batch)
        return queryset.filter(batch_id=batch.pk)


class ImportFilter(BatchFilter):
    """Changes that one import brought."""

    title = "import"
    parameter_name = "import"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value() or ""
        if not value:
            return queryset
        is_number = value.isascii() and value.isdigit() and len(value) < 10
        return queryset.filter(batch_id=int(value)) if is_number else queryset.none()


def batch_link(pk: int) -> SafeString:
    """Show the batch of a row as a link."""
    return record_link(EventBatch(pk=pk), f"Batch {pk}")


def _score(feature: str) -> Callable[[MatchEvent], str]:
    """Make a column of a feature with three digits."""

    @admin.display(description=feature.removesuffix("_score").replace("_", " "))
    def column(event: MatchEvent) -> str:
        return words.number(getattr(event, feature))

    column.__name__ = feature
    return column


@admin.register(MatchEvent)
class MatchEventAdmin(LargeTableAdmin[MatchEvent]):
    list_display = (
        "name",
        "origin_word",
        "match_type",
        "outcome",
        "when",
        *map(_score, ("distance_score", "date_overlap_score", "budget_score", "interest_score")),
    )
    list_filter = (BatchFilter, "outcome", "label", "match_type")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "batch",
                    "origin_word",
                    "match_type",
                    "outcome",
                    "label",
                    "preset",
                    "occurred_at",
                    "user",
                    "target",
                    "group",
                )
            },
        ),
        ("Features", {"fields": FEATURE_NAMES}),
        (
            "Truth of a synthetic event",
            {"fields": ("true_probability", "feature_probability")},
        ),
        ("Of an imported event", {"fields": ("event_key", "external")}),
    )
    readonly_fields = ("name", "batch", "origin_word", "user", "target", "group")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # What an unfinished batch has so far is nobody's to read.
        events = super().get_queryset(request)
        for batch in EventBatch.objects.filter(state=EventBatch.State.BUILDING).only("pk"):
            events = events.exclude(id__range=(batch.first_event_id, batch.last_event_id))
        return events

    @admin.display(description="event")
    def name(self, event: MatchEvent) -> Any:
        return str(event)

    @admin.display(description="batch")
    def batch(self, event: MatchEvent) -> Any:
        return batch_link(event.batch_id)

    @admin.display(description="origin")
    def origin_word(self, event: MatchEvent) -> Any:
        return badge(event.get_origin_display())

    @admin.display(description="occurred at")
    def when(self, event: MatchEvent) -> Any:
        return words.moment(event.occurred_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Who they are is for who may see people; the event itself says their numbers.
        named = request.user.has_perm("matching.view_seeduser")
        people = ("user", "target", "group") if named else ("user_id", "target_id", "group_id")
        return ("name", "batch", "origin_word", *people)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = set(self.get_readonly_fields(request, obj))
        (title, first), *others = self.fieldsets
        fields = [
            name if name in shown or f"{name}_id" not in shown else f"{name}_id"
            for name in first["fields"]
        ]
        return [(title, {**first, "fields": fields}), *others]

    @admin.display(description="user")
    def user(self, event: MatchEvent) -> Any:
        return _person(SeedUser, event.user_id)

    @admin.display(description="target")
    def target(self, event: MatchEvent) -> Any:
        return _person(SeedUser, event.target_id)

    @admin.display(description="group")
    def group(self, event: MatchEvent) -> Any:
        return _person(TravelGroup, event.group_id)


def _person(model: type[SeedUser | TravelGroup], pk: int | None) -> str:
    if pk is None:
        return "-"
    found = model.objects.filter(pk=pk).first() if pk > 0 else None
    if found is None:
        return "known only from the log" if pk < 0 else f"{pk}, deleted since"
    return record_link(found)


def foresee_retry_by_job(request: HttpRequest, lines: Any) -> Consequence:
    """Say what becomes of lines that are tried again: a job does it for each import."""
    return replace(foresee_retry(request, lines), starts_jobs=True)


@admin.register(RejectedEvent)
class RejectedEventAdmin(RefusedRowAdmin[RejectedEvent]):
    list_display = ("line", "batch_word", "state_word", "reason", "message", "beginning")
    list_filter = (BatchFilter, OpenFilter, ReasonFilter)
    list_select_related = ("batch",)
    retry_permission = "matching.retry_rejectedevent"
    came_with = "batch_id"
    rows_page = "remove_rejected-events"
    retries_by_job = True
    file_order = ("line",)
    one_file = ("batch",), "Choose lines of one batch: a file holds one."
    consequences: ClassVar[Any] = {"retry": foresee_retry_by_job}
    empty_title = "No line is refused"
    empty_text = "Lines that an import cannot take are kept here with their reason, to be mended."

    @admin.display(description="batch")
    def batch_word(self, rejected: RejectedEvent) -> Any:
        return batch_link(rejected.batch_id)

    @admin.display(description="beginning of the line")
    def beginning(self, rejected: RejectedEvent) -> Any:
        return rejected.excerpt[:80]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("batch__population", "batch__summary")

    def where(self, row: RejectedEvent) -> str:
        """Say its line, and the batch that it would be of."""
        of = "" if row.batch.is_sent else "of "
        return f"Line {row.line:,} {of}{row.batch.file_name}, batch {row.batch_id}"

    def back_to(self, row: RejectedEvent) -> str:
        """Lead back to what is still refused of its batch."""
        return f"{self.list_url}?batch={row.batch_id}&state=open"

    def is_csv(self, rows: QuerySet[Any]) -> bool:
        """Whether the import read a table of cells."""
        first = rows.first()
        reading = {} if first is None else first.batch.parameters.get("reading") or {}
        return reading.get("format") in ("csv", "xlsx", "parquet")

    def try_again(self, request: HttpRequest, rows: QuerySet[Any]) -> str:
        """Start a job for each import that refused some of them."""
        counts = rows.order_by().values_list("batch").annotate(Count("pk"))
        if not counts:
            messages.error(request, "None of these lines is refused any more.")
        for batch, count in counts:
            open_lines = RejectedEvent.objects.filter(batch=batch).open()
            asked: dict[str, Any] = {"batch": batch}
            if count < open_lines.count():
                if count > LIST_LENGTH:
                    messages.error(
                        request,
                        f"Choose at most {LIST_LENGTH:,} lines of batch {batch}, or all of it.",
                    )
                    continue
                asked["lines"] = list(rows.filter(batch=batch).values_list("pk", flat=True))
            start_job(request, RETRY_KIND, **asked)
        return ""


@admin.register(EventChange)
class EventChangeAdmin(LargeTableAdmin[EventChange]):
    list_display = ("name", "state_word", "stood", "came", "import_word", "line", "by", "when")
    list_display_links = ("state_word",)  # the first one leads to the event
    list_filter = (BatchFilter, ImportFilter, "state")
    list_select_related = ("batch",)
    fields = ("name", "state_word", "stood", "came", "import_word", "line", "by", "when")
    readonly_fields = fields
    empty_title = "No event was changed"
    empty_text = "A line whose eventId is known and that says something else is listed here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # What waits may still be taken back.
        return super().get_queryset(request).exclude(state=EventChange.State.WAITING)

    @admin.display(description="event")
    def name(self, change: EventChange) -> Any:
        number = change.event_id & 0xFFFFFFFF
        return record_link(MatchEvent(pk=change.event_id), f"{change.changed_batch_id}.{number}")

    @admin.display(description="state")
    def state_word(self, change: EventChange) -> Any:
        return badge(change.get_state_display().lower())

    @admin.display(description="what stood there")
    def stood(self, change: EventChange) -> str:
        return _said(change.before)

    @admin.display(description="what the line says")
    def came(self, change: EventChange) -> str:
        return _said(change.after)

    @admin.display(description="import")
    def import_word(self, change: EventChange) -> Any:
        return "deleted since" if change.batch is None else batch_link(change.batch.pk)

    @admin.display(description="when")
    def when(self, change: EventChange) -> Any:
        return words.moment(change.at)


def _said(columns: dict[str, Any]) -> str:
    """Say the columns of one side of a change."""
    codes = {"outcome": Outcome, "match_type": MatchType, "preset": Preset}
    told = []
    for name, value in columns.items():
        if name in codes and value is not None:
            value = codes[name].of_code(value)
        told.append(f"{name} {words.NONE if value is None else value}")
    return ", ".join(told)
