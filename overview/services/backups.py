"""Backups by schedule: a folder or prefix for each, and how many of them stay."""

import re
from datetime import datetime
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from overview.queries.backups import BACKUP_KIND, SCHEDULE_NAME, sample_champion
from project import words
from project.audit.models import Act
from project.audit.services import record
from project.backup import places
from project.backup.failures import BackupBroken, BackupRefused
from project.backup.making import Tell, make_backup
from project.backup.manifest import Manifest, has_manifest, read_manifest
from project.jobs.models import Schedule
from project.jobs.services import switch_schedule_off, switch_schedule_on
from project.storage.installation import this_owner
from project.storage.place import Place

DAY_SECONDS: Final = 86_400
DEFAULT_KEEP: Final = 7
MOST_KEPT: Final = 10_000
NAME: Final = re.compile(r"(?P<installation>[0-9a-f]{8})-\d{8}T\d{12}Z-[0-9a-f]{8}")


def require_backup_place() -> None:
    """See that SEEDBED_BACKUP_TO names a place outside the store.

    Raises
    ------
    BackupRefused : it does not.
    """
    if not settings.BACKUP_TO:
        raise BackupRefused(
            "No place for scheduled backups is named.",
            remedy="Set SEEDBED_BACKUP_TO to a folder or bucket outside the store, for every web "
            "server, worker and scheduler.",
        )
    places.open_place(settings.BACKUP_TO, "backup")


def make_named_backup(*, asked_at: datetime, job: str, tell: Tell) -> tuple[str, Place, Manifest]:
    """Make the backup of a job below SEEDBED_BACKUP_TO; one that it made already is that one.

    Returns
    -------
    Its name there, its place and its manifest.
    """
    require_backup_place()
    installation = str(this_owner().installation)[:8]
    name = f"{installation}-{asked_at:%Y%m%dT%H%M%S%fZ}-{job[:8]}"
    place = places.open_place(settings.BACKUP_TO, name)
    if has_manifest(place):  # the worker died just after its end
        return name, place, read_manifest(place)
    manifest = make_backup(place, sample=sample_champion, job=job, tell=tell)
    note_backup(place, manifest)
    return name, place, manifest


def note_backup(place: Place, manifest: Manifest) -> None:
    """Add the audit line of a backup: it holds everything that there is."""
    record(
        Act.EXPORT,
        title=f"Backup {manifest.id}",
        detail=f"{words.tally(len(manifest.files), 'file')}, "
        f"{words.tally(manifest.size, 'byte')}, to {place.title}"
        + (", with secrets" if manifest.has_secrets else ""),
    )


def remove_old_backups(keep: int, *, newest: str) -> list[str]:
    """Remove all but the newest backups of this installation below SEEDBED_BACKUP_TO.

    Only after the manifest of `newest` stands, and only what carries our name: those with a
    manifest that we have signed, beyond the number, and what an earlier one was interrupted at.

    Returns
    -------
    The names of those that were removed.
    """
    root = places.open_place(settings.BACKUP_TO)
    if not has_manifest(places.open_place(settings.BACKUP_TO, newest)):
        raise BackupBroken("The new backup has no manifest.", remedy="Run the job again.")
    installation = str(this_owner().installation)
    names = {
        name
        for key in places.keys_in(root)
        if (name := key.partition("/")[0])
        and (found := NAME.fullmatch(name))
        and found["installation"] == installation[:8]
    }
    whole, begun = [], []
    for name in names:
        place = places.open_place(settings.BACKUP_TO, name)
        if not has_manifest(place):
            begun.append(name)
            continue
        try:
            manifest = read_manifest(place)
        except BackupBroken:
            continue  # signed by nobody we know: it is not ours to remove
        if str(manifest.installation) == installation:
            whole.append((manifest.made_at, name))
    old = [name for _, name in sorted(whole, reverse=True)[keep:] if name != newest]
    # Names sort by when they were asked for: a later one may still be in the making.
    old += [name for name in begun if name < newest]
    for name in sorted(old):
        places.discard(places.open_place(settings.BACKUP_TO, name))
    return sorted(old)


@transaction.atomic
def switch_on(*, owner: User, days: int, keep: int) -> Schedule:
    """Make a backup every so many days with the rights of `owner`, and keep the newest.

    Raises
    ------
    Refusal
        For an owner who may not, or where no place is named.
    """
    require_backup_place()
    schedule = switch_schedule_on(
        SCHEDULE_NAME,
        BACKUP_KIND,
        owner=owner,
        seconds=days * DAY_SECONDS,
        default_seconds=DAY_SECONDS,
        does="make backups",
    )
    schedule.arguments = {"keep": keep}
    schedule.full_clean()
    schedule.save()
    return schedule


def switch_off() -> Schedule | None:
    """Make no more backups by itself; returns None where it never did."""
    return switch_schedule_off(SCHEDULE_NAME)
