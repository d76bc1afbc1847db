"""Keyed digests of who was erased, in the store and in no backup: a restore erases them again.

Of an id nothing else is kept. Whoever has the store alone cannot tell whether somebody is among
them: the digests are made with SEEDBED_ARTIFACT_KEY.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from project.storage.artifacts import require_own_folder
from project.storage.blobs import ERASED, the_store
from project.storage.failures import ArtifactCorrupt, ArtifactUnreadable

SALT: Final = "project.removal.erased"  # of these digests alone: never change it


def remember(names: Iterable[str]) -> int:
    """Keep a digest of each id, and when it was erased by the database's clock; returns how many.

    Raises
    ------
    FolderDisagrees, ArtifactUnwritable, StoreAway, StoreRefused
    """
    require_own_folder()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (at,) = cursor.fetchone()
    content = orjson.dumps({"at": at.isoformat()})
    kept = [_digest(name, settings.ARTIFACT_KEY) for name in names]
    for digest in kept:
        the_store().replace(f"{ERASED}{digest}", content)
    return len(kept)


class Remembered:
    """Who was erased since a moment."""

    def __init__(self, since: datetime) -> None:
        self._digests = {
            one.key.removeprefix(ERASED)
            for one in the_store().listed(ERASED)
            if (at := _erased_at(one.key)) is None or at > since
        }
        self._keys = (settings.ARTIFACT_KEY, *settings.ARTIFACT_KEY_FALLBACKS)

    def __len__(self) -> int:
        return len(self._digests)

    def holds(self, name: str) -> bool:
        """Whether somebody of this id was erased."""
        return any(_digest(name, key) in self._digests for key in self._keys)


def _erased_at(key: str) -> datetime | None:
    """Return when; None where that cannot be read: then the person is erased, to be safe."""
    try:
        told: Any = orjson.loads(b"".join(the_store().pieces(key)))
        return datetime.fromisoformat(told["at"])
    except ArtifactUnreadable:
        raise
    except (ArtifactCorrupt, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _digest(name: str, key: str) -> str:
    return salted_hmac(SALT, name, secret=key, algorithm="sha256").hexdigest()
