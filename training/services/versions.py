"""Version numbers and the locks under which they are given out."""

import hashlib
import logging
import os
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Max

from project.acting import current_actor_name
from project.jobs.models import Job
from project.storage.artifacts import folder_path, remove_leftover
from training.models import Dataset, ModelVersion

logger = logging.getLogger(__name__)


def lock_kind(what: str, kind: str) -> None:
    """Hold `what` of one kind until the end of the transaction; others wait."""
    digest = hashlib.sha256(f"training.{what}:{kind}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], "big", signed=True)]
        )


Record = TypeVar("Record", Dataset, ModelVersion)


def claim_version(records: type[Record], kind: str) -> Record:
    """Return an unsaved record with the next version of its kind whose folder is free.

    The number is given out under a lock that lasts until the transaction ends, and the row is
    inserted in that transaction. What lies at a number is removed when it is proven to be what a
    run of ours left that died before its row; else the number is skipped, whosever it is.
    """
    lock_kind(records._meta.model_name or "", kind)
    version = records.objects.filter(kind=kind).aggregate(newest=Max("version"))["newest"] or 0
    while True:
        version += 1
        record = records(kind=kind, version=version)
        # Also a link that leads nowhere: somebody has put it there.
        if not os.path.lexists(folder_path(record.folder)):
            return record
        if remove_leftover(record.folder, is_run=_is_run):
            logger.info("%s was left by a run that died before its row: removed.", record.folder)
            return record


def _is_run(job_id: UUID) -> bool:
    return Job.objects.filter(pk=job_id).exists()


def actor_name(user: User | None) -> str:
    """Return the name that is kept with a decision: of an account, else of who acts here."""
    return current_actor_name() if user is None else user.get_username()
