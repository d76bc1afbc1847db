"""One clock for every host: that of the database.

What several hosts judge by, when a run is due, whether a session is over, until when rows were
collected, is asked of one clock, however far the machines' own are from each other. How far this
machine's is off is measured with each new connection and with each sign of life, so that telling
the time asks nobody.
"""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.backends.signals import connection_created
from django.utils import timezone

TOLERATED_SECONDS: Final = 5.0  # beyond that a host is named on the status
_offset = timedelta(0)


def now() -> datetime:
    """Return the time, in UTC, by the clock of the database."""
    return datetime.now(UTC) - _offset


def today() -> date:
    """Return the day of now, in the time zone of the installation."""
    return timezone.localdate(now())


def ahead() -> float:
    """Return by how many seconds this machine's clock is ahead of the database's, as it was
    measured last; negative where it is behind."""
    return _offset.total_seconds()


def measure(by: Any = connection) -> None:
    """Measure by a connection how far this machine's clock is off, to half the time that asking
    takes."""
    global _offset
    by.ensure_connection()
    # By the driver itself: it is no question of whoever is being answered.
    with by.wrap_database_errors, by.connection.cursor() as cursor:
        asked = time.monotonic()
        before = datetime.now(UTC)
        cursor.execute("SELECT clock_timestamp()")
        (told,) = cursor.fetchone()
        took = timedelta(seconds=time.monotonic() - asked)
    _offset = before + took / 2 - told


def _measure_first(connection: Any, **_: Any) -> None:
    if connection.alias == DEFAULT_DB_ALIAS:
        measure(connection)


def follow() -> None:
    """Measure with each new connection from now on."""
    connection_created.connect(_measure_first, dispatch_uid="clock")
