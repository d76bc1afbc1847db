"""The admin pages of jobs and schedules, and their panel on the front page."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from project import words
from project.jobs.contract import UnknownKind, UnusableArguments, all_kinds, get_kind, title_of
from project.jobs.links import job_link, message_job
from project.jobs.models import Job, Process, Schedule
from project.jobs.presentation import present
from project.jobs.services import JobStateError, retry_job, run_schedule, save_schedule, stop_job
from project.pages.admins import RecordAdmin
from project.pages.badges import badge
from project.pages.forms import RecordForm
from project.pages.links import record_url, url_for
from project.pages.registry import panel

LOG_LINES_SHOWN = 500
FAILURES_SHOWN = 5
FAILURES_FOR = timedelta(days=7)


def may_start(request: HttpRequest, kind: str) -> bool:
    """Whether this person may start jobs of that kind, also by a retry or a schedule."""
    try:
        return request.user.has_perm(get_kind(kind).permission)
    except UnknownKind:
        return request.user.is_superuser


class KindFilter(admin.SimpleListFilter):
    """The kinds there are, by what they do."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.title) for kind in all_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(RecordAdmin[Job]):
    """Jobs are made by pages and commands; here they are watched, stopped and retried."""

    list_display = ("what", "state_badge", "progress", "user", "age", "duration")
    list_filter = ("state", KindFilter, ("user", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user",)
    list_per_page = 50
    search_fields = ("id", "error")
    search_help_text = "The beginning of an id, or a word of an error."
    actions = ("stop", "retry")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_finished)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.stop_job")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_job")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        active = [
            f"{job}: {job.get_state_display()}, stop it first"
            for job in objs
            if not job.is_finished
        ]
        if super().has_delete_permission(request):
            missing = missing - {self.opts.verbose_name}  # what keeps them is their state
        return deleted, counts, missing, [*protected, *active]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        # A job that a worker took while the page asked for confirmation stays.
        Job.objects.filter(pk__in=queryset.values("pk")).finished().delete()

    # --- List -------------------------------------------------------------------------------------

    @admin.display(description="Job", ordering="kind")
    def what(self, job: Job) -> str:
        return f"{title_of(job.kind)} {job.short_id}"

    @admin.display(description="State", ordering="state")
    def state_badge(self, job: Job) -> str:
        return badge(job.state)

    @admin.display(description="Progress")
    def progress(self, job: Job) -> str:
        if job.is_finished and job.state != Job.State.SUCCEEDED and not job.progress_total:
            return "-"
        share = 0.0 if job.state == Job.State.QUEUED and not job.fence else job.progress_share
        return render_to_string("jobs/progress.html", {"share": share, "job": job})

    @admin.display(description="Age", ordering="-created_at")
    def age(self, job: Job) -> str:
        return words.ago((timezone.now() - job.created_at).total_seconds())

    @admin.display(description="Took")
    def duration(self, job: Job) -> str:
        return words.duration(job.duration_seconds)

    @admin.action(description="Stop the selected jobs", permissions=["stop"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            self._stop(request, job)

    @admin.action(description="Retry the selected jobs", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            self._retry(request, job)

    def _stop(self, request: HttpRequest, job: Job) -> None:
        try:
            job = stop_job(job)
        except JobStateError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            when = "is stopped" if job.is_finished else "stops at the end of its chunk"
            self.message_user(request, f"{job} {when}.", messages.SUCCESS)

    def _retry(self, request: HttpRequest, job: Job) -> Job | None:
        if not may_start(request, job.kind):
            text = f"{job} is not retried: you may not start “{title_of(job.kind)}”."
            self.message_user(request, text, messages.ERROR)
            return None
        try:
            retried = retry_job(job, by=request.user)
        except JobStateError as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        message_job(request, retried)
        return retried

    # --- Page -------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/live/", wrap(self.live_view), name="jobs_job_live"),
            path(
                "<path:object_id>/stop/", wrap(require_POST(self.stop_view)), name="jobs_job_stop"
            ),
            path(
                "<path:object_id>/retry/",
                wrap(require_POST(self.retry_view)),
                name="jobs_job_retry",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise self.not_found(object_id)
        context = self.page_context(
            request,
            f"{title_of(job.kind)} {job.short_id}",
            **self._live_context(request, job),
            has_delete_permission=self.has_delete_permission(request, job),
            **(extra_context or {}),
        )
        return TemplateResponse(request, "jobs/job.html", context)

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the changing part of a job's page."""
        job = self._job(request, object_id)
        html = render_to_string("jobs/job_live.html", self._live_context(request, job), request)
        return JsonResponse({"html": html, "state": job.state, "is_active": not job.is_finished})

    def stop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop one job from its page."""
        job = self._job(request, object_id)
        if not self.has_stop_permission(request):
            raise PermissionDenied
        self._stop(request, job)
        return HttpResponseRedirect(record_url(job))

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Retry one job from its page, and go to the page of the retry."""
        job = self._job(request, object_id)
        if not self.has_retry_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(record_url(self._retry(request, job) or job))

    def _job(self, request: HttpRequest, object_id: str) -> Job:
        return self.get_or_denied(request, object_id)

    def _live_context(self, request: HttpRequest, job: Job) -> dict[str, Any]:
        lines = list(job.log_lines.order_by("-pk")[: LOG_LINES_SHOWN + 1])
        result = job.result or {}
        refusal = result.get("refused") if job.state == Job.State.REFUSED else None
        return {
            "job": job,
            "kind_title": title_of(job.kind),
            "took": words.duration(job.duration_seconds),
            "is_waiting_for_worker": job.state == Job.State.QUEUED
            and not has_role(Process.Role.WORKER),
            "stages": [
                {**stage, "took": words.duration(stage.get("seconds"))} for stage in job.stages
            ],
            "arguments": present(job.arguments) if job.arguments else None,
            "checks": (refusal or result).get("checks") or [],
            "refusal": refusal,
            "result": present({k: v for k, v in (refusal or result).items() if k not in HIDDEN})
            if job.result
            else None,
            "records": [_record(request, record) for record in job.records],
            "log_lines": lines[:LOG_LINES_SHOWN][::-1],
            "has_more_lines": len(lines) > LOG_LINES_SHOWN,
            "retried_as": [job_link(retry) for retry in job.retries.all()],
            "retry_of": job_link(job.retry_of) if job.retry_of else None,
            "may_stop": not job.is_finished
            and not job.stop_requested
            and self.has_stop_permission(request),
            "may_retry": job.state in (Job.State.FAILED, Job.State.REFUSED, Job.State.CANCELLED)
            and not job.retries.all()
            and self.has_retry_permission(request)
            and may_start(request, job.kind),
        }


HIDDEN = ("checks", "message", "remedy")  # shown apart from the other values of a result


def has_role(role: Process.Role) -> bool:
    """Whether a process of that role is alive."""
    return Process.objects.alive().filter(role=role).exists()


def _record(request: HttpRequest, record: dict[str, Any]) -> dict[str, Any]:
    return {"title": record["title"], "url": url_for(request, record["model"], record["id"])}


# --- Schedules ------------------------------------------------------------------------------------


class ScheduleForm(RecordForm[Schedule]):
    """Says what a field expects where the model's words are not enough."""

    class Meta:
        model = Schedule
        fields = ("name", "kind", "arguments", "interval_seconds", "cron", "is_enabled")
        help_texts = {
            "arguments": 'A JSON object with the arguments by name, such as {"days": 30}.',
            "name": "Letters, digits, '-' and '_'.",
        }


@admin.register(Schedule)
class ScheduleAdmin(RecordAdmin[Schedule]):
    """When which job starts by itself."""

    form = ScheduleForm
    list_display = ("name", "what", "rhythm", "is_enabled", "next_run", "last_run", "last_state")
    list_filter = ("is_enabled",)
    search_fields = ("name", "kind")
    fields = (
        *("name", "kind", "arguments", "interval_seconds", "cron", "is_enabled"),
        *("next_run", "last_run", "last_state", "missed_runs", "last_error"),
    )
    readonly_fields = ("next_run", "last_run", "last_state", "missed_runs", "last_error")
    actions = ("run_now",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        newest = Job.objects.filter(schedule=OuterRef("pk")).order_by("-created_at")
        return (
            super()
            .get_queryset(request)
            .annotate(
                last_job_id=Subquery(newest.values("pk")[:1]),
                last_job_state=Subquery(newest.values("state")[:1]),
            )
        )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind":
            kinds = [kind for kind in all_kinds() if request.user.has_perm(kind.permission)]
            return forms.ChoiceField(
                choices=[("", "---------"), *((kind.name, kind.title) for kind in kinds)]
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        save_schedule(obj)

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.run_schedule")

    @admin.display(description="What", ordering="kind")
    def what(self, schedule: Schedule) -> str:
        return title_of(schedule.kind)

    @admin.display(description="When")
    def rhythm(self, schedule: Schedule) -> str:
        if schedule.cron:
            return f"cron {schedule.cron} ({timezone.get_default_timezone_name()})"
        return f"every {words.duration(schedule.interval_seconds)}"

    @admin.display(description="Next run", ordering="next_run_at")
    def next_run(self, schedule: Schedule) -> Any:
        return schedule.next_run_at if schedule.is_enabled and schedule.pk else None

    @admin.display(description="Last run", ordering="last_run_at")
    def last_run(self, schedule: Schedule) -> Any:
        return schedule.last_run_at

    @admin.display(description="Its state")
    def last_state(self, schedule: Any) -> Any:
        if schedule.last_error:
            return badge("failed")
        if getattr(schedule, "last_job_id", None) is None:
            return None
        job = Job(pk=schedule.last_job_id)
        return badge(schedule.last_job_state, url=record_url(job))

    @admin.action(description="Run the selected schedules now", permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for schedule in queryset:
            if not may_start(request, schedule.kind):
                text = f"{schedule} is not run: you may not start “{title_of(schedule.kind)}”."
                self.message_user(request, text, messages.ERROR)
                continue
            try:
                message_job(request, run_schedule(schedule, by=request.user))
            except (JobStateError, UnknownKind, UnusableArguments) as error:
                self.message_user(request, str(error), messages.ERROR)


# --- Front page -----------------------------------------------------------------------------------


@panel("Jobs", template="jobs/panel.html", permission="jobs.view_job", order=90)
def jobs_panel(request: HttpRequest) -> dict[str, Any]:
    """Say what runs, what failed lately, and whether anything works at all."""
    alive = set(Process.objects.alive().values_list("role", flat=True))
    failed = Job.objects.filter(
        state=Job.State.FAILED,
        finished_at__gt=timezone.now() - FAILURES_FOR,
        retries__isnull=True,
    )
    active = Job.objects.active().select_related("user").order_by("created_at")
    return {
        "active": [(job, job_link(job)) for job in active[:10]],
        "active_count": active.count(),
        "failed": [(job, job_link(job)) for job in failed[:FAILURES_SHOWN]],
        "has_worker": Process.Role.WORKER in alive,
        "has_scheduler": Process.Role.SCHEDULER in alive,
    }
