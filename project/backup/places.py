"""Where backups lie: a folder or a bucket, never inside the store that they are backups of."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from project.backup.failures import BackupRefused
from project.backup.manifest import MANIFEST, File
from project.storage.bucket import WHOLE_BYTES, Bucket
from project.storage.folder import Folder
from project.storage.place import Place
from project.store_url import BucketUrl, FolderUrl, UnusableStoreUrl, read_store_url

NOWHERE = Path("/dev/null/nowhere")  # what an address that names no folder comes to


def open_place(address: str, name: str = "") -> Place:
    """Return what an address names (a path, file:///folder, s3://bucket/prefix?endpoint=...), or
    the folder `name` below it.

    Raises
    ------
    BackupRefused : it names nothing, or a place inside the store.
    """
    place = _read(address)
    store = read_store_url(settings.STORE_URL, Path(settings.ARTIFACT_ROOT))
    if isinstance(place, FolderUrl):
        folder = place.folder / name if name else place.folder
        if isinstance(store, FolderUrl) and _is_inside(folder, store.folder):
            raise _inside(str(folder))
        if os.path.lexists(folder) and not folder.is_dir():
            raise BackupRefused(
                f"A folder is expected, or a name that is free, and {folder} is something else.",
                remedy="Name another.",
            )
        return Folder(folder)
    bucket = replace(place, prefix="/".join(filter(None, (place.prefix, name))))
    if isinstance(store, BucketUrl) and (store.bucket, store.endpoint) == (
        bucket.bucket,
        bucket.endpoint,
    ):
        ours, theirs = f"{store.prefix}/".lstrip("/"), f"{bucket.prefix}/".lstrip("/")
        if theirs.startswith(ours) or ours.startswith(theirs):
            raise _inside(str(bucket))
    return Bucket(bucket, Path(settings.CACHE_ROOT))


def keys_in(place: Place) -> dict[str, int]:
    """Return every key of a place with its size; what begins with a dot is somebody's half-made."""
    return {
        one.key: one.size
        for one in place.listed("")
        if not any(step.startswith(".") for step in one.key.split("/"))
    }


def digest_in(place: Place, key: str) -> File:
    """Read a file of a place; returns what its bytes are."""
    return digest_of(place.pieces(key))


def digest_of(pieces: Iterator[bytes]) -> File:
    """Return what some bytes are."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return File(digest.hexdigest(), size)


def write(place: Place, key: str, pieces: Iterator[bytes], *, size: int | None) -> File:
    """Copy pieces to a key, whatever is there; returns what was written, by its digest.

    Never by a link: a backup that shares its bytes with the store loses what that loses.
    """
    digest, count = hashlib.sha256(), 0

    def passed() -> Iterator[bytes]:
        nonlocal count
        for piece in pieces:
            digest.update(piece)
            count += len(piece)
            yield piece

    is_small = size is not None and size <= WHOLE_BYTES
    content = b"".join(passed()) if is_small and isinstance(place, Bucket) else passed()
    place.replace(key, content)
    return File(digest.hexdigest(), count)


def discard(place: Place) -> None:
    """Remove a backup: its manifest first, so that what is left of it is none."""
    place.remove(MANIFEST)
    for key in keys_in(place):
        place.remove(key)
    if isinstance(place, Folder):
        with contextlib.suppress(OSError):
            shutil.rmtree(place.title)


def _read(address: str) -> FolderUrl | BucketUrl:
    if "://" not in address:
        if not address:
            raise BackupRefused("No folder or address is named.", remedy="Name one.")
        return FolderUrl(Path(os.path.abspath(Path(address).expanduser())))  # noqa: PTH100 - links stay
    said = ""
    try:
        found = read_store_url(address, NOWHERE)
    except UnusableStoreUrl as error:
        said = f" {error}"
    else:
        if found != FolderUrl(NOWHERE):
            return found
    raise BackupRefused(
        f"The address of the backup names no place.{said}",
        remedy="Name a folder, or s3://bucket/prefix?endpoint=https://host:port.",
    )


def _is_inside(folder: Path, store: Path) -> bool:
    ours, theirs = store.resolve(), folder.resolve()
    return ours == theirs or ours in theirs.parents or theirs in ours.parents


def _inside(where: str) -> BackupRefused:
    return BackupRefused(
        f"{where} and the store of this installation lie in one another: what loses the one would "
        "lose the other.",
        remedy="Name another folder, best on another disk or machine.",
    )
