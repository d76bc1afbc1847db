"""Lets no key send more than it may: counted in Valkey for all processes, else in this one."""

import logging
import threading
import time
from functools import cache
from typing import Final

import redis
from django.conf import settings

from serving.domain.limits import Pace
from serving.queries.keys import KnownKey

logger = logging.getLogger(__name__)

VALKEY_SECONDS: Final = 0.25  # a request waits no longer for it
AWAY_SECONDS: Final = 5.0  # until Valkey is asked again after it did not answer
KEPT_SECONDS: Final = 60  # beyond when a request is due, of a key that sends none

# The same as Pace.next_due, by Valkey's own clock: hosts need not agree on the time.
# KEYS: due of this key. ARGV: interval, burst. Returns the microseconds to wait.
NEXT_DUE: Final = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local interval = tonumber(ARGV[1])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = due - now - (tonumber(ARGV[2]) - 1) * interval
if wait > 1e-6 then return math.ceil(wait * 1e6) end
local kept = math.ceil(due - now + interval) + tonumber(ARGV[3])
redis.call('SET', KEYS[1], string.format('%.6f', due + interval), 'EX', kept)
return 0
"""

_lock = threading.Lock()
_due: dict[int, float] = {}
_away_until = 0.0


def seconds_to_wait(key: KnownKey) -> float:
    """Count a request of a key; return how long it has to wait, 0 where it may be answered.

    Without Valkey each process counts by itself: a key may send up to as many times more as there
    are processes, and none is locked out.
    """
    global _away_until
    now = time.monotonic()
    if now >= _away_until:
        try:
            waited = _script()(
                keys=[f"seedbed:pace:{key.pk}"],
                args=[repr(key.pace.interval), key.pace.burst, KEPT_SECONDS],
            )
        except (redis.RedisError, OSError) as error:
            _away_until = now + AWAY_SECONDS
            logger.warning("Valkey counts no requests: %s", type(error).__name__)
        else:
            return int(waited) / 1e6
    return _wait_here(key.pk, key.pace, now)


def _wait_here(pk: int, pace: Pace, now: float) -> float:
    with _lock:
        _due[pk], wait = pace.next_due(_due.get(pk, now), now)
    return wait


@cache
def _script() -> "redis.commands.core.Script":
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=VALKEY_SECONDS,
        socket_connect_timeout=VALKEY_SECONDS,
    )
    return client.register_script(NEXT_DUE)
