"""The page of queue and workers: who works, what waits, and what can be done about it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from project.household import ailments
from project.jobs import queue
from project.jobs.contract import is_known
from project.jobs.links import job_link
from project.jobs.models import Job, Process
from project.jobs.processes import clocks_off, said_of_clock, waiting_kinds
from project.pages.registry import page
from project.pages.told import tell_done
from project.refusal import Refusal

LOOK = "jobs.view_job"
RING = "jobs.retry_job"
LABEL = "Queue and workers"
NAME = "jobs_queue"
RUNNING_SHOWN = 50


@page(LABEL, route="jobs/queue/", name=NAME, permission=LOOK)
def queue_view(request: HttpRequest) -> HttpResponse:
    """Show who is alive, which jobs there are, and what stands in the queue."""
    processes = list(Process.objects.by_life())
    running = list(Job.objects.filter(state=Job.State.RUNNING).order_by("created_at"))
    by_worker = {job.worker: job for job in running}
    working = [
        by_worker.get(process.works_as) or by_worker.get(process.name) for process in processes
    ]
    elsewhere = [job for job in running if job not in working]
    counts = dict(Job.objects.order_by().values_list("state").annotate(Count("pk")))
    waiting = waiting_kinds()
    listing = reverse("admin:jobs_job_changelist")
    alive = {process.role for process in processes if process.is_alive}  # type: ignore[attr-defined]
    context = {
        **_context(request, LABEL),
        "processes": [
            {"process": process, "job": job and job_link(job)}
            for process, job in zip(processes, working, strict=True)
        ],
        "elsewhere": [(job_link(job), job) for job in elsewhere[:RUNNING_SHOWN]],
        "states": [
            {
                "state": state.value,
                "count": counts.get(state.value, 0),
                "url": f"{listing}?state__exact={state.value}",
            }
            for state in Job.State
        ],
        "due": sum(waiting.values()),
        "unknown": {kind: count for kind, count in waiting.items() if not is_known(kind)},
        "ailments": ailments(),
        "clocks": [said_of_clock(*found) for found in clocks_off().items()],
        "queue": queue.look(),
        "has_worker": Process.Role.WORKER in alive,
        "has_scheduler": Process.Role.SCHEDULER in alive,
        "may_ring": request.user.has_perm(RING),
        "may_empty": _may_empty(request),
    }
    return TemplateResponse(request, "jobs/queue.html", context)


@page("Ring again", route="jobs/queue/ring/", name="jobs_queue_ring", permission=RING)
def ring_view(request: HttpRequest) -> HttpResponse:
    """Ask, then ring again for every job that waits."""
    if not request.user.has_perm(LOOK):
        raise PermissionDenied
    if request.method == "POST":
        due, unheard = queue.ring_again()
        if unheard:
            messages.error(
                request, "Valkey does not answer. The ledger rings by itself as soon as it does."
            )
        else:
            tell_done(request, due, f"Rang again; jobs that wait for a worker: {due}.")
        return HttpResponseRedirect(reverse(f"admin:{NAME}"))
    intro = (
        f"Jobs that wait for a worker: {Job.objects.due().count()}. A worker is told of each of "
        "them once more. The ledger does this by itself every few seconds; a job that a worker "
        "has already is not started twice."
    )
    return _confirm(request, "Ring again for all waiting jobs", intro)


@page("Empty the queue", route="jobs/queue/empty/", name="jobs_queue_empty", permission=LOOK)
def empty_view(request: HttpRequest) -> HttpResponse:
    """Ask, then remove all entries of the queue; for superusers."""
    if not _may_empty(request):
        raise PermissionDenied
    if request.method == "POST":
        try:
            removed = queue.empty()
        except Refusal as refusal:
            messages.error(request, str(refusal))
        else:
            tell_done(
                request,
                removed,
                f"Entries removed: {removed}. The ledger rings again for each job that waits.",
            )
        return HttpResponseRedirect(reverse(f"admin:{NAME}"))
    found = queue.look()
    intro = (
        f"Entries that wait: {_shown(found.waiting)}; that failed: {_shown(found.failed)}. All of "
        "them are removed from Valkey, whatever they are. No job is lost: the ledger rings again "
        "for each one that waits, as long as a scheduler or a worker runs."
    )
    return _confirm(request, "Empty the queue", intro)


def _may_empty(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _shown(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _confirm(request: HttpRequest, title: str, intro: str) -> HttpResponse:
    context = {
        **_context(request, title),
        "intro": intro,
        "form": forms.Form(),
        "back_url": reverse(f"admin:{NAME}"),
    }
    return TemplateResponse(request, "components/confirm.html", context)


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    return {**admin.site.each_context(request), "opts": Job._meta, "title": title}
