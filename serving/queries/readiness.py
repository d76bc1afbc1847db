"""Whether this process can answer, and by what: for balancers and whoever looks after it."""

import redis
from django.conf import settings
from django.db import Error, connection

from matching.queries.directory import FRESH_SECONDS, directory_age
from project.jobs.processes import has_worker
from training.queries.scoring import NO_CHAMPION, current_serving

VALKEY_SECONDS = 1.0


def is_ready() -> tuple[bool, dict[str, str]]:
    """Return whether scores can be answered, and what there is to say of each part.

    The database has to answer, for it knows the people. Without a champion the rules answer,
    without an index the database does, and without a worker only jobs wait: all of this is said,
    and keeps nobody from being answered.
    """
    database = _database()
    told = {"database": "ok" if database else "does not answer", "valkey": _valkey()}
    if database:
        told["champion"] = _champion()
        told["index"] = _index()
        told["worker"] = "ok" if has_worker() else "none is alive; jobs wait"
    return database, told


def _index() -> str:
    """Say whether everybody stands in memory, as they were a moment ago."""
    age = directory_age()
    if age is None:
        return "nobody keeps it; the database answers, slowly: run `manage.py directory`"
    if age > FRESH_SECONDS:
        return f"{age:.0f} s old; the database answers, slowly: see to `manage.py directory`"
    return "ok"


def _champion() -> str:
    """Say whether the live model answers; why it does not is for who may see models."""
    warning = current_serving().warning
    if not warning:
        return "ok"
    why = NO_CHAMPION if warning == NO_CHAMPION else "the champion cannot be used."
    return f"the rules answer: {why} `manage.py status` says what to do"


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _valkey() -> str:
    seconds = VALKEY_SECONDS
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=seconds, socket_connect_timeout=seconds
        ) as client:
            client.ping()
    except (redis.RedisError, OSError):
        return "does not answer; each process counts requests by itself"
    return "ok"
