"""Watches the line to a source: hangs up when an answer takes too long or grows too large."""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from project import words

LOOK_SECONDS: Final = 0.02  # between two looks; a fast line brings some MB in it
# Bytes received so far, in Linux' struct tcp_info (since 4.1).
TCP_INFO_BYTES, RECEIVED_AT, RECEIVED = 192, 128, "Q"


class LineWatch(threading.Thread):
    """A thread beside one connection.

    The driver reads an answer as a whole before it gives anything back, and cannot be asked to
    stop: a row of 300 MB is in memory before its first byte is seen. So the bytes that the line
    received are counted from outside, and beyond the limit the line is shut down, at which the
    driver gives up.

    Attributes
    ----------
    broke : why the line was shut down; empty while it was not.
    """

    def __init__(self, fileno: int, silence_seconds: float) -> None:
        super().__init__(name="feedback-line", daemon=True)
        self.broke = ""
        self._line = socket.socket(fileno=os.dup(fileno))
        self._silence_seconds = self._seconds = silence_seconds
        self._ended = threading.Event()
        self._until: float | None = None
        self._limit: int | None = None
        self._before = 0

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            problem = self._problem()
            if problem and not self.broke:
                self.broke = problem
                with contextlib.suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()

    @contextmanager
    def answer(self, most_bytes: int) -> Iterator[None]:
        """Let an answer take so many bytes, and the time that every answer may take."""
        self.limit(most_bytes, self._silence_seconds)
        try:
            yield
        finally:
            self.unlimit()

    def limit(self, most_bytes: int, seconds: float) -> None:
        """Allow so many bytes from now on, and so much time."""
        self._before = received_bytes(self._line)
        self._limit = most_bytes
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def unlimit(self) -> None:
        """Nothing is expected."""
        self._until = self._limit = None

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _problem(self) -> str:
        until, limit = self._until, self._limit
        if until is not None and time.monotonic() > until:
            return (
                f"The source did not finish an answer within {self._seconds:g} s, so that "
                "the line was closed. See whether the server is well, and collect again."
            )
        if limit is not None and received_bytes(self._line) - self._before > limit:
            return (
                f"The source sent more than the {words.tally(limit, 'byte')} that its answer "
                "can have, so that "
                "the line was closed. What listens there does not behave as PostgreSQL does."
            )
        return ""


def received_bytes(line: socket.socket) -> int:
    """Return the bytes that a connection has received; 0 where the system does not say."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or line.family == socket.AF_UNIX:
        return 0
    try:
        told = line.getsockopt(socket.IPPROTO_TCP, option, TCP_INFO_BYTES)
    except OSError:
        return 0
    if len(told) < RECEIVED_AT + struct.calcsize(RECEIVED):
        return 0
    count: int = struct.unpack_from(RECEIVED, told, RECEIVED_AT)[0]
    return count
