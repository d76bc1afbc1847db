"""Keys as requests meet them: in memory, renewed each second, so that no request asks for one."""

import logging
import math
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import Error

from project import clock
from serving.domain.limits import Pace
from serving.domain.tokens import digest_of
from serving.models import ApiKey

logger = logging.getLogger(__name__)

RENEWED_SECONDS: Final = 1.0  # so long a key that was revoked may still open
NOTED_SECONDS: Final = 60.0  # so often it is written that a key is used


@dataclass(frozen=True)
class KnownKey:
    """A key that is not revoked, as it was read last."""

    pk: int
    name: str
    scopes: frozenset[str]
    pace: Pace
    expires_at: datetime | None

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= clock.now()


class KeysUnknown(Exception):
    """No key was read since this process began, and the database does not answer."""


class KeyRing:
    """All keys that are not revoked, by digest.

    Where the database does not answer, those that were read last go on opening: an application is
    not locked out because a server restarts.
    """

    def __init__(self) -> None:
        self._keys: dict[str, KnownKey] = {}
        self._is_read = False
        self._read_at = -math.inf
        self._noted: dict[int, float] = {}
        self._lock = threading.Lock()
        self._used: set[int] = set()
        self.is_renewed_elsewhere = False  # by a thread beside the requests

    def find(self, token: str) -> KnownKey | None:
        """Return the key of a token, None where there is none.

        Raises
        ------
        KeysUnknown
        """
        now = time.monotonic()
        # One request renews them; the others go on with those known, where there are any.
        is_due = now - self._read_at >= RENEWED_SECONDS
        is_due &= not (self.is_renewed_elsewhere and self._is_read)
        if is_due and self._lock.acquire(blocking=not self._is_read):
            try:
                self.renew()
            finally:
                self._lock.release()
        if not self._is_read:
            raise KeysUnknown
        found = self._keys.get(digest_of(token))
        if found is not None and now - self._noted.get(found.pk, -NOTED_SECONDS) >= NOTED_SECONDS:
            self._noted[found.pk] = now
            if self.is_renewed_elsewhere:
                self._used.add(found.pk)
            else:
                self._note([found.pk])
        return found

    def renew(self) -> None:
        """Read the keys anew; where no request does so, note those that were used as well."""
        now = time.monotonic()
        if self._used:
            used, self._used = self._used, set()
            self._note(used)
        try:
            rows = list(
                ApiKey.objects.filter(revoked_at=None).values_list(
                    "digest", "pk", "name", "scopes", "requests_per_minute", "expires_at"
                )
            )
        except Error as error:
            logger.warning("Keys cannot be read, those known serve on: %s", type(error).__name__)
        else:
            self._keys = {
                digest: KnownKey(pk, name, frozenset(scopes), Pace.per_minute(each), expires)
                for digest, pk, name, scopes, each, expires in rows
            }
            self._is_read = True
        self._read_at = now

    def _note(self, keys: Collection[int]) -> None:
        try:
            ApiKey.objects.filter(pk__in=keys).update(last_used_at=clock.now())
        except Error as error:
            logger.warning("That a key is used cannot be noted: %s", type(error).__name__)


ring: Final = KeyRing()
