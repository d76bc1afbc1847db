"""Connects to a server that may never let us in, and may make us compute until it would."""

import contextlib
import os
import threading
from typing import Any, Final

import psycopg
from django.views.decorators.debug import sensitive_variables

Connection = psycopg.Connection[tuple[Any, ...]]

GRACE_SECONDS: Final = 5.0  # beyond what the driver waits for the line
IDLE_PRIORITY: Final = 19

_given_up: list["_Handshake"] = []


class NoWayIn(Exception):
    """A server keeps the driver computing."""


@sensitive_variables("parameters")
def connect(seconds: float, parameters: dict[str, Any]) -> Connection:
    """Return a connection of psycopg, or raise as it does; within so many seconds.

    The server says how often a password is hashed (SCRAM), up to 2**31 times, which libpq does in
    one go of a quarter of an hour: no timeout is looked at meanwhile, and nothing can stop it. So
    it is done beside us. A handshake that is given up goes on alone, with what nobody else needs of
    the processor, and there is never a second one of its kind in a process.

    Raises
    ------
    NoWayIn
        When the server did not let us in by then, or an earlier one is still being computed for.
    """
    _given_up[:] = [one for one in _given_up if one.is_alive()]
    if _given_up:
        raise NoWayIn(
            "A server that was asked before still keeps this process computing, so that no other "
            "one is asked. Try again in an hour, or start Seedbed anew."
        )
    handshake = _Handshake(seconds, parameters)
    handshake.start()
    handshake.join(seconds + GRACE_SECONDS)
    return handshake.outcome(seconds)


class _Handshake(threading.Thread):
    def __init__(self, seconds: float, parameters: dict[str, Any]) -> None:
        super().__init__(name="feedback-handshake", daemon=True)
        self._parameters = {**parameters, "connect_timeout": max(1, round(seconds))}
        self._lock = threading.Lock()
        self._is_given_up = False
        self._connection: Connection | None = None
        self._error: Exception | None = None

    @sensitive_variables()
    def run(self) -> None:
        error, connection = None, None
        try:
            connection = psycopg.connect(**self._parameters, prepare_threshold=None)
        except Exception as problem:
            # Without the frames of the driver, which hold the password.
            error = problem.with_traceback(None)
        with self._lock:
            self._error, self._connection = error, connection
            if self._is_given_up and connection is not None:
                connection.close()

    def outcome(self, seconds: float) -> Connection:
        with self._lock:
            if self._connection is not None:
                return self._connection
            if self._error is not None:
                raise self._error
            self._is_given_up = True
        _given_up.append(self)
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, self.native_id or 0, IDLE_PRIORITY)
        raise NoWayIn(
            f"It did not let us in within {seconds + GRACE_SECONDS:g} s, and kept the driver "
            "computing: it names more rounds of hashing (scram_iterations) than a password needs. "
            "PostgreSQL's own are 4,096."
        )
