"""The page that says when the last backup was made, and starts one."""

from typing import Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from overview.queries.backups import BACKUP_KIND, LastBackup, describe_backups
from project import words
from project.jobs.starts import start_kind
from project.pages.figures import KeyFigure
from project.pages.navigation import Entry, add_entries
from project.pages.registry import page

ROUTE: Final = "overview_backups"
START: Final = "overview_back_up"
PERMISSION: Final = "storage.make_backup"

add_entries(
    Entry(
        section="Administration",
        label="Backups",
        url_name=ROUTE,
        order=93,
        permissions=(PERMISSION,),
    )
)


@page("Backups", route="backups/", name=ROUTE, permission=PERMISSION)
def backups_page(request: HttpRequest) -> HttpResponse:
    """Say when the last backup was made, and when the next one is due."""
    state = describe_backups()
    may_plan = request.user.has_perm("jobs.add_schedule")
    context = {
        **admin.site.each_context(request),
        "title": "Backups",
        "state": state,
        "figures": _figures(state["last"]) if state["last"] else [],
        "start_url": reverse(f"admin:{START}") if state["place"] else "",
        "plan_url": f"{reverse('admin:jobs_schedule_add')}?kind={BACKUP_KIND}" if may_plan else "",
    }
    return TemplateResponse(request, "overview/backups.html", context)


@page("Back up now", route="backups/start/", name=START, permission=PERMISSION)
def start_view(request: HttpRequest) -> HttpResponse:
    """Ask how many stay, and make one in a job."""
    keep = describe_backups()["keep"]
    back = reverse(f"admin:{ROUTE}")
    return start_kind(
        request,
        BACKUP_KIND,
        then=back,
        given={} if keep is None else {"keep": keep},
        context={
            **admin.site.each_context(request),
            "title": "Back up now",
            "parent": {"title": "Backups", "url": back},
            "back_url": back,
        },
    )


def _figures(last: LastBackup) -> list[KeyFigure]:
    return [
        {"label": "Made", "value": words.moment(last["made_at"]), "note": last["name"]},
        {
            "label": "Size",
            "value": words.size(last["bytes"]),
            "note": words.counted(last["files"], "file"),
        },
        {"label": "Took", "value": words.duration(last["seconds"])},
    ]
