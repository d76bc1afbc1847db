"""The file that somebody names to write to: looked at before the work, and there whole or not."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

STAGING_PREFIX: Final = ".seedbed-"
_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class OutputUnusable(Exception):
    """What was named is no place for a file; nothing was written."""


def require_output(path: Path) -> None:
    """Refuse to write to anything but a plain file, or a name that is free in a folder of ours.

    A link is not followed: the new file would take its place, and what it names would stay old.

    Raises
    ------
    OutputUnusable : with what was expected, what is there and what to do.
    """
    if str(path) == "-":
        raise OutputUnusable(
            "A file is expected, and - is stdout, to which this is not written. Name a file; one "
            "that is called - by its whole path."
        )
    try:
        found = path.lstat()
    except FileNotFoundError:
        _require_folder(path)
        return
    except OSError as error:
        raise _unusable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_one, name in _KINDS if is_one(found.st_mode)), "no plain file")
        raise OutputUnusable(
            f"A plain file is expected, or a name that is free, and {path} is {kind}. It was left "
            "as it is; name another."
        )
    _require_folder(path)


@contextlib.contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write, of its owner alone (0600), which takes its place when all went well.

    Raises
    ------
    OutputUnusable : `require_output` says no, or the system does not let it be written.
    """
    require_output(path)
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=STAGING_PREFIX, delete=False) as target:
            try:
                yield target
                target.flush()
                os.fsync(target.fileno())
                require_output(path)  # the work was long
                Path(target.name).replace(path)
            finally:
                Path(target.name).unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error


def _require_folder(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise OutputUnusable(f"There is no folder {folder}; make it, or name another.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputUnusable(
            f"{path} cannot be written: nothing may be put into {folder}. Give the user that runs "
            "Seedbed the right to, or name another folder."
        )


def _unusable(path: Path, error: OSError) -> OutputUnusable:
    return OutputUnusable(
        f"{path} could not be written: {error.strerror or error}. Free space there, or give the "
        "user that runs Seedbed the right to write, or name another."
    )
