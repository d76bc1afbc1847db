"""What to do where the machine, or a server, does not do its part: in words that fit what is set.

The same remedy would mislead whoever has servers of their own: `services` knows the embedded ones.
"""

import errno
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

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


def said_of_file(error: OSError) -> str:
    """Say why a file could not be written or read, and what to do; empty for what says nothing of
    the machine."""
    place = str(error.filename or settings.VAR)
    if error.errno in FULL:
        return (
            f"The disk is full: {place} could not be written. Make room there, or name a folder on "
            "another disk in SEEDBED_VAR; then start it again, it goes on where it was."
        )
    if error.errno in LOCKED:
        return (
            f"{place} may not be used: {error.strerror}. Give the user that runs Seedbed the right "
            "to it, mount it so that it can be written, or name another folder in SEEDBED_VAR; "
            "then start it again."
        )
    return ""
