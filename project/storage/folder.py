"""A folder as the place of files: named by a link, which fails where the name is taken."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from project.storage.failures import (
    RESTORE,
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactUnreadable,
    ArtifactUnwritable,
    KeyTaken,
)
from project.storage.place import PIECE_BYTES, Content, Listed, Stamp
from project.storage.staging import staged, sync_folder

# Of a file system that has no links, or where a link would lead into another one.
NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class Folder:
    """Files below one folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def title(self) -> str:
        return str(self._root)

    @property
    def staging_root(self) -> Path:
        return self._root

    def name(self, key: str) -> str:
        return str(self.path(key))

    def path(self, key: str) -> Path:
        """Return where a key is."""
        return self._root / key

    def create(self, key: str, content: Content) -> None:
        target = self.path(key)
        try:
            if isinstance(content, Path) and self._linked(content, target):
                return
            with staged(self._root) as staging:
                fresh = _written(staging / "file", content)
                self._make_room_for(target)
                # A link fails when another process was first, and never shows half a file.
                target.hardlink_to(fresh)
            sync_folder(target.parent)
        except FileExistsError:
            raise KeyTaken(key) from None
        except OSError as error:
            raise ArtifactUnwritable(target, error) from error

    def replace(self, key: str, content: Content) -> None:
        target = self.path(key)
        try:
            with staged(self._root) as staging:
                fresh = _written(staging / "file", content)
                self._make_room_for(target)
                fresh.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise ArtifactUnwritable(target, error) from error

    def stamp(self, key: str, *, is_fresh: bool = False) -> Stamp:
        with open_plain(self.path(key)) as file:
            return stamp_of(file)

    def pieces(self, key: str) -> Iterator[bytes]:
        with open_plain(self.path(key)) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def listed(self, beginning: str) -> Iterator[Listed]:
        for folder, _, names in os.walk(self._root / beginning):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    found = path.lstat()
                    yield Listed(
                        str(path.relative_to(self._root)),
                        found.st_size,
                        datetime.fromtimestamp(found.st_mtime, UTC),
                    )

    def remove(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    def _make_room_for(self, target: Path) -> None:
        """Make the folders of a file, each for its owner alone."""
        steps = target.relative_to(self._root).parents
        for step in reversed(steps):
            (self._root / step).mkdir(mode=0o700, parents=True, exist_ok=True)

    def _linked(self, source: Path, target: Path) -> bool:
        """Name a file that is here already; False where the system cannot, and it is copied."""
        with source.open("rb") as file:
            os.fsync(file.fileno())
        self._make_room_for(target)
        try:
            target.hardlink_to(source)
        except OSError as error:
            if error.errno in NO_LINKS:
                return False
            raise
        sync_folder(target.parent)
        return True


def _written(path: Path, content: Content) -> Path:
    with path.open("xb") as file:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, file, PIECE_BYTES)
        else:
            for piece in (content,) if isinstance(content, bytes) else content:
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return path


def stamp_of(file: BinaryIO) -> Stamp:
    """Return the stamp of an open file."""
    found = os.fstat(file.fileno())
    return Stamp(found.st_ino, found.st_size, found.st_ctime_ns)


@contextlib.contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is a file: a link could lead to what nobody signed."""
    try:
        # Without blocking: opening a pipe would wait for somebody to write.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _not_opened(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactCorrupt(f"{path} is not a regular file.", remedy=RESTORE)
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file
        except OSError as error:  # a broken disk, a share that went away
            raise _not_opened(path, error) from error


def _not_opened(path: Path, error: OSError) -> ArtifactCorrupt:
    if path.is_symlink():
        return ArtifactCorrupt(f"{path} is a link.", remedy=RESTORE)
    if isinstance(error, FileNotFoundError):
        return ArtifactMissing(f"{path} is gone.", remedy=RESTORE)
    return ArtifactUnreadable(
        f"{path} cannot be read ({error.strerror}).",
        remedy=f"Give the user that runs Seedbed (uid {os.geteuid()}) the right to read it.",
    )
