"""Sessions that other applications write into Valkey, taken over as they are written.

Where the server tells of changes to keys (`notify-keyspace-events` with `K` and `$`), whoever
listens hears of a session the moment it is written. Where it does not, nothing is heard, and such
sessions are found by `check_sessions --repair`.
"""

import logging
import time
from typing import Any, Final

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError

from matching.models import live
from matching.models.live import ValkeyUnavailable
from matching.services.session_repairs import mend_copies, mend_records

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 1_000  # sessions of one transaction; more wait for the next
CONNECT_SECONDS: Final = 0.5
AWAY_SECONDS: Final = 5.0  # until a server that did not answer is asked again


class Listener:
    """Hears which live copies were written, by whom ever."""

    def __init__(self) -> None:
        self._client: Any = None
        self._pubsub: Any = None
        self._away_until = 0.0
        self._heard: dict[str, None] = {}  # in the order in which they came

    def take_over(self) -> int:
        """Bring the records up to date with what was heard; return how many sessions came so.

        What we wrote ourselves is heard as well, and is in step already. While a server is away
        what was heard waits.
        """
        if time.monotonic() < self._away_until:
            return 0
        taken_over = 0
        try:
            self._listen()
            names = list(self._heard)[:MOST_AT_ONCE]
            if names:
                mended = mend_copies(mend_records(names, by=None))
                taken_over = mended["adopted"] + mended["updated_from_copy"]
        except (redis.RedisError, OSError) as error:
            self._pubsub = None
            self._pause(error)
            return 0
        except (InterfaceError, OperationalError, ValkeyUnavailable) as error:
            self._pause(error)
            return 0
        except DatabaseError:
            # One that no record can hold stops none of those to come.
            logger.exception("Sessions of others cannot be taken over")
        for name in names:
            del self._heard[name]
        return taken_over

    def _pause(self, error: Exception) -> None:
        logger.warning("Sessions of others wait: %s", type(error).__name__)
        self._away_until = time.monotonic() + AWAY_SECONDS

    def _listen(self) -> None:
        if self._pubsub is None:
            # Kept: a client that is forgotten ends its connections.
            self._client = redis.Redis.from_url(
                settings.REDIS_URL,
                socket_timeout=CONNECT_SECONDS,
                socket_connect_timeout=CONNECT_SECONDS,
            )
            database = self._client.connection_pool.connection_kwargs.get("db", 0)
            pubsub = self._client.pubsub(ignore_subscribe_messages=True)
            pubsub.psubscribe(f"__keyspace@{database}__:{live.PREFIX}*")
            self._pubsub = pubsub
        while len(self._heard) < MOST_AT_ONCE:
            message = self._pubsub.get_message()
            if message is None:
                # The confirmation of the subscription says nothing, and more may stand behind.
                if not self._pubsub.connection.can_read(timeout=0):
                    return
            elif message["data"] == b"set":
                key = message["channel"].decode(errors="replace").partition(":")[2]
                self._heard[key.removeprefix(live.PREFIX)] = None
