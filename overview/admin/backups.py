"""The page that says when the last backup was made, and starts one."""

from typing import Final

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from overview.queries.backups import BACKUP_KIND, BackupState, describe_backups
from project import words
from project.jobs.starts import start_kind
from project.pages.navigation import Entry, add_entries
from project.pages.registry import page

ROUTE: Final = "overview_backups"
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
    """Say when the last backup was made; posting makes one, in a job."""
    state = describe_backups()
    return start_kind(
        request,
        BACKUP_KIND,
        then=reverse(f"admin:{ROUTE}"),
        given={} if state["keep"] is None else {"keep": state["keep"]},
        context={
            **admin.site.each_context(request),
            "title": "Backups",
            "intro": " ".join(_sentences(state)),
            "back_url": reverse("admin:index"),
        },
    )


def _sentences(state: BackupState) -> list[str]:
    last, said = state["last"], []
    if not settings.BACKUP_TO:
        said.append(
            "No place for backups is named: whoever runs Seedbed sets SEEDBED_BACKUP_TO to a "
            "folder or bucket outside the store, or makes them with manage.py backup."
        )
    if last is None:
        said.append("No job has made a backup yet.")
    else:
        said.append(
            f"The last one was made at {words.moment(last['made_at'])}: "
            f"{words.size(last['bytes'])} in {words.counted(last['files'], 'file')}, in "
            f"{words.duration(last['seconds'])}, at {last['place']}."
        )
    if state["failed"]:
        said.append(f"A later one was not made: {state['failed']}")
    if state["next_at"] is not None:
        said.append(
            f"The next one is due at {words.moment(state['next_at'])}; the newest {state['keep']} "
            "stay."
        )
    else:
        said.append("None is planned: a schedule or manage.py backup --every 1 --keep 7 does.")
    said.append(
        "A backup holds the database and every file that a record names, no secrets. It is "
        "restored with manage.py restore."
    )
    return said
