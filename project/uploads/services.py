"""Keeps what is handed over for a job, and removes it when it was used or nobody came for it."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO, NamedTuple
from uuid import UUID

from project import clock
from project.acting import Actor, current_actor
from project.refusal import Refusal
from project.tabular.packed import unpacked
from project.uploads.models import NAME_LENGTH, Upload, store_folder

KEEP = timedelta(days=7)  # an upload that no job has used
INCOMING = "incoming-"  # the beginning of the name of a file that is being written


class Copied(NamedTuple):
    """The digest and size of what was copied."""

    sha256: str
    size: int


def keep_upload(stream: IO[bytes], name: str, *, by: Actor | None = None) -> Upload:
    """Stream a file, unpacked, into the store folder; returns its record.

    Raises
    ------
    Unpackable
        When it cannot be unpacked or is too large.
    """
    actor = by or current_actor()
    folder = store_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made with mode 0600 by the library.
    with NamedTemporaryFile(dir=folder, prefix=INCOMING, delete=False) as target:
        incoming = Path(target.name)
        try:
            fcntl.flock(target, fcntl.LOCK_EX)  # let go of by the system when this process ends
            copied = copy_unpacked(stream, target)
            target.flush()
            upload = Upload(
                sha256=copied.sha256,
                size=copied.size,
                name=shown_name(name),
                actor=actor.name,
                user=actor.user,
                expires_at=clock.now() + KEEP,
            )
            incoming.rename(upload.path)
            upload.save(force_insert=True)
            return upload
        finally:
            incoming.unlink(missing_ok=True)


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
    if upload is None or not upload.path.is_file():
        return None
    if actor.user is None:
        return upload if actor.is_operator else None
    is_own = actor.user.is_superuser or upload.user_id == actor.user.pk
    return upload if is_own else None


def get_upload(upload_id: UUID) -> Upload:
    """Return the upload that a job was given; refuses when it is not there any more."""
    upload = Upload.objects.filter(pk=upload_id).first()
    if upload is None or not upload.path.is_file():
        named = "The file" if upload is None else upload.name
        raise Refusal(
            f"{named} is not there any more: uploads are kept for {KEEP.days} days, or until "
            "their job is done.",
            remedy="Import the file again.",
        )
    return upload


@contextmanager
def open_upload(upload: Upload) -> Iterator[BinaryIO]:
    """Open the bytes of an upload; refuses when they are not there any more."""
    with get_upload(upload.pk).path.open("rb") as stream:
        yield stream


def release_upload(upload: Upload) -> None:
    """Forget an upload, and its bytes with it."""
    Upload.objects.filter(pk=upload.pk).delete()
    upload.path.unlink(missing_ok=True)


def sweep_uploads() -> int:
    """Remove uploads that nobody came for, and what writers that died left; returns how many."""
    expired = list(Upload.objects.filter(expires_at__lte=clock.now()))
    for upload in expired:
        release_upload(upload)
    folder = store_folder()
    for path in folder.glob(f"{INCOMING}*") if folder.is_dir() else ():
        _remove_left(path)
    return len(expired)


def _remove_left(path: Path) -> None:
    """Remove a half-written file whose writer is dead: the system has let go of its lock."""
    try:
        with path.open("rb") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:
        return  # it is being written, or was finished a moment ago
