"""Files by digest in the one store of an installation: kept once, verified when they are read.

The order is always: the bytes, then the row that names them, in one transaction. A writer holds the
digest with a shared lock of PostgreSQL from before it looks whether the bytes are there until its
transaction ends; whoever sweeps needs it alone. So what a row is about to name is never removed.
"""

import contextlib
import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from django.conf import settings
from django.db import connection

from project import words
from project.storage.bucket import Bucket
from project.storage.cache import Cache
from project.storage.failures import (
    RESTORE,
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactUnreadable,
    ArtifactUnwritable,
    KeyTaken,
    StoreAway,
    StoreRefused,
)
from project.storage.folder import Folder, open_plain, stamp_of
from project.storage.place import PIECE_BYTES, Place, Stamp
from project.storage.staging import staged
from project.store_url import FolderUrl, read_store_url

BLOBS: Final = "blobs/"
ERASED: Final = "erased/"  # digests of people who were erased: in no backup, and no row names them


@dataclass(frozen=True)
class Blob:
    """One file that a row names.

    Attributes
    ----------
    sha256 : of its bytes, in hexadecimal digits.
    title : what people call it, for what is said of it.
    size : bytes; None where the row does not keep it.
    earlier : where an edition before the store put it on this machine; None where none did.
    """

    sha256: str
    title: str
    size: int | None = None
    earlier: Path | None = None

    @property
    def key(self) -> str:
        """Its name in the store."""
        return key_of(self.sha256)


def key_of(sha256: str) -> str:
    """Return the name of a digest in the store."""
    return f"{BLOBS}{sha256[:2]}/{sha256}"


def the_store() -> Place:
    """Return the store of this installation: SEEDBED_STORE_URL, else a folder of SEEDBED_VAR."""
    return _place(settings.STORE_URL, Path(settings.ARTIFACT_ROOT), Path(settings.CACHE_ROOT))


def the_cache() -> Cache:
    """Return the copies of this machine; used only where the store is a bucket."""
    return _cache(Path(settings.CACHE_ROOT), settings.CACHE_BYTES)


@lru_cache(8)
def _place(url: str, default: Path, cache_root: Path) -> Place:
    known = read_store_url(url, default)
    return Folder(known.folder) if isinstance(known, FolderUrl) else Bucket(known, cache_root)


@lru_cache(8)
def _cache(root: Path, most_bytes: int) -> Cache:
    return Cache(root, most_bytes)


# Of files that this process has read from here to there: while the stamp is the same, so are they.
_verified: dict[Path, tuple[str, Stamp]] = {}
MOST_VERIFIED: Final = 4096


def hold(sha256: str) -> None:
    """Keep whoever sweeps from a digest until the transaction that names it has ended."""
    if not connection.in_atomic_block:
        raise RuntimeError("A file is kept in the transaction of the row that names it.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [lock_number(sha256)])


def lock_number(sha256: str) -> int:
    """Return the number of the lock of a digest: its first 63 bits."""
    return int(sha256[:16], 16) >> 1


def keep_known(sha256: str, size: int) -> bool:
    """Whether these bytes are in the store, and held for the row that this transaction commits.

    Raises
    ------
    ArtifactUnreadable, StoreAway, StoreRefused : nobody knows.
    """
    hold(sha256)
    return _is_right(the_store(), key_of(sha256), sha256, size)


def keep_file(source: Path, sha256: str, *, may_move: bool = False) -> None:
    """Have a file of this digest in the store; one that is there already is read, and stays.

    In a folder it is read where anything shows that it is not the one that this process read last.

    The caller has computed the digest, and commits the row that names it in this transaction. With
    `may_move` the source may be gone afterwards.

    Raises
    ------
    ArtifactUnwritable, StoreAway, StoreRefused : nothing was kept.
    """
    size = source.stat().st_size
    if keep_known(sha256, size):
        return
    store, key = the_store(), key_of(sha256)
    try:
        store.create(key, source)
    except KeyTaken:  # by another writer of the same bytes, or by what has changed since
        if not _is_right(store, key, sha256, size):
            store.replace(key, source)
    if may_move and isinstance(store, Bucket):  # who has made it is likely to read it
        with contextlib.suppress(ArtifactCorrupt, ArtifactUnwritable):
            the_cache().take(sha256, source, changed_ns=store.stamp(key, is_fresh=True).changed_ns)


def keep_bytes(content: bytes) -> str:
    """Have some bytes in the store, as `keep_file`; returns the digest that the row is to name."""
    sha256 = hashlib.sha256(content).hexdigest()
    with staged(the_store().staging_root) as folder:
        source = folder / "file"
        source.write_bytes(content)
        keep_file(source, sha256, may_move=True)
    return sha256


def look(blob: Blob) -> Stamp:
    """See that a file is there and has its size, without reading it.

    Raises
    ------
    ArtifactCorrupt : ArtifactMissing, ArtifactUnreadable, StoreAway, StoreRefused say which it is.
    """
    store = the_store()
    with _titled(blob):
        try:
            found = store.stamp(blob.key)
        except ArtifactMissing:
            earlier = _earlier(store, blob)
            if earlier is None:
                raise
            with open_plain(earlier) as file:
                found = stamp_of(file)
        except StoreAway:
            copy = the_cache().size(blob.sha256), the_cache().changed_ns(blob.sha256)
            if None in copy:
                raise
            found = Stamp(0, copy[0] or 0, copy[1] or 0)
        if blob.size is not None and found.size != blob.size:
            raise ArtifactCorrupt(
                f"{store.name(blob.key)} has changed since it was written: expected "
                f"{words.tally(blob.size, 'byte')}, found {found.size}.",
                remedy=RESTORE,
            )
    return found


def check(blob: Blob) -> None:
    """Read a file in the store itself, and see that it is the one that was written.

    Where it is in a bucket, a copy here stands for it that was made of this very object; so does
    one while the bucket does not answer.

    Raises
    ------
    ArtifactCorrupt : as `look`, and where its digest differs.
    """
    store = the_store()
    with _titled(blob):
        look(blob)
        if isinstance(store, Bucket):
            with contextlib.suppress(ArtifactMissing, StoreAway):
                stamp = store.stamp(blob.key, is_fresh=True)
                if the_cache().changed_ns(blob.sha256) != stamp.changed_ns:
                    the_cache().drop(blob.sha256)
        _require_digest(_path(store, blob), blob.sha256, is_fresh=True)


def read(blob: Blob) -> bytes:
    """Read a file once and return its bytes, if they are those that were written.

    Raises
    ------
    ArtifactCorrupt : as `check`.
    """
    store = the_store()
    with _titled(blob):
        path = _path(store, blob)
        with open_plain(path) as file:
            content = file.read()
        found = hashlib.sha256(content).hexdigest()
        if not hmac.compare_digest(found, blob.sha256):
            raise _differs(str(path), blob.sha256, found, len(content))
    return content


def local_path(blob: Blob) -> Path:
    """Return a verified file of this machine with these bytes; it stays while they are needed.

    It is read anew where anything shows that it is not the one that was read before.

    Raises
    ------
    ArtifactCorrupt : as `check`.
    """
    store = the_store()
    with _titled(blob):
        path = _path(store, blob)
        _require_digest(path, blob.sha256)
    return path


def pieces_of(blob: Blob) -> Iterator[bytes]:
    """Yield the bytes of a file as they are in the store; the caller compares their digest.

    Raises
    ------
    ArtifactCorrupt : ArtifactMissing, ArtifactUnreadable, StoreAway, StoreRefused say which it is.
    """
    store = the_store()
    with _titled(blob):
        look(blob)
        try:
            yield from store.pieces(blob.key)
        except ArtifactMissing:
            earlier = _earlier(store, blob)
            if earlier is None:
                raise
            with open_plain(earlier) as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece


def is_there(blob: Blob) -> bool:
    """Whether a file is there, with its size.

    Raises
    ------
    StoreAway, StoreRefused : nobody knows.
    """
    try:
        look(blob)
    except ArtifactUnreadable:
        raise
    except ArtifactCorrupt:
        return False
    return True


def has_earlier(blob: Blob) -> Path | None:
    """Return where an edition before the store has put a file on this machine, if it did."""
    return _earlier(the_store(), blob)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open_plain(path) as file:
        return _sha256(file)


def _path(store: Place, blob: Blob) -> Path:
    """Return where the bytes are on this machine; of a bucket they are fetched, and verified."""
    if isinstance(store, Folder):
        path = store.path(blob.key)
        return path if os.path.lexists(path) else _earlier(store, blob) or path
    cache = the_cache()
    copy = cache.hold(blob.sha256)
    if copy is not None:
        try:
            _require_digest(copy, blob.sha256)
            cache.mark_read(blob.sha256)
            return copy
        except ArtifactCorrupt:
            cache.drop(blob.sha256)
    try:
        return _fetched(store, blob)
    except ArtifactMissing:
        earlier = _earlier(store, blob)
        if earlier is None:
            raise
        return earlier


def _fetched(store: Place, blob: Blob) -> Path:
    cache, key = the_cache(), blob.key
    stamp = store.stamp(key, is_fresh=True)
    digest, size = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        try:
            path = stack.enter_context(cache.staged()) / "file"
            with path.open("xb") as file:
                for piece in store.pieces(key):
                    file.write(piece)
                    digest.update(piece)
                    size += len(piece)
        except OSError as error:
            raise ArtifactUnwritable(settings.CACHE_ROOT, error) from error
        if digest.hexdigest() != blob.sha256:
            raise _differs(store.name(key), blob.sha256, digest.hexdigest(), size)
        return cache.take(blob.sha256, path, changed_ns=stamp.changed_ns)


def _earlier(store: Place, blob: Blob) -> Path | None:
    """Return where a file is that nobody has taken over into this store yet."""
    places = [blob.earlier] if blob.earlier is not None else []
    default = Folder(Path(settings.ARTIFACT_ROOT))
    if store.title != default.title:  # the installation had the folder before
        places.insert(0, default.path(blob.key))
    return next((path for path in places if os.path.lexists(path)), None)


def _is_right(store: Place, key: str, sha256: str, size: int) -> bool:
    """Whether the bytes of this digest are there: what has changed since is written anew."""
    try:
        stamp = store.stamp(key, is_fresh=True)
        if stamp.size != size:
            return False
        if isinstance(store, Bucket) and the_cache().changed_ns(sha256) == stamp.changed_ns:
            return digest_of(the_cache().path(sha256)) == sha256
        if isinstance(store, Folder):
            _require_digest(store.path(key), sha256)
            return True
        digest = hashlib.sha256()
        for piece in store.pieces(key):
            digest.update(piece)
    except ArtifactUnreadable:
        raise
    except ArtifactCorrupt:
        return False
    return digest.hexdigest() == sha256


def _require_digest(path: Path, sha256: str, *, is_fresh: bool = False) -> None:
    with open_plain(path) as file:
        stamp = stamp_of(file)
        if not is_fresh and _verified.get(path) == (sha256, stamp):
            return
        found = _sha256(file)
    if not hmac.compare_digest(found, sha256):
        raise _differs(str(path), sha256, found, stamp.size)
    if len(_verified) >= MOST_VERIFIED:
        _verified.clear()
    _verified[path] = (sha256, stamp)


def _differs(place: str, expected: str, found: str, size: int) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"{place} has changed since it was written: expected SHA-256 {expected}, found {found} and "
        f"{words.tally(size, 'byte')}.",
        remedy=RESTORE,
    )


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def _titled(blob: Blob) -> Iterator[None]:
    """Say of what is wrong with a file what people call it."""
    try:
        yield
    except (StoreAway, StoreRefused):
        raise  # it says of the store what is wrong
    except ArtifactCorrupt as error:
        where = [the_store().name(blob.key), str(the_cache().path(blob.sha256))]
        where += [str(path) for path in (_earlier(the_store(), blob),) if path is not None]
        place = next((one for one in where if error.message.startswith(f"{one} ")), "")
        said = error.message.removeprefix(f"{place} ")
        about = f"{blob.title} {said} It belongs at {where[0]}." if place else error.message
        raise type(error)(about, remedy=error.remedy) from error
