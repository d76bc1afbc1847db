"""The admin pages of jobs and schedules, and their panel on the front page."""

import re
from collections.abc import Iterator
from functools import partial
from string import hexdigits
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from project import clock, words
from project.acting import Actor
from project.jobs import queue_pages
from project.jobs.clock import UnreadableCron
from project.jobs.contract import (
    JobKind,
    UnknownKind,
    UnusableArguments,
    all_kinds,
    get_kind,
    is_known,
    title_of,
)
from project.jobs.forms import answers_of, check_answers, fields_for
from project.jobs.links import job_link, message_job
from project.jobs.models import Job, Process, Schedule
from project.jobs.presentation import (
    headline,
    present,
    present_figures,
    present_result,
    present_stages,
)
from project.jobs.references import Links, links_in, records_now, refer
from project.jobs.services import (
    JobStateError,
    NotPermitted,
    enqueue,
    retry_job,
    run_schedule,
    save_schedule,
    stop_job,
)
from project.jobs.starts import start_kind
from project.jobs.strip import notices, running_jobs, strip_html, watched_jobs
from project.pages.admins import HistoryAdmin, LargeTable
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.consequences import Consequence
from project.pages.filters import DateRangeFilter
from project.pages.forms import RecordForm
from project.pages.links import record_url
from project.pages.navigation import (
    FOUND,
    Entry,
    Found,
    State,
    add_counter,
    add_entries,
    finder,
)

LOG_LINES_SHOWN = 500
RUNS_SHOWN = 5
ID_DIGITS = 32  # hexadecimal, of a job's id
LEAST_DIGITS = 4  # of a million ids some fifteen begin alike then


def may_start(request: HttpRequest, kind: str) -> bool:
    """Whether this person may start jobs of that kind, also by a retry or a schedule."""
    try:
        return request.user.has_perm(get_kind(kind).permission)
    except UnknownKind:
        return request.user.is_superuser


def may_see_all(request: HttpRequest, job: Job) -> bool:
    """Whether this person may see what a job was asked, made and failed of.

    Those are rows of other models: for who may start such jobs, and for who asked for this one.
    """
    return may_start(request, job.kind) or job.user_id == request.user.pk


class KindFilter(admin.SimpleListFilter):
    """The kinds there are, by what they do."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.title) for kind in all_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


def foresee_stop(request: HttpRequest, jobs: Any) -> Consequence:
    """Say how many jobs end, and what is kept of them."""
    queued = jobs.filter(state=Job.State.QUEUED).count()
    running = jobs.filter(state=Job.State.RUNNING).count()
    finished = jobs.finished().count()
    told = [] if queued + running else ["None of these jobs is under way."]
    if queued:
        told.append(f"{words.counted(queued, 'job that waits is', 'jobs that wait are')} stopped.")
    if running:
        ends = "running job ends with its chunk", "running jobs end with their chunk"
        told.append(
            f"{words.counted(running, *ends)}. A retry goes on from there; a batch of events that "
            "was begun is removed."
        )
    if finished:
        told.append(f"{words.counted(finished, 'job has', 'jobs have')} ended already.")
    return Consequence(queued + running, tuple(told))


def foresee_retry(request: HttpRequest, jobs: Any) -> Consequence:
    """Say how many jobs are asked again, and which cannot be."""
    again = jobs.finished().exclude(state=Job.State.SUCCEEDED).filter(retries=None).count()
    left = jobs.count() - again
    told = []
    if again or not left:
        told.append(
            f"{words.counted(again, 'job is', 'jobs are')} asked again, as a new job with your "
            "rights that goes on after the last step that was done."
        )
    if left:
        told.append(
            f"{words.counted(left, 'job stays', 'jobs stay')}: only what failed, was "
            "refused or was stopped, and was not retried yet, can be retried."
        )
    return Consequence(again, tuple(told), starts_jobs=True)


def foresee_runs(request: HttpRequest, schedules: Any) -> Consequence:
    """Say how many jobs start, and what they do."""
    kinds = [title_of(kind) for kind in schedules.order_by("name").values_list("kind", flat=True)]
    named = ", ".join(dict.fromkeys(kinds))
    told = (
        f"{words.counted(len(kinds), 'job starts', 'jobs start')} now, with your rights: {named}.",
        "The planned runs stay as they are; a schedule whose job still runs starts none.",
    )
    return Consequence(len(kinds), told, starts_jobs=True)


@admin.register(Job)
class JobAdmin(LargeTable[Job]):
    """Jobs are made by pages and commands; here they are watched, stopped and retried."""

    list_display = ("what", "state_badge", "progress", "actor", "age", "duration")
    list_filter = (
        "state",
        KindFilter,
        "user",
        ("created_at", DateRangeFilter),
    )
    list_select_related = ("user",)
    ordering = ("-created_at",)
    exact_fields = ("id",)
    word_fields = ("error",)
    search_help_text = (
        f"The first {LEAST_DIGITS} or more digits of an id, "
        "or a word of an error of the newest jobs"
    )
    actions = ("stop", "retry")
    consequences: ClassVar[Any] = {"stop": foresee_stop, "retry": foresee_retry}
    start_links = ((queue_pages.NAME, queue_pages.LABEL, queue_pages.LOOK),)

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

    def exactly(self, term: str) -> Q | None:
        """Find ids that begin so: a range of their index, which fewer digits make too large."""
        digits = term.replace("-", "").lower()
        if not LEAST_DIGITS <= len(digits) <= ID_DIGITS or set(digits) - set(hexdigits):
            return None
        first, last = (UUID(digits.ljust(ID_DIGITS, filler)) for filler in "0f")
        return Q(pk__range=(first, last))

    # --- List -------------------------------------------------------------------------------------

    def row_links(self, request: HttpRequest, record: Job) -> list[tuple[str, str]]:
        if (
            not record.is_finished
            or not may_start(request, record.kind)
            or not _can_happen_again(record)
        ):
            return []
        return [("Run again with changes", reverse("admin:jobs_job_again", args=[record.pk]))]

    @admin.display(description="Job")
    def what(self, job: Job) -> str:
        return two_lines(title_of(job.kind), job.short_id, is_id=True)

    @admin.display(description="State")
    def state_badge(self, job: Job) -> str:
        return badge(job.verdict)

    @admin.display(description="Progress")
    def progress(self, job: Job) -> str:
        if job.is_finished and job.state != Job.State.SUCCEEDED and not job.progress_total:
            return "-"
        share = 0.0 if job.state == Job.State.QUEUED and not job.fence else job.progress_share
        return render_to_string("jobs/progress.html", {"share": share, "job": job})

    @admin.display(description="Age")
    def age(self, job: Job) -> str:
        ago = words.ago((clock.now() - job.created_at).total_seconds())
        return two_lines(ago, words.moment(job.created_at))

    @admin.display(description="Took")
    def duration(self, job: Job) -> str:
        return words.duration(job.duration_seconds)

    @admin.action(description="Stop", permissions=["stop"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            self._stop(request, job)

    @admin.action(description="Retry", permissions=["retry"])
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
        except (JobStateError, UnknownKind, UnusableArguments, NotPermitted) as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        message_job(request, retried)
        return retried

    # --- Page -------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("strip/", wrap(self.strip_view), name="jobs_strip"),
            path("<path:object_id>/live/", wrap(self.live_view), name="jobs_job_live"),
            path("<path:object_id>/stop/", wrap(self.stop_view), name="jobs_job_stop"),
            path(
                "<path:object_id>/retry/",
                wrap(self.retry_view),
                name="jobs_job_retry",
            ),
            path(
                "<path:object_id>/offer/",
                wrap(require_POST(self.offer_view)),
                name="jobs_job_offer",
            ),
            path("<path:object_id>/again/", wrap(self.again_view), name="jobs_job_again"),
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
            job=job,
            live=self._live(request, job),
            **(extra_context or {}),
        )
        return TemplateResponse(request, "jobs/job.html", context)

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the parts of a job's page that change."""
        return JsonResponse(self._live(request, self._job(request, object_id)))

    def strip_view(self, request: HttpRequest) -> HttpResponse:
        """Give the strip of running jobs, and which watched ones of this person have ended."""
        jobs, watched = running_jobs(request), watched_jobs(request)
        ended = [job for job in watched if job.is_finished]
        mine = {job.pk for job in jobs if job.user_id == request.user.pk}
        mine |= {job.pk for job in watched}
        return JsonResponse(
            {
                "html": strip_html(request, [job for job in jobs if job not in ended]),
                "mine": sorted(str(pk) for pk in mine - {job.pk for job in ended}),
                "ended": notices(request, ended),
            }
        )

    def stop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what becomes of one job that is stopped, do it, and go back to its page."""
        job = self._job(request, object_id)
        if not self.has_stop_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            told = foresee_stop(request, Job.objects.filter(pk=job.pk))
            return self.foresee_page(request, job, told, title=f"Stop {title_of(job.kind)}")
        self._stop(request, job)
        return HttpResponseRedirect(record_url(job))

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what a retry of one job does, do it, and go to the page of the retry."""
        job = self._job(request, object_id)
        if not self.has_retry_permission(request):
            raise PermissionDenied
        if job.state == Job.State.REFUSED and is_known(job.kind) and may_start(request, job.kind):
            return HttpResponseRedirect(reverse("admin:jobs_job_again", args=[job.pk]))
        if request.method != "POST":
            told = foresee_retry(request, Job.objects.filter(pk=job.pk))
            return self.foresee_page(request, job, told, title=f"Retry {title_of(job.kind)}")
        return HttpResponseRedirect(record_url(self._retry(request, job) or job))

    def offer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Start a refused job as its refusal offers it, and go to the page of that one."""
        job = self._job(request, object_id)
        if not may_start(request, job.kind):
            raise PermissionDenied
        offer = _offer_of(job)
        if offer is None:
            self.message_user(request, f"{job} was offered nothing.", messages.ERROR)
            return self.to_record(job)
        try:
            started = enqueue(job.kind, by=request.user, **{**job.arguments, **offer["arguments"]})
        except (UnknownKind, UnusableArguments, NotPermitted) as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.to_record(job)
        message_job(request, started)
        return HttpResponseRedirect(record_url(started))

    def again_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what a job was asked, filled with its answers, and start another one."""
        job = self._job(request, object_id)
        if not may_start(request, job.kind):
            raise PermissionDenied
        try:
            kind = get_kind(job.kind)
        except UnknownKind as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.to_record(job)
        if kind.happens_once:
            told = f"{kind.title}: it happens once, and is begun on the page of what it is about."
            self.message_user(request, told, messages.ERROR)
            return self.to_record(job)
        title = f"{kind.title}: again, with changes"
        return start_kind(
            request,
            job.kind,
            then=self.list_url,
            context=self.page_context(request, title, intro=kind.summary),
            given=job.arguments,
        )

    def _job(self, request: HttpRequest, object_id: str) -> Job:
        return self.get_or_denied(request, object_id)

    def _live(self, request: HttpRequest, job: Job) -> dict[str, Any]:
        """Return what a job's page renews: `parts` by name, as HTML without anything of its own.

        Nothing in them may differ while the job does not, such as the token of a form: a part that
        is the same stays, with what somebody has unfolded, chosen or is about to press.
        """
        context = self._live_context(request, job)
        return {
            "parts": {
                name: render_to_string(f"jobs/live/{name}.html", context) for name in LIVE_PARTS
            },
            "at": words.clock(clock.now()),
            "said": _sentence(job) if may_see_all(request, job) or not job.said else "",
            "state": job.state,
            "is_active": not job.is_finished,
        }

    def _live_context(self, request: HttpRequest, job: Job) -> dict[str, Any]:
        may_see = may_see_all(request, job)
        lines = list(job.log_lines.order_by("-pk")[: LOG_LINES_SHOWN + 1]) if may_see else []
        result = (job.result or {}) if may_see else {}
        refusal = result.get("refused") if job.state == Job.State.REFUSED else None
        asked = job.arguments if may_see else {}
        links = links_in(request, asked, result)
        return {
            "job": job,
            "may_see": may_see,
            "needed": get_kind(job.kind).permission if not may_see and is_known(job.kind) else "",
            "kind_title": title_of(job.kind),
            "headline": headline(job, may_see=may_see),
            "took": words.duration(_whole(job, job.duration_seconds)),
            "left": words.duration(_whole(job, job.seconds_left)) if job.seconds_left else "",
            "is_waiting_for_worker": job.state == Job.State.QUEUED
            and not has_role(Process.Role.WORKER),
            "is_waiting_for_newer": job.state == Job.State.QUEUED and not is_known(job.kind),
            "stages": present_stages(job),
            "arguments": present(asked, links=links) if asked else None,
            "checks": (refusal or result).get("checks") or [],
            "refusal": refusal,
            # What a table waits for: a person looks at how it is to be read.
            "mapping_url": _mapping_in(links) if refusal else "",
            "offer": _offer_of(job) if may_start(request, job.kind) else None,
            "figures": present_figures(job, refusal or result),
            "result": present_result(refusal or result, hidden=HIDDEN, links=links),
            "records": records_now(job.records, request) if may_see else [],
            "log_lines": lines[:LOG_LINES_SHOWN][::-1],
            "has_more_lines": len(lines) > LOG_LINES_SHOWN,
            "retried_as": [job_link(retry) for retry in job.retries.all()],
            "retry_of": job_link(job.retry_of) if job.retry_of else None,
            "may_stop": not job.is_finished
            and not job.stop_requested
            and self.has_stop_permission(request),
            # A refused one asks for other answers: it goes to its form.
            "may_retry": job.state in (Job.State.FAILED, Job.State.CANCELLED)
            and not job.retries.all()
            and self.has_retry_permission(request)
            and may_start(request, job.kind),
            "may_again": job.is_finished
            and may_start(request, job.kind)
            and _can_happen_again(job),
            "may_delete": self.has_delete_permission(request, job),
        }


# The parts of a job's page, from top to bottom: templates in jobs/live, renewed one by one.
LIVE_PARTS = (
    *("head", "notes", "actions", "result", "stages", "records", "asked", "run"),
    *("log", "traceback"),
)
IN_WORDS = {
    Job.State.QUEUED: "waits",
    Job.State.RUNNING: "is running",
    Job.State.SUCCEEDED: "has succeeded",
    Job.State.REFUSED: "was refused",
    Job.State.FAILED: "has failed",
    Job.State.CANCELLED: "was stopped",
}


def _sentence(job: Job) -> str:
    """Say how a job is: another sentence when its state or stage is another one, and only then."""
    if job.said:
        return headline(job)["text"]
    stage = next((each["name"] for each in job.stages if each.get("state") == "running"), "")
    at = f": {stage}" if stage and not job.is_finished else ""
    return f"{title_of(job.kind)} {IN_WORDS[Job.State(job.state)]}{at}."


def _can_happen_again(job: Job) -> bool:
    """Whether it can be asked for with other answers: what it was about may be gone."""
    return is_known(job.kind) and not get_kind(job.kind).happens_once


def _mapping_in(links: Links) -> str:
    return next((url for (name, _), url in links.items() if name == "mapping_id"), "")


def _offer_of(job: Job) -> dict[str, Any] | None:
    """What a refusal says could be had instead: label, consequence, arguments."""
    refused = (job.result or {}).get("refused") if job.state == Job.State.REFUSED else None
    offer: dict[str, Any] | None = (refused or {}).get("offer")
    return offer


# Shown apart from the other values of a result.
HIDDEN = ("checks", "message", "remedy", "offer")


def _whole(job: Job, seconds: float | None) -> float | None:
    """Whole seconds while a job runs, when tenths would only flicker."""
    return seconds if seconds is None or job.is_finished else round(seconds)


def has_role(role: Process.Role) -> bool:
    """Whether a process of that role is alive."""
    return _alive(role).exists()


def _alive(role: Process.Role) -> QuerySet[Process]:
    return Process.objects.alive().filter(role=role)


refer("jobs.job", "job")
for _role in Process.Role:
    add_counter(_role.value, partial(_alive, _role))
add_entries(
    Entry.of(
        Job,
        section="Work",
        label="Jobs",
        order=80,
        icon="jobs",
        rows=Job.objects.active,
        noun="active",
        state=State("busy", "running", lambda: Job.objects.filter(state=Job.State.RUNNING)),
    ),
    Entry(
        section="Work",
        label=queue_pages.LABEL,
        url_name=queue_pages.NAME,
        order=81,
        permissions=(queue_pages.LOOK,),
    ),
    Entry.of(
        Schedule,
        section="Work",
        label="Schedules",
        order=82,
        icon="schedules",
        rows=lambda: Schedule.objects.filter(is_enabled=True),
        noun="on",
    ),
)


@finder(Job)
def find_jobs(text: str) -> Iterator[Found]:
    """Find jobs by the beginning of their id."""
    if not re.fullmatch(r"[0-9a-f-]{2,36}", text.lower()):
        return
    named = Job.objects.filter(id__startswith=text.lower()).order_by("-created_at")
    for job in named.only("kind", "state", "created_at")[:FOUND]:
        yield Found(f"{title_of(job.kind)} · {job.short_id}", job.state, record_url(job), "jobs")


# --- Schedules ------------------------------------------------------------------------------------


class ScheduleForm(RecordForm[Schedule]):
    """A rhythm, and what the job of `job_kind` asks: one field for each question."""

    job_kind: JobKind | None

    class Meta:
        model = Schedule
        fields = ("name", "interval_seconds", "cron", "is_enabled")
        help_texts = {
            "name": "Letters, digits, '-' and '_'.",
            "interval_seconds": "Seconds from one run to the next, at least 10: 3600 is an hour, "
            "86400 a day. Or give a cron expression.",
            "cron": 'Minute, hour, day of the month, month, day of the week: "0 6 * * *" is every '
            'day at six, "*/15 * * * 1-5" every quarter of an hour from Monday to Friday.',
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.job_kind is None:  # the record itself says that no app declares it any more
            return cleaned
        self.instance.kind = self.job_kind.name
        if not self.errors:
            check_answers(self, self.job_kind)
            self.instance.arguments = answers_of(self.job_kind, cleaned)
        return cleaned

    def _update_errors(self, errors: ValidationError) -> None:
        # What the record says of all arguments has no field of that name here.
        by_field: dict[str, list[Any]] = {}
        for name, texts in errors.update_error_dict({}).items():
            field = name if name in self.fields else NON_FIELD_ERRORS
            by_field.setdefault(field, []).extend(texts)
        super()._update_errors(ValidationError(by_field))  # type: ignore[misc]  # Django's own hook


@admin.register(Schedule)
class ScheduleAdmin(HistoryAdmin[Schedule]):
    """When which job starts by itself, with the rights of whoever saved it last."""

    list_display = (*("title", "rhythm", "is_enabled", "owner", "next_run", "latest"),)
    list_filter = ("is_enabled",)
    list_select_related = ("owner",)
    search_fields = ("name", "kind")
    readonly_fields = ("what", "owned_by", "next_runs", "last_run", "last_state", "missed_runs")
    actions = ("run_now",)
    consequences: ClassVar[Any] = {"run_now": foresee_runs}
    empty_title = "Nothing starts by itself yet"
    empty_text = "A schedule starts a job again and again: every hour, or at six every morning."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        newest = Job.objects.filter(schedule=OuterRef("pk")).order_by("-created_at")
        return (
            super()
            .get_queryset(request)
            .annotate(
                last_job_id=Subquery(newest.values("pk")[:1]),
                last_job_state=Subquery(newest.values("state")[:1]),
                last_job_said=Subquery(newest.values("said")[:1]),
            )
        )

    # Whoever changes or removes a schedule, or makes its job, needs the right to that job.

    def has_change_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        return super().has_change_permission(request, obj) and (
            obj is None or may_start(request, obj.kind)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (
            obj is None or may_start(request, obj.kind)
        )

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        closed = [
            f"{schedule}: you may not start “{title_of(schedule.kind)}”"
            for schedule in objs
            if not may_start(request, schedule.kind)
        ]
        return deleted, counts, missing, [*protected, *closed]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask first what the schedule starts; its questions follow from that."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind = _asked_kind(request)
        if kind is None:
            kinds = [kind for kind in all_kinds() if _may_schedule(request, kind)]
            context = self.page_context(request, "What is to start by itself?", kinds=kinds)
            return TemplateResponse(request, "jobs/choose_kind.html", context)
        title = f"Add schedule: {kind.title}"
        return super().add_view(request, form_url, {"title": title, **(extra_context or {})})

    def get_form(
        self, request: HttpRequest, obj: Schedule | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form of one kind of job."""
        kind = _asked_kind(request) if obj is None else _kind_of(obj)
        base: dict[str, Any] = {"job_kind": kind, **self._asked(request, kind, obj)}
        kwargs["form"] = type("ScheduleForm", (ScheduleForm,), base)
        kwargs["fields"] = ScheduleForm.Meta.fields
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        kind = _asked_kind(request) if obj is None else _kind_of(obj)
        asked = [*self._asked(request, kind, obj)]
        sections: list[tuple[str | None, dict[str, Any]]] = [
            (None, {"fields": [*(["what"] if obj else []), "name", "is_enabled"]})
        ]
        if asked:
            sections.append(("What the job is asked", {"fields": asked}))
        rhythm = {"fields": ["interval_seconds", "cron", *(["next_runs"] if obj else [])]}
        sections.append(("When", rhythm))
        if obj:
            shown = ["owned_by", "last_run", "last_state", "missed_runs"]
            sections.append(("How it goes", {"fields": shown}))
        return sections

    def _asked(
        self, request: HttpRequest, kind: JobKind | None, obj: Schedule | None
    ) -> dict[str, forms.Field]:
        """Return the fields of what the job is asked, filled with what a schedule says."""
        if kind is None:
            return {}
        given = obj.arguments if obj is not None and isinstance(obj.arguments, dict) else None
        return fields_for(kind, by=Actor.of(request.user), given=given)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        save_schedule(obj, by=request.user)
        runs = ", ".join(words.moment(moment) for moment in obj.next_runs(RUNS_SHOWN))
        messages.info(request, f"It runs with your rights, next at {runs}.")

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

    @admin.display(description="Owner")
    def owned_by(self, schedule: Schedule) -> str:
        # Django links a field of that name to the account, whoever may not see accounts.
        return str(schedule.owner or words.NONE)

    @admin.display(description=f"Next {RUNS_SHOWN} runs")
    def next_runs(self, schedule: Schedule) -> Any:
        if not schedule.is_enabled:
            return "None: it is switched off."
        if schedule.last_error:
            return f"It cannot run: {schedule.last_error}"
        try:
            return ", ".join(words.moment(moment) for moment in schedule.next_runs(RUNS_SHOWN))
        except UnreadableCron as error:  # what stands in a form that was not saved
            return str(error)

    @admin.display(description="Next run", ordering="next_run_at")
    def next_run(self, schedule: Schedule) -> Any:
        return schedule.next_run_at if schedule.is_enabled and schedule.pk else None

    @admin.display(description="Last run", ordering="last_run_at")
    def last_run(self, schedule: Schedule) -> Any:
        return schedule.last_run_at

    @admin.display(description="Schedule", ordering="name")
    def title(self, schedule: Schedule) -> Any:
        return two_lines(title_of(schedule.kind), schedule.name, is_id=True)

    @admin.display(description="Last run", ordering="last_run_at")
    def latest(self, schedule: Schedule) -> Any:
        if schedule.last_run_at is None:
            return words.NONE
        return two_lines(
            self.last_state(schedule) or words.NONE, words.moment(schedule.last_run_at)
        )

    @admin.display(description="Its state")
    def last_state(self, schedule: Any) -> Any:
        if schedule.last_error:
            return badge("failed")
        if getattr(schedule, "last_job_id", None) is None:
            return None
        job = Job(
            pk=schedule.last_job_id,
            state=schedule.last_job_state,
            said=schedule.last_job_said or {},
        )
        return badge(job.verdict, url=record_url(job))

    @admin.action(description="Run now", permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for schedule in queryset:
            if not may_start(request, schedule.kind):
                text = f"{schedule} is not run: you may not start “{title_of(schedule.kind)}”."
                self.message_user(request, text, messages.ERROR)
                continue
            try:
                message_job(request, run_schedule(schedule, by=request.user))
            except (JobStateError, UnknownKind, UnusableArguments, NotPermitted) as error:
                self.message_user(request, str(error), messages.ERROR)


def _asked_kind(request: HttpRequest) -> JobKind | None:
    """Return the kind that the address of an add page names, where this person may schedule it."""
    try:
        kind = get_kind(request.GET.get("kind", ""))
    except UnknownKind:
        return None
    return kind if _may_schedule(request, kind) else None


def _kind_of(schedule: Schedule) -> JobKind | None:
    try:
        return get_kind(schedule.kind)
    except UnknownKind:
        return None


def _may_schedule(request: HttpRequest, kind: JobKind) -> bool:
    return kind.can_be_scheduled and request.user.has_perm(kind.permission)
