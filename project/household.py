"""What `serve` has to say of the processes that it keeps, for the pages and for `status`.

It lies in a file: what keeps a process from living may be that the database is away. Where the disk
is full it cannot be written, and `serve` says it on its terminal alone.
"""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO

import orjson
from django.conf import settings


class Household:
    """What one `serve` has to say; its file is locked for as long as it lives, so that nobody
    believes what one has left that was killed."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    def note(self, ailments: list[str]) -> None:
        """Write down what ails; nothing where all is well."""
        with suppress(OSError):
            if self._file is None and ailments:
                self._file = _locked()
            if self._file is not None:
                self._file.truncate(0)
                self._file.write(orjson.dumps(ailments))

    def end(self) -> None:
        """Say nothing any more."""
        if self._file is not None:
            self._file.close()


def ailments() -> list[str]:
    """Return what ails the processes of the `serve` that runs on this machine, in sentences."""
    try:
        with _path().open("rb") as file:
            told: list[str] = orjson.loads(file.read() or b"[]")
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # who wrote it lives
        return told
    except (OSError, ValueError):
        return []
    return []


def _locked() -> IO[bytes] | None:
    """Open the file as its only writer; None while another `serve` has it."""
    file = _path().open("ab", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _path() -> Path:
    return settings.VAR / "serve.json"
