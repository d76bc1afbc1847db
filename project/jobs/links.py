"""Links from anywhere in the admin to the page of a job."""

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from project.jobs.contract import title_of
from project.jobs.models import Job
from project.jobs.processes import has_worker
from project.jobs.strip import forget_running
from project.pages.links import record_link


def job_link(job: Job) -> SafeString:
    """Return the job's title and short id as a link to its page."""
    return record_link(job, f"{title_of(job.kind)} {job.short_id}")


def message_job(request: HttpRequest, job: Job) -> None:
    """Tell the person who started a job where to follow it; the strip shows it at once."""
    forget_running()
    messages.info(  # nothing is done yet
        request, format_html("Started: {}. Its page shows how far it is.", job_link(job))
    )
    if not has_worker():
        messages.warning(
            request,
            "No worker is running, so it waits until whoever runs Seedbed starts one.",
        )
