"""What keeps the store in order: files of earlier places come in, and what no row names goes.

Both can be ended anywhere and begun again, and any number of processes may try at once.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, TypedDict

from django.db import connection, transaction

from project import clock
from project.storage.artifacts import blobs_of, require_own_folder
from project.storage.blobs import (
    BLOBS,
    Blob,
    has_earlier,
    keep_file,
    key_of,
    local_path,
    lock_number,
    the_cache,
    the_store,
)
from project.storage.failures import ArtifactCorrupt, ArtifactUnreadable
from project.storage.models import Installation
from project.storage.place import Listed
from project.storage.records import models_with_files, named_alone, named_digests
from project.storage.staging import sweep

logger = logging.getLogger(__name__)
KEPT: Final = timedelta(days=1)  # a file that no row names, from when it was written
AT_ONCE: Final = 200  # files that are removed under one look at all rows
TENDING_LOCK: Final = 0x5EEDF11E5  # any number that nothing else locks
NAMED: Final = 20  # files that are named; the counts are of all


class Tended(TypedDict):
    """What was done; `is_busy` where another process is at it, and nothing was."""

    is_busy: bool
    files: int
    taken_over: int
    removed: int
    missing: list[str]


def tend_store() -> Tended:
    """Take over what lies in earlier places on this machine, and remove what no row names.

    Raises
    ------
    FolderDisagrees, StoreAway, StoreRefused : nothing was touched.
    """
    require_own_folder()
    with _alone() as is_alone:
        if not is_alone:
            return {"is_busy": True, "files": 0, "taken_over": 0, "removed": 0, "missing": []}
        sweep(the_store().staging_root)
        there = {one.key: one for one in the_store().listed(BLOBS)}
        taken, missing = _take_over(there)
        removed = _remove_unnamed(there.values())
        return {
            "is_busy": False,
            "files": len(there) + taken - removed,
            "taken_over": taken,
            "removed": removed,
            "missing": missing[:NAMED],
        }


def _take_over(there: dict[str, Listed]) -> tuple[int, list[str]]:
    """Copy into the store what rows name and only an earlier place has; say what nobody has."""
    taken, missing = 0, []
    done = set(there)
    for blob in named_blobs():
        if blob.key in done:
            continue
        done.add(blob.key)
        source = has_earlier(blob)
        if source is None:
            missing.append(blob.title)
            continue
        try:
            local_path(blob)
            with transaction.atomic():
                keep_file(source, blob.sha256)
            taken += 1
        except ArtifactUnreadable:
            raise
        except ArtifactCorrupt as error:
            logger.error("%s", error)
            missing.append(blob.title)
    return taken, missing


def named_blobs() -> Iterator[Blob]:
    """Yield the files of every record, one that several name as often."""
    for model in models_with_files():
        for record in model._default_manager.only("kind", "version", "files").iterator():
            yield from blobs_of(record.folder, record.files)  # type: ignore[attr-defined]
    yield from named_alone()


def remove_unnamed_now() -> int | None:
    """Remove at once whatever no row names, and copies of it on this machine; returns how many.

    For who has just put others in the place of files that must not be there any more. What
    somebody is about to name is held by a lock and stays. None where another process tends the
    store, or copies it for a backup: then nothing was done, and it is to be asked again.

    Raises
    ------
    FolderDisagrees, StoreAway, StoreRefused : some may be there still; ask again.
    """
    require_own_folder()
    with _alone() as is_alone:
        if not is_alone:
            return None
        sweep(the_store().staging_root)
        removed = _remove_unnamed(the_store().listed(BLOBS), at_once=True)
        the_cache().keep_only(named_digests())
        return removed


def _remove_unnamed(there: Iterable[Listed], *, at_once: bool = False) -> int:
    named = named_digests()
    # A place has a clock of its own: of what goes at once none is too young.
    until = clock.now() + KEPT if at_once else clock.now() - KEPT
    adopted_at = Installation.objects.values_list("adopted_at", flat=True).first()
    old = [
        digest
        for one in there
        if (digest := one.key.rpartition("/")[2]) not in named
        and key_of(digest) == one.key
        and _may_go(one.written_at, until, adopted_at)
    ]
    return sum(_removed(old[start : start + AT_ONCE]) for start in range(0, len(old), AT_ONCE))


def _may_go(written_at: datetime, until: datetime, adopted_at: datetime | None) -> bool:
    """Whether a file that no row names is old enough, and not of who had the store before."""
    return written_at < until and (adopted_at is None or written_at > adopted_at)


@transaction.atomic
def _removed(digests: Iterable[str]) -> int:
    """Remove those that nobody is about to name: a writer holds what it looks for.

    The rows are asked after the locks are ours, so that what committed before is seen.
    """
    ours = [digest for digest in digests if _is_locked(digest)]
    named = named_digests()
    going = [digest for digest in ours if digest not in named]
    for digest in going:
        the_store().remove(key_of(digest))
    return len(going)


def _is_locked(digest: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_number(digest)])
        return bool(cursor.fetchone()[0])


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other process tends the store of this database now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [TENDING_LOCK])
        is_alone = bool(cursor.fetchone()[0])
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [TENDING_LOCK])
