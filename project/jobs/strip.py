"""The strip of running jobs on every page, and what has become of those that somebody watches."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.core.cache import cache
from django.http import HttpRequest
from django.template.loader import render_to_string

from project import words
from project.jobs.contract import title_of
from project.jobs.models import Job
from project.jobs.presentation import headline
from project.pages.links import record_url
from project.pages.navigation import Navigation, add_to_pages, forget_numbers

KEPT_SECONDS: Final = 2
CACHE_KEY: Final = "seedbed:running"
KNOWN: Final = "running_jobs"  # on a request whose page has asked for them
AT_MOST = 100  # active jobs that are looked at for everybody
SHOWN = 3  # of them on a page, this person's own first
WATCHED = 20  # jobs that a page may ask about
COLUMNS = (
    *("id", "kind", "state", "user_id", "actor", "created_at", "started_at", "finished_at"),
    *("stages", "share_done", "progress_done", "progress_total", "said"),
)
NUMBER = "jobs_job_changelist"  # what the navigation counts of active jobs


def running_jobs(request: HttpRequest) -> list[Job]:
    """Return the active jobs that this person sees: their own, first, and of others by right."""
    active: list[Job] | None = getattr(request, KNOWN, None)
    if active is None:
        active = cache.get_or_set(CACHE_KEY, _active, KEPT_SECONDS) or []
    mine = [job for job in active if job.user_id == request.user.pk]
    if not sees_jobs(request):
        return mine
    return [*mine, *(job for job in active if job.user_id != request.user.pk)]


def keep_running(request: HttpRequest, active: list[Job]) -> None:
    """Save the strip of a page its question: all active jobs are known there."""
    setattr(request, KNOWN, active)


def _active() -> list[Job]:
    return list(Job.objects.active().only(*COLUMNS).order_by("-created_at")[:AT_MOST])


def sees_jobs(request: HttpRequest) -> bool:
    """Whether this person may open the page of a job."""
    return request.user.has_perm("jobs.view_job") or request.user.has_perm("jobs.change_job")


def forget_running() -> None:
    """Let the next page ask anew: a job was started."""
    cache.delete(CACHE_KEY)
    forget_numbers()


@add_to_pages("running")
def strip_of_page(request: HttpRequest, navigation: Navigation) -> dict[str, Any]:
    """Return what every page shows of running jobs; asks nothing where none is counted."""
    jobs = running_jobs(request) if navigation.number(NUMBER) else []
    return {
        "html": strip_html(request, jobs),
        "mine": ",".join(str(job.pk) for job in jobs if job.user_id == request.user.pk),
    }


def strip_html(request: HttpRequest, jobs: list[Job]) -> str:
    """Return the strip's rows as HTML; empty where nothing runs."""
    if not jobs:
        return ""
    may_open = sees_jobs(request)
    rows = [
        {
            "job": job,
            "title": title_of(job.kind),
            "url": record_url(job) if may_open else "",
            "by": "" if job.user_id == request.user.pk else job.actor,
            "stage": next((s["name"] for s in job.stages if s.get("state") == "running"), ""),
            "left": "" if job.seconds_left is None else words.duration(round(job.seconds_left)),
        }
        for job in jobs[:SHOWN]
    ]
    more = len(jobs) - len(rows)
    context = {"rows": rows, "more": more, "may_open": may_open}
    return render_to_string("jobs/strip.html", context)


def watched_jobs(request: HttpRequest) -> list[Job]:
    """Return this person's own jobs of those that a page asks about by their ids."""
    asked = request.GET.get("watched", "").split(",")[:WATCHED]
    ids = [UUID(text) for text in asked if _is_id(text)]
    return list(Job.objects.filter(pk__in=ids, user=request.user.pk)) if ids else []


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def notices(request: HttpRequest, jobs: Iterable[Job]) -> list[dict[str, str]]:
    """Return what to tell a person of their jobs that have ended."""
    may_open = sees_jobs(request)
    told = []
    for job in jobs:
        said = headline(job)
        url = record_url(job) if may_open else ""
        told.append(
            {
                "text": said["text"],
                "url": url,
                "html": render_to_string("jobs/notice.html", {**said, "url": url}),
            }
        )
    return told
