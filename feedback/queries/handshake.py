"""Connects to a server that may never let us in, make us compute, or talk without end."""

import contextlib
import os
import selectors
import threading
import time
from typing import Any, Final, NamedTuple

import psycopg
from django.views.decorators.debug import sensitive_variables
from psycopg.conninfo import make_conninfo
from psycopg.generators import connect as connect_in_steps
from psycopg.waiting import Ready, Wait

from feedback.queries.line_watch import LineWatch

Connection = psycopg.Connection[tuple[Any, ...]]

GREETING_BYTES: Final = 1024 * 1024  # of all that a server says before it lets us in
GRACE_SECONDS: Final = 5.0  # beyond what we wait for the line
IDLE_PRIORITY: Final = 19
EVENTS: Final = {
    Wait.R: selectors.EVENT_READ,
    Wait.W: selectors.EVENT_WRITE,
    Wait.RW: selectors.EVENT_READ | selectors.EVENT_WRITE,
}
READY: Final = {Wait.R: Ready.R, Wait.W: Ready.W, Wait.RW: Ready.RW}

_given_up: list["_Handshake"] = []


class NoWayIn(Exception):
    """A server does not let us in, and not as PostgreSQL refuses."""


class Line(NamedTuple):
    """A connection, and the thread that watches how much comes over it."""

    connection: Connection
    watch: LineWatch


@sensitive_variables("parameters")
def connect(parameters: dict[str, Any], *, seconds: float, silence_seconds: float) -> Line:
    """Return a connection of psycopg, or raise as it does; within so many seconds.

    The server says how often a password is hashed (SCRAM), up to 2**31 times, which libpq does in
    one go of a quarter of an hour: no timeout is looked at meanwhile, and nothing can stop it. So
    it is done beside us. A handshake that is given up goes on alone, with what nobody else needs of
    the processor, and there is never a second one of its kind in a process.

    Parameters
    ----------
    parameters : of libpq, with an address: no name is looked up here.
    silence_seconds : for the watch that goes on with the connection.

    Raises
    ------
    psycopg.Error
        When the server says no, or nothing.
    NoWayIn
        When it says too much or keeps us computing, or an earlier one is still computed for.
    """
    _given_up[:] = [one for one in _given_up if one.is_alive()]
    if _given_up:
        raise NoWayIn(
            "A server that was asked before still keeps this process computing, so that no other "
            "one is asked. Try again in an hour, or start Seedbed anew."
        )
    handshake = _Handshake(parameters, seconds, silence_seconds)
    handshake.start()
    handshake.join(seconds + GRACE_SECONDS)
    return handshake.outcome()


class _Handshake(threading.Thread):
    def __init__(self, parameters: dict[str, Any], seconds: float, silence_seconds: float) -> None:
        super().__init__(name="feedback-handshake", daemon=True)
        self._parameters = parameters
        self._seconds, self._silence_seconds = seconds, silence_seconds
        self._lock = threading.Lock()
        self._is_given_up = False
        self._line: Line | None = None
        self._error: Exception | None = None

    @sensitive_variables()
    def run(self) -> None:
        line, problem = None, None
        try:
            line = _shake_hands(self._parameters, self._seconds, self._silence_seconds)
        except Exception as error:
            problem = error.with_traceback(None)  # its frames hold the password
        with self._lock:
            self._line, self._error = line, problem
            if self._is_given_up and line is not None:
                line.watch.end()
                line.connection.close()

    def outcome(self) -> Line:
        with self._lock:
            if self._line is not None:
                return self._line
            if self._error is not None:
                raise self._error
            self._is_given_up = True
        _given_up.append(self)
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, self.native_id or 0, IDLE_PRIORITY)
        raise NoWayIn(
            f"It did not let us in within {self._seconds + GRACE_SECONDS:g} s, and kept the driver "
            "computing: it names more rounds of hashing (scram_iterations) than a password needs. "
            "PostgreSQL's own are 4,096."
        )


@sensitive_variables()
def _shake_hands(parameters: dict[str, Any], seconds: float, silence_seconds: float) -> Line:
    """Do what psycopg does when it connects, with a watch beside each line that libpq opens."""
    until = time.monotonic() + seconds
    watch, watched = None, 0
    # Of libpq's own functions this one alone lets other threads go on while it computes.
    steps = connect_in_steps(make_conninfo(**parameters))
    try:
        with selectors.DefaultSelector() as selector:
            line, wanted = next(steps)
            while True:
                # Without TLS, or to the next address, libpq opens another line.
                if (inode := os.fstat(line).st_ino) != watched:
                    if watch is not None:
                        watch.end()
                    watch, watched = LineWatch(line, silence_seconds), inode
                    watch.limit(GREETING_BYTES, seconds + GRACE_SECONDS)
                    watch.start()
                selector.register(line, EVENTS[wanted])
                is_ready = selector.select(max(0.0, until - time.monotonic()))
                selector.unregister(line)
                if time.monotonic() >= until:
                    raise psycopg.errors.ConnectionTimeout("connection timeout expired")
                line, wanted = steps.send(READY[wanted] if is_ready else Ready.NONE)
    except StopIteration as ended:
        if watch is None:  # nothing was waited for: no line of a network
            watch = LineWatch(ended.value.socket, silence_seconds)
            watch.start()
        watch.unlimit()
        connection: Connection = psycopg.Connection(ended.value)
        connection.prepare_threshold = None
        return Line(connection, watch)
    except BaseException as error:
        if watch is not None:
            watch.end()
        if watch is not None and watch.broke and isinstance(error, psycopg.Error):
            raise NoWayIn(watch.broke) from None
        raise
    finally:
        steps.close()
