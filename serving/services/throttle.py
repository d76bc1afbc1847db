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
GIVEN_SECONDS: Final = 1.0  # within which a process gives what it took
KEPT_SECONDS: Final = 60  # beyond when a request is due, of a key that sends none

# The same as Pace.next_due, by Valkey's own clock: hosts need not agree on the time.
# KEYS: due of this key. ARGV: interval, burst, seconds kept, requests wanted. Returns how many were
# taken, of those wanted or one; or less than 0: the microseconds to wait.
NEXT_DUE: Final = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local taken = tonumber(ARGV[4])
if due - now - (burst - taken) * interval > 1e-6 then taken = 1 end
local wait = due - now - (burst - taken) * interval
if wait > 1e-6 then return -math.ceil(wait * 1e6) end
due = due + taken * interval
local kept = math.ceil(due - now) + tonumber(ARGV[3])
redis.call('SET', KEYS[1], string.format('%.6f', due), 'EX', kept)
return taken
"""

_lock = threading.Lock()
_due: dict[int, float] = {}
_taken: dict[int, tuple[int, float]] = {}  # of a key: requests left to give, and until when
_away_until = 0.0


def seconds_to_wait(key: KnownKey) -> float:
    """Count a request of a key; return how long it has to wait, 0 where it may be answered.

    What was taken from the common count and not given within a second is forfeited. Without Valkey
    each process counts by itself: a key may send up to as many times more as there are processes,
    and none is locked out.
    """
    global _away_until
    now = time.monotonic()
    if _give(key.pk, now):
        return 0.0
    if now >= _away_until:
        pace = key.pace
        try:
            told = int(
                _script()(
                    keys=[f"seedbed:pace:{key.pk}"],
                    args=[repr(pace.interval), pace.burst, KEPT_SECONDS, pace.taken_at_once],
                )
            )
        except (redis.RedisError, OSError) as error:
            _away_until = now + AWAY_SECONDS
            logger.warning("Valkey counts no requests: %s", type(error).__name__)
        else:
            if told > 1:
                with _lock:
                    _taken[key.pk] = (told - 1, now + GIVEN_SECONDS)
            return max(0, -told) / 1e6
    return _wait_here(key.pk, key.pace, now)


def _give(pk: int, now: float) -> bool:
    """Give one of the requests that were taken for a key before, where there is one left."""
    with _lock:
        left, until = _taken.get(pk, (0, 0.0))
        if not left or now >= until:
            return False
        _taken[pk] = (left - 1, until)
    return True


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
