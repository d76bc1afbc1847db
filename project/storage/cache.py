"""Copies of blobs on this machine: verified when they come and when they are read, and bounded.

Any number of processes use one folder. Who reads a copy holds a shared lock on it; who makes room
removes the copies that were not read for longest and that nobody holds.
"""

import fcntl
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from project.storage.failures import ArtifactUnwritable
from project.storage.staging import staged

MARKED_SECONDS = 60  # how exactly it is known which copy was read last
HELD = 256  # copies that a process keeps from being removed, those that it opened last


class _Held(NamedTuple):
    descriptor: int
    path: Path


class Cache:
    """A folder of copies, each named by its digest."""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root, self._most_bytes = root, most_bytes
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.RLock()

    def path(self, sha256: str) -> Path:
        """Return where a copy is, or would be."""
        return self._root / "blobs" / sha256

    def hold(self, sha256: str) -> Path | None:
        """Return a copy that stays for as long as this process needs it; None where there is none.

        It stays until 256 others were asked for, or the process ends.
        """
        with self._lock:
            return self._hold(sha256)

    def take(self, sha256: str, source: Path, *, changed_ns: int) -> Path:
        """Move a verified file into the cache, on the same file system; returns it, held.

        `changed_ns` is when the original was written: a copy of another one shows by it.
        """
        path = self.path(sha256)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(source.stat().st_size)
            os.utime(source, ns=(time.time_ns(), changed_ns))
            source.replace(path)
        except OSError as error:
            raise ArtifactUnwritable(path, error) from error
        return self.hold(sha256) or path

    def changed_ns(self, sha256: str) -> int | None:
        """Return when the original of a copy was written; None where there is no copy."""
        try:
            return self.path(sha256).stat().st_mtime_ns
        except OSError:
            return None

    def size(self, sha256: str) -> int | None:
        """Return the size of a copy; None where there is none."""
        try:
            return self.path(sha256).stat().st_size
        except OSError:
            return None

    def mark_read(self, sha256: str) -> None:
        """Have a copy count as the one read last."""
        path = self.path(sha256)
        try:
            found = path.stat()
            # Not each time: it changes what shows that the copy is still the one that was read.
            if time.time_ns() - found.st_atime_ns > MARKED_SECONDS * 1_000_000_000:
                os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
        except OSError:
            return  # it went, or belongs to another user: then others go before it

    def drop(self, sha256: str) -> None:
        """Remove a copy that is not what it should be."""
        with self._lock:
            self._let_go(sha256)
        self.path(sha256).unlink(missing_ok=True)

    def keep_only(self, named: Collection[str]) -> None:
        """Remove the copies of everything else."""
        folder = self.path("")
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in named:
                self.drop(path.name)

    def staged(self) -> AbstractContextManager[Path]:
        """Give a folder on the same file system for what is to be taken."""
        return staged(self._root)

    def _hold(self, sha256: str) -> Path | None:
        path = self.path(sha256)
        if (known := self._held.get(sha256)) and _is_the_same(known.descriptor, path):
            self._held.move_to_end(sha256)
            return path
        while True:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                return None
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _is_the_same(descriptor, path):
                break
            os.close(descriptor)  # removed, or replaced, while we waited
        self._let_go(sha256)
        self._held[sha256] = _Held(descriptor, path)
        while len(self._held) > HELD:
            self._let_go(next(iter(self._held)))
        return path

    def _let_go(self, sha256: str) -> None:
        if (known := self._held.pop(sha256, None)) is not None:
            os.close(known.descriptor)

    def _make_room(self, needed: int) -> None:
        copies = []
        for path in self.path("").iterdir():
            try:
                found = path.stat()
            except OSError:
                continue
            copies.append((found.st_atime_ns, found.st_size, path))
        total = needed + sum(size for _, size, _ in copies)
        for _, size, path in sorted(copies):
            if total <= self._most_bytes:
                return
            if _removed_unless_held(path):
                total -= size


def _removed_unless_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def _is_the_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False
