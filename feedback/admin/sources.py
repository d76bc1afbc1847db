"""Sources and their runs in the admin."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from feedback.admin.forms import SourceForm
from feedback.models import CollectionRun, FeedbackSource
from feedback.queries.caveats import caveats_of, shared_of
from feedback.queries.connections import check_connection
from feedback.queries.schedule import COLLECT_KIND, current_schedule
from feedback.services.schedule import switch_off, switch_on
from feedback.services.sources import save_source
from project import words
from project.jobs.links import job_link
from project.jobs.references import refer
from project.jobs.starts import start_from_list, start_job
from project.pages.admins import HistoryAdmin, ReadOnlyAdmin, signed_in
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.consequences import Consequence
from project.pages.filters import DateRangeFilter


def origin_badge(source: FeedbackSource) -> SafeString:
    """Show whether rows of a source are real."""
    return badge(source.origin)


refer("feedback.feedbacksource", "source", "sources", "busy", "failed", field="name")


def foresee_collection(request: HttpRequest, sources: Any) -> Consequence:
    """Say which sources are read, and which cannot be."""
    count = sources.collectable().count()
    told = [
        (
            f"{words.counted(count, 'database is', 'databases are')} read from where the last run "
            "ended; new rows land here, and nothing is written there."
        )
    ]
    left = sources.count() - count
    if left:
        told.append(
            f"{words.counted(left, 'source is', 'sources are')} left out: a file, generated, or "
            "switched off."
        )
    return Consequence(count, tuple(told), starts_jobs=True)


@admin.register(FeedbackSource)
class FeedbackSourceAdmin(HistoryAdmin[FeedbackSource]):
    form = SourceForm
    change_list_template = "feedback/sources.html"
    list_display = ["name", "origin", "kind", "is_enabled", "address", "state"]
    list_filter = ["kind", "is_enabled"]
    search_fields = ["name", "host", "database"]
    readonly_fields = ["kind", "state", "shared_rows"]
    actions = ["collect_now", "test_connection"]
    removal_page = "remove_source"
    instant_actions = ["test_connection"]
    consequences: ClassVar[Any] = {"collect_now": foresee_collection}
    fieldsets = [
        (None, {"fields": ["name", "kind", "is_enabled", "state", "shared_rows"]}),
        (
            "PostgreSQL",
            {
                "description": "The database that is read. Files need no source: an import makes "
                "the one that it names.",
                "fields": [
                    ("host", "port"),
                    ("database", "schema"),
                    "user",
                    "new_password",
                    "remove_password",
                    "password_variable",
                    "sslmode",
                    "ca_certificate",
                ],
            },
        ),
        (
            "Reading",
            {
                "fields": [
                    "mapping",
                    "naive_timezone",
                    "time_unit",
                    "overlap_hours",
                    "changed_column",
                ]
            },
        ),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: FeedbackSource | None = None) -> Any:
        """Ask of files and generated rows for no database: nothing reads them again."""
        if obj is not None and obj.kind != FeedbackSource.Kind.POSTGRES:
            return [(None, {"fields": ["name", "kind", "state", "shared_rows"]})]
        return super().get_fieldsets(request, obj)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("import/", wrap(self.import_view), name="feedback_import"),
            path("schedule/", wrap(self.schedule_view), name="feedback_schedule"),
            path("<int:pk>/test/", wrap(self.test_view), name="feedback_test_connection"),
            *super().get_urls(),
        ]

    # An error report, by mail or on a page, shows what was posted, but for this.
    @method_decorator(sensitive_post_parameters("new_password"))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(
        self, request: HttpRequest, obj: FeedbackSource, form: SourceForm, change: bool
    ) -> None:
        save_source(obj, by=request.user, password_change=form.password_change)

    def row_links(self, request: HttpRequest, record: FeedbackSource) -> list[tuple[str, str]]:
        is_database = record.kind == FeedbackSource.Kind.POSTGRES
        if not is_database or not self.has_change_permission(request, record):
            return []
        test = reverse("admin:feedback_test_connection", args=[record.pk])
        return [("Test the connection", test)]

    @admin.display(description="origin")
    def origin(self, source: FeedbackSource) -> Any:
        return origin_badge(source)

    @admin.display(description="address")
    def address(self, source: FeedbackSource) -> Any:
        if source.kind != FeedbackSource.Kind.POSTGRES:
            return "-"
        return f"{source.user}@{source.host}:{source.port}/{source.database}"

    @admin.display(description="state")
    def state(self, source: FeedbackSource) -> Any:
        if not source.pk:
            return "-"
        if source.kind == FeedbackSource.Kind.FILE:
            return "holds what was imported; an import of another file adds to it"
        if source.kind == FeedbackSource.Kind.SYNTHETIC:
            return "generated, and stands in while no database and no file is there"
        if source.failures:
            return format_html(
                "{} after {} failures, next try from {}: {}",
                badge("failed"),
                source.failures,
                words.moment(source.retry_after),
                source.last_error,
            )
        if source.hidden_by:
            return format_html("{} {}", badge("incomplete"), " ".join(caveats_of([source])))
        return badge("complete") if source.cursors.exists() else "never read"

    @admin.display(description="shared rows")
    def shared_rows(self, source: FeedbackSource) -> Any:
        return " ".join(shared_of(source)) or "none that another source holds too"

    def has_collect_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("feedback.collect_feedback")

    @admin.action(description="Collect from these sources", permissions=["collect"])
    def collect_now(self, request: HttpRequest, queryset: Any) -> None:
        names = list(queryset.collectable().values_list("name", flat=True))
        if not names:
            messages.error(request, "None of these is a database that is enabled.")
            return
        start_job(request, COLLECT_KIND, sources=names)

    @admin.action(description="Test the connection", permissions=["change"])
    def test_connection(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        source = queryset.first()
        if source is None or queryset.count() != 1:
            messages.error(request, "Choose one source to test.")
            return None
        if source.kind != FeedbackSource.Kind.POSTGRES:
            messages.error(request, f"{source.name} is no database: it has no connection to test.")
            return None
        return HttpResponseRedirect(reverse("admin:feedback_test_connection", args=[source.pk]))

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        source = self.get_object(request, str(pk))
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        if source is None:
            raise self.not_found(str(pk))
        # Connecting somewhere is not for a link that a page elsewhere may hold: it asks first.
        tested = check_connection(source) if request.method == "POST" else None
        return TemplateResponse(
            request,
            "feedback/test_connection.html",
            self.page_context(
                request,
                f"Test the connection of {source.name}",
                source=source,
                tested=tested,
            ),
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        schedule = current_schedule()
        context = {"schedule": schedule if schedule and schedule.is_enabled else None}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def schedule_view(self, request: HttpRequest) -> HttpResponse:
        """Switch the hourly collection on or off."""
        if request.method != "POST" or not self.has_collect_permission(request):
            raise PermissionDenied
        if request.POST.get("switch") == "on":
            switch_on(owner=signed_in(request))
            messages.success(
                request, "Feedback is collected every hour from now on, with your rights."
            )
        else:
            switch_off()
            messages.success(request, "Feedback is not collected by itself any more.")
        return self.to_list()

    def import_view(self, request: HttpRequest) -> HttpResponse:
        return start_from_list(
            self,
            request,
            "feedback.import_feedback",
            intro="Bad rows are refused with their line and reason, the good ones land. The same "
            "row twice is one row.",
        )


@admin.register(CollectionRun)
class CollectionRunAdmin(ReadOnlyAdmin[CollectionRun]):
    list_display = [
        "run",
        "source_and_table",
        "state_badge",
        "found",
        "new",
        "known",
        "changed",
        "rejected",
        "gone",
        "reconciled",
    ]
    list_filter = ["state", "table", "source", ("started_at", DateRangeFilter)]
    list_select_related = ["source"]
    exclude = ["job", "is_partial"]  # said below, by a link and in words
    readonly_fields = ["in_part", "job_page"]
    removal_page = "remove_run"

    def removal_links(self, request: HttpRequest, record: CollectionRun) -> list[tuple[str, str]]:
        links = super().removal_links(request, record)
        if record.rejected and request.user.has_perm("feedback.delete_rejectedrecord"):
            url = f"{reverse('admin:remove_rejected-feedback')}?number={record.pk}"
            links.append(("Remove its rejected rows", url))
        return links

    @admin.display(description="run", ordering="started_at")
    def run(self, run: CollectionRun) -> Any:
        return two_lines(f"Run {run.pk}", words.moment(run.started_at))

    @admin.display(description="source", ordering="source")
    def source_and_table(self, run: CollectionRun) -> Any:
        return two_lines(format_html("{} {}", run.source, origin_badge(run.source)), run.table)

    @admin.display(description="state", ordering="state")
    def state_badge(self, run: CollectionRun) -> Any:
        return badge(run.verdict)

    @admin.display(description="at the source")
    def reconciled(self, run: CollectionRun) -> Any:
        if run.is_reconciled is None:
            return words.NONE
        differs = "incomplete" if run.hidden_by else "differs"
        state = badge("complete" if run.is_reconciled else differs)
        return two_lines(words.number(run.source_count), state)

    @admin.display(description="taken in part")
    def in_part(self, run: CollectionRun) -> str:
        return (
            "yes: more of a column could not be used, and that was accepted"
            if (run.is_partial)
            else "no"
        )

    @admin.display(description="job")
    def job_page(self, run: CollectionRun) -> Any:
        return job_link(run.job) if run.job else "-"
