"""How long a request waits for the database: never for ever.

A statement that takes too long the server ends itself. A server that is silent, frozen or cut off,
ends nothing: then the connection is broken off from here, and the request is answered.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from django.db import connections
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse
from psycopg.pq import TransactionStatus

from project.machine import STATEMENT_SECONDS

logger = logging.getLogger(__name__)

REQUEST_SECONDS: Final = 25.0  # of a request that still waits for the server
LOOK_SECONDS: Final = 1.0

# Thread to since when it answers a request, and by which connection.
_answering: dict[int, tuple[float, Any]] = {}


def end_the_silent(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Let it be known which requests wait, and for which connection."""

    def middleware(request: HttpRequest) -> HttpResponse:
        thread = threading.get_ident()
        _answering[thread] = (time.monotonic(), connections["default"])
        try:
            return get_response(request)
        finally:
            _answering.pop(thread, None)

    return middleware


def watch() -> None:
    """Limit statements, and break off connections that are silent, from now on; of a web server."""
    connection_created.connect(_limit_statements, dispatch_uid="patience")
    threading.Thread(target=_look_for_ever, name="patience", daemon=True).start()


def _limit_statements(connection: Any, **_: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")


def _look_for_ever() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        with suppress(Exception):  # a connection may end while it is looked at
            break_off_the_silent(time.monotonic())


def break_off_the_silent(at: float) -> int:
    """Break off the connections that requests have waited for since too long; return how many."""
    broken = 0
    for since, held in list(_answering.values()):
        link = held.connection
        if at - since < REQUEST_SECONDS or link is None or link.closed:
            continue
        if link.pgconn.transaction_status != TransactionStatus.ACTIVE:
            continue  # it works on something else
        logger.error("The database was silent for %.0f s; a connection is broken off", at - since)
        with suppress(OSError), socket.socket(fileno=os.dup(link.pgconn.socket)) as wire:
            wire.shutdown(socket.SHUT_RDWR)
            broken += 1
    return broken
