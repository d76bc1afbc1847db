"""What to do where the machine, or a server, does not do its part: in words that fit what is set.

The same remedy would mislead whoever has servers of their own: `services` knows the embedded ones.
"""

import errno
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError

STATEMENT_SECONDS: Final = 20  # of a statement that a page asks, until the server ends it
RETRY_SECONDS: Final = 2  # after which it is worth asking again
# SQLSTATEs, or how they begin: of a statement that was ended, of resources that are used up, of
# deadlocks and locks that were not given.
TOO_LONG: Final = "57014"
NO_ROOM: Final = "53"
IN_THE_WAY: Final = ("40", "55P")
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
LOCKED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def see_database() -> str:
    """Say where to look when the database does not answer."""
    if settings.USES_EMBEDDED_POSTGRES:
        return "Look at `manage.py services status`; `manage.py services start` starts it."
    at = settings.DATABASES["default"]
    place = f"{at['HOST']}:{at['PORT'] or 5432}" if at["HOST"] else "its socket"
    return (
        f"DATABASE_URL names a server of your own, at {place}: see that it runs, and that this "
        "machine may reach it."
    )


def see_valkey() -> str:
    """Say where to look when Valkey does not answer."""
    if settings.USES_EMBEDDED_VALKEY:
        return "Look at `manage.py services status`; `manage.py services start` starts it."
    at = urlsplit(settings.REDIS_URL)
    place = f"{at.hostname}:{at.port or 6379}" if at.hostname else at.path  # without its password
    return (
        f"REDIS_URL names a server of your own, at {place}: see that it runs, and that this "
        "machine may reach it."
    )


def said_of_outage(error: BaseException | None) -> str:
    """Say why the database does not do what it was asked; empty where the fault is not its own."""
    if not isinstance(error, OperationalError | InterfaceError):
        return ""
    sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
    if sqlstate == TOO_LONG:
        return (
            f"The database took longer than {STATEMENT_SECONDS} s for it. Ask for less, by a "
            "filter or a shorter time; where that does not help, see what else it is doing."
        )
    if sqlstate.startswith(NO_ROOM):
        return "The database has no room left: its disk, its memory or its connections are used up."
    if sqlstate.startswith(IN_THE_WAY):
        return "Somebody else was changing the same at the same moment."
    return "The database does not answer."


def said_of_file(error: BaseException | None) -> str:
    """Say why a file could not be written or read, and what to do; empty for what says nothing of
    the machine."""
    if not isinstance(error, OSError):
        return ""
    place = str(error.filename or settings.VAR)
    if error.errno in FULL:
        return (
            f"The disk is full: {place} could not be written. Make room there, or name a folder on "
            "another disk in SEEDBED_VAR."
        )
    if error.errno in LOCKED:
        return (
            f"{place} may not be used: {error.strerror}. Give the user that runs Seedbed the right "
            "to it, mount it so that it can be written, or name another folder in SEEDBED_VAR."
        )
    return ""
