"""Erases those again who come back with a backup that is older than their erasure."""

from datetime import datetime

from matching.models import SeedUser
from matching.queries.erasing import (
    ERASE_KIND,
    ERASED_SINCE_BACKUP,
    active_erasure,
    person_called,
)
from project.acting import operator
from project.backup.making import Tell, say_nothing
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.refusal import Refusal
from project.removal.digests import Remembered
from project.removal.erasing import all_ids


def erase_again(*, since: datetime, tell: Tell = say_nothing) -> set[str]:
    """Erase everybody whose digest stands in the store from after a moment; returns their ids.

    Who is known from logs and answers alone becomes a person without a profile, who is erased.

    Raises
    ------
    Refusal : one could not be erased; the restore is not whole.
    """
    remembered = Remembered(since)
    if not len(remembered):
        return set()
    found = {name for name in set(all_ids()) if remembered.holds(name)}
    for number, name in enumerate(sorted(found)):
        tell("Erasing people again", number, len(found))
        _erase(name)
    return found


def _erase(name: str) -> None:
    person = person_called(name)
    if person is None and not _is_left(name):
        return  # it went with another id of the same person
    if person is None:
        person = SeedUser.objects.create(external_id=name)
    job = active_erasure(person.pk) or enqueue(
        ERASE_KIND, by=operator(), ring_bell=False, number=person.pk, why=ERASED_SINCE_BACKUP
    )
    run_job(str(job.pk))
    job.refresh_from_db()
    if job.state != Job.State.SUCCEEDED:
        raise Refusal(
            f"A person who was erased after this backup could not be erased again: {job.error}",
            remedy="Do what that says, and restore again.",
        )


def _is_left(name: str) -> bool:
    return name in set(all_ids())
