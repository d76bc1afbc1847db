"""Folders in which files are made before they count; what a killed writer leaves is swept."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

STAGING_PREFIX = ".new-"
STAGING_SECONDS = 60.0  # between making its folder and locking it a writer needs far less


@contextlib.contextmanager
def staged(root: Path) -> Iterator[Path]:
    """Give a folder below `root` for files in the making; it is gone afterwards."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(root)
    staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=root))
    lock = os.open(staging, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held while we live: `sweep` leaves the folder alone
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


def sweep(root: Path) -> int:
    """Remove what writers that died left in a folder; returns how many there were."""
    swept = 0
    for path in root.glob(f"{STAGING_PREFIX}*"):
        with contextlib.suppress(OSError):  # its writer has just finished, or still holds the lock
            lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(lock).st_mtime > STAGING_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
                    swept += 1
            finally:
                os.close(lock)
    return swept


def sync_folder(path: Path) -> None:
    """Have the system write down which names a folder has."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
