"""The web server: granian, a few processes on one port, and what is to hold before any page.

`python -m project.web` runs it. A request reaches a thread once all of it is here: who sends
slowly, or stops half-way, keeps nobody waiting. Bytes that are no request of HTTP granian refuses
itself, without words: no browser sends them.
"""

import argparse
import asyncio
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from ipaddress import ip_address
from queue import SimpleQueue
from tempfile import TemporaryFile
from typing import IO, Any, Final, NamedTuple

logger = logging.getLogger(__name__)

MOST_PROCESSES: Final = 32
THREADS: Final = 4  # of each process, for pages; each holds a connection to the database
# Of each process, for what is answered from memory: no page keeps that waiting. More of them would
# take turns at one interpreter, and the turns cost a fifth of the answers.
QUICK_THREADS: Final = 2
WAITING: Final = 1_000  # requests of each process that come in, or wait for a thread
HELD_SECONDS: Final = 0.25  # of all of them at once; then the others answer as well
IDLE_SECONDS: Final = 20.0  # that a body may pause; then the request is given up
IN_MEMORY: Final = 256 * 1024  # bytes of a body; what is longer lies in a temporary file
ORPHAN_SECONDS: Final = 1.0  # between two looks
PATIENCE_LOOKS: Final = 10  # for requests that are being answered
PARENT: Final = "SEEDBED_WEB_PARENT"  # process id of who tends the processes that answer
FORWARDED: Final = ("HTTP_X_FORWARDED", "HTTP_FORWARDED")
OUT_OF_TIME: Final = 408
LONGEST_NUMBER: Final = 20  # digits

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Begun(NamedTuple):
    """A response whose headers are known: a whole body, or the parts that follow."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    parts: Iterator[bytes] | None
    close: Callable[[], None]


class Threads:
    """A few threads, and what waits for them."""

    def __init__(self, name: str, count: int) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Any, Any]] = SimpleQueue()
        self._began = [math.inf] * count  # when each began what it does; by no clock of the day
        for number in range(count):
            threading.Thread(
                target=self._do_on, args=[number], name=f"{name} {number}", daemon=True
            ).start()

    async def do(self, work: Callable[[], Any]) -> Any:
        """Return what one of them makes of it, or raise what it raised."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._work.put((work, loop, future))
        return await future

    def are_held(self) -> bool:
        """Whether none has come to an end for a while, as when the database is silent."""
        return time.monotonic() - max(self._began) > HELD_SECONDS

    def _do_on(self, number: int) -> None:
        while True:
            self._began[number] = math.inf
            work, loop, future = self._work.get()
            self._began[number] = time.monotonic()
            try:
                found = work()
            except Exception as error:
                logger.exception("A request could not be answered")
                done, result = future.set_exception, error
            else:
                done, result = future.set_result, found
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(_unless_gone, future, done, result)


class Server:
    """Answers by an application of WSGI, in threads of its own, what granian hands it (RSGI)."""

    def __init__(
        self, application: Application, longest_body: int, quick_paths: tuple[str, ...] = ()
    ) -> None:
        """Take an application; bodies of more than so many bytes it has to refuse unread. What
        begins with one of the quick paths has threads of its own."""
        self._application = application
        self._longest = longest_body
        self._quick_paths = quick_paths
        self._threads = Threads("answers", THREADS)
        self._quick_threads = Threads("quick answers", QUICK_THREADS)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        environ = environ_of(scope)
        said = environ.get("CONTENT_LENGTH", "")
        length = int(said) if said.isdecimal() and len(said) < LONGEST_NUMBER else 0
        body = await self._receive(protocol, length)
        if body is None:
            protocol.response_empty(OUT_OF_TIME, [("connection", "close")])
            return
        is_quick = environ["PATH_INFO"].startswith(self._quick_paths)
        is_quick &= not self._quick_threads.are_held()
        threads = self._quick_threads if is_quick else self._threads
        with body:
            environ["wsgi.input"] = body
            begun = await threads.do(lambda: self._begin(environ))
        if begun.parts is None:
            protocol.response_bytes(begun.status, begun.headers, begun.body)
            return
        try:
            transport = protocol.response_stream(begun.status, begun.headers)
            while part := await threads.do(lambda: next(begun.parts, b"")):
                await transport.send_bytes(part)
        finally:
            await threads.do(begun.close)

    async def _receive(self, protocol: Any, length: int) -> IO[bytes] | None:
        """Take in a body; None where not all of it came, or it paused for too long."""
        if not 0 < length <= self._longest:
            return BytesIO()
        body = _room_for(length)
        clock = asyncio.get_running_loop().time
        # Not a limit of each step: granian's process ends where one is broken off (2.8.9).
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS) as limit:
                async for chunk in protocol:
                    limit.reschedule(clock() + IDLE_SECONDS)
                    body.write(chunk)
        if body.tell() != length:
            body.close()
            return None
        body.seek(0)
        return body

    def _begin(self, environ: Environ) -> Begun:
        told: list[tuple[str, list[tuple[str, str]]]] = []
        response = self._application(environ, lambda *said: told.append(said[:2]))
        close: Callable[[], None] = getattr(response, "close", lambda: None)
        parts, body = None, b""
        if getattr(response, "streaming", True):  # as responses of Django say it
            parts = (part for part in response if part)
        else:
            body = b"".join(response)
            close()
        ((status, headers),) = told
        return Begun(int(status[:3]), [(n.lower(), v) for n, v in headers], body, parts, close)


def _room_for(length: int) -> IO[bytes]:
    return BytesIO() if length <= IN_MEMORY else TemporaryFile()


def _unless_gone(future: Any, done: Callable[[Any], None], result: Any) -> None:
    if not future.done():  # who asked may have gone
        done(result)


def environ_of(scope: Any) -> Environ:
    """Return a request as WSGI has it (PEP 3333), without its body.

    Names with an underscore are left out: they would pass for those with a hyphen, which a proxy
    may have cleared.
    """
    client = scope.client.rpartition(":")[0].strip("[]")
    server, _, port = scope.server.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),  # granian has taken its % away
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key in environ:
            value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        environ[key] = value
    if scope.authority and "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority
    return environ


def make_server() -> Server:
    """Return what each process of the server runs."""
    from django.conf import settings

    from project import patience
    from project.wsgi import application

    patience.watch()
    parent = int(os.environ[PARENT])
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    guarded = behind_proxy(application, settings.TRUSTED_PROXY)
    # A form is a little longer than the file in it.
    return Server(guarded, settings.MAX_PAGE_UPLOAD_BYTES + 1024**2, settings.QUICK_PATHS)


def _hear_signals() -> None:
    """Let a signal end a process that only begins: it has the handlers of its parent until it sets
    its own, by which it would take note of its end and go on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _end_with(parent: int) -> None:
    """End this process once its parent is gone: it would hold the port, and nobody tend it."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_SECONDS)
    for _ in range(PATIENCE_LOOKS):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def behind_proxy(application: Application, trusted: str) -> Application:
    """Wrap an application: where a visitor came from, and that it was by HTTPS, only the trusted
    proxy may say."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("REMOTE_ADDR") == trusted:
            _take_visitor(environ)
        else:
            for name in [name for name in environ if name.startswith(FORWARDED)]:
                del environ[name]
        return application(environ, start_response)

    return answer


def _take_visitor(environ: Environ) -> None:
    """Take the last address that a proxy names: those before it anybody may have written."""
    last = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
    try:
        environ["REMOTE_ADDR"] = str(ip_address(last))
    except ValueError:
        return


def main(given: list[str]) -> None:
    """Serve until the process is ended."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    parser = argparse.ArgumentParser(prog="python -m project.web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port (8000)")
    parser.add_argument(
        "--processes",
        type=int,
        choices=range(1, MOST_PROCESSES + 1),
        metavar="N",
        default=2,
        help=f"that answer, of {THREADS} threads each and {QUICK_THREADS} for scores, at most "
        f"{MOST_PROCESSES} (2)",
    )
    options = parser.parse_args(given)
    # The processes take it over: what they answer from they renew beside the requests.
    os.environ["SEEDBED_FOLLOWS_IN_BACKGROUND"] = "true"
    os.environ[PARENT] = str(os.getpid())
    os.register_at_fork(after_in_child=_hear_signals)
    Granian(
        "project.web:make_server",
        factory=True,
        address=options.host,
        port=options.port,
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        workers=options.processes,
        backpressure=WAITING,
        websockets=False,
        respawn_failed_workers=True,
    ).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
