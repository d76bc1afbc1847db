"""What `serve` has to say of the processes that it keeps, for the pages and for `status`.

It lies in a file: what keeps a process from living may be that the database is away. Where the disk
is full it cannot be written, and `serve` says it on its terminal alone.
"""

import os
from contextlib import suppress
from pathlib import Path

import orjson
from django.conf import settings


def note(ailments: list[str]) -> None:
    """Write down what ails; nothing where all is well."""
    if not ailments:
        forget()
        return
    with suppress(OSError):
        fresh = _file().with_suffix(".new")
        fresh.write_bytes(orjson.dumps({"pid": os.getpid(), "ailments": ailments}))
        fresh.replace(_file())


def forget() -> None:
    """Say nothing any more."""
    with suppress(OSError):
        _file().unlink(missing_ok=True)


def ailments() -> list[str]:
    """Return what ails the processes of the `serve` that runs on this machine, in sentences."""
    try:
        told = orjson.loads(_file().read_bytes())
        os.kill(told["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return []  # it has ended, and with it what it kept
    found: list[str] = told["ailments"]
    return found


def _file() -> Path:
    return settings.VAR / "serve.json"
