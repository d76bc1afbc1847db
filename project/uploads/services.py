"""Keeps what is handed over for a job, and removes it when it was used or nobody came for it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple
from uuid import UUID

from django.db import transaction

from project import clock
from project.acting import Actor, current_actor
from project.refusal import Refusal
from project.storage.artifacts import require_own_folder
from project.storage.blobs import is_there, keep_file, keep_known, local_path, the_store
from project.storage.failures import ArtifactMissing
from project.storage.staging import staged
from project.tabular.packed import is_packed, unpacked
from project.uploads.models import NAME_LENGTH, Upload

KEEP = timedelta(days=7)  # an upload that no job has used


class Copied(NamedTuple):
    """The digest and size of what was copied."""

    sha256: str
    size: int


def keep_upload(stream: IO[bytes], name: str, *, by: Actor | None = None) -> Upload:
    """Stream a file, unpacked, into the store; returns its record.

    What is in the store already is not written again, and needs no room on the disk.

    Raises
    ------
    Unpackable
        When it cannot be unpacked or is too large.
    Refusal
        When the store is another installation's, or does not answer.
    """
    actor = by or current_actor()
    require_own_folder()
    known = _read_ahead(stream)
    if known is not None:
        with transaction.atomic():
            if keep_known(known.sha256, known.size):
                return _create(known, name, actor)
    with staged(the_store().staging_root) as folder:
        path = folder / "upload"
        path.touch(mode=0o600)
        with path.open("wb") as target:
            copied = copy_unpacked(stream, target)
        with transaction.atomic():
            keep_file(path, copied.sha256, may_move=True)
            return _create(copied, name, actor)


def copy_unpacked(stream: IO[bytes], target: IO[bytes]) -> Copied:
    """Copy a stream, unpacked, and return the SHA-256 and size of what was written."""
    digest, size = hashlib.sha256(), 0
    for block in unpacked(stream):
        digest.update(block)
        target.write(block)
        size += len(block)
    return Copied(digest.hexdigest(), size)


def shown_name(name: str) -> str:
    """Return what a person called a file, without folders and what PostgreSQL does not take."""
    text = name.encode("utf-8", "backslashreplace").decode().replace("\0", "")
    return Path(text.replace("\\", "/")).name[-NAME_LENGTH:] or "file"


def find_upload(upload_id: UUID, actor: Actor) -> Upload | None:
    """Return an upload that this actor may use: an own one, or any for a superuser or operator."""
    upload = Upload.objects.filter(pk=upload_id, expires_at__gt=clock.now()).first()
    if upload is None or not is_there(upload.blob):
        return None
    if actor.user is None:
        return upload if actor.is_operator else None
    is_own = actor.user.is_superuser or upload.user_id == actor.user.pk
    return upload if is_own else None


def get_upload(upload_id: UUID) -> Upload:
    """Return the upload that a job was given; refuses when it is not there any more."""
    upload = Upload.objects.filter(pk=upload_id).first()
    if upload is None or not is_there(upload.blob):
        raise _gone("The file" if upload is None else upload.name)
    return upload


def path_of(upload: Upload) -> Path:
    """Return a file of this machine with the bytes of an upload, verified; refuses when they are
    not there any more."""
    try:
        return local_path(upload.blob)
    except ArtifactMissing as error:
        raise _gone(upload.name) from error


@contextmanager
def open_upload(upload: Upload) -> Iterator[BinaryIO]:
    """Open the bytes of an upload; refuses when they are not there any more."""
    with path_of(get_upload(upload.pk)).open("rb") as stream:
        yield stream


def release_upload(upload: Upload) -> None:
    """Forget an upload; its bytes go when no other row has named them for a day."""
    Upload.objects.filter(pk=upload.pk).delete()
    if upload.blob.earlier is not None:
        upload.blob.earlier.unlink(missing_ok=True)


def sweep_uploads() -> int:
    """Forget uploads that nobody came for; returns how many."""
    expired = list(Upload.objects.filter(expires_at__lte=clock.now()))
    for upload in expired:
        release_upload(upload)
    return len(expired)


def _read_ahead(stream: IO[bytes]) -> Copied | None:
    """Return the digest and size of a file that can be read twice; None of a pipe, and of a pack,
    which would be unpacked twice."""
    if not stream.seekable() or is_packed(stream):
        return None
    start = stream.tell()
    with open(os.devnull, "wb") as nowhere:
        copied = copy_unpacked(stream, nowhere)
    stream.seek(start)
    return copied


def _create(copied: Copied, name: str, actor: Actor) -> Upload:
    return Upload.objects.create(
        sha256=copied.sha256,
        size=copied.size,
        name=shown_name(name),
        actor=actor.name,
        user=actor.user,
        expires_at=clock.now() + KEEP,
    )


def _gone(named: str) -> Refusal:
    return Refusal(
        f"{named} is not there any more: uploads are kept for {KEEP.days} days, or until their job "
        "is done.",
        remedy="Import the file again.",
    )
