"""The web server: granian, a few processes on one port, and what is to hold before any page.

`python -m project.web` runs it. Bytes that are no request of HTTP it refuses itself, without words:
no browser sends them.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any, Final

MOST_PROCESSES: Final = 32
THREADS: Final = 4  # of each process; each holds a connection to the database
WAITING: Final = 64  # requests of each process that wait for a thread; more wait in the system
ORPHAN_SECONDS: Final = 1.0  # between two looks
PATIENCE_LOOKS: Final = 10  # for requests that are being answered
PARENT: Final = "SEEDBED_WEB_PARENT"  # process id of who tends the processes that answer
FORWARDED: Final = ("HTTP_X_FORWARDED", "HTTP_FORWARDED")

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def make_application() -> Application:
    """Return the application as each process of the server runs it."""
    from django.conf import settings

    from project.wsgi import application

    parent = int(os.environ[PARENT])
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    return behind_proxy(application, settings.TRUSTED_PROXY)


def _end_with(parent: int) -> None:
    """End this process once its parent is gone: it would hold the port, and nobody tend it."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_SECONDS)
    for _ in range(PATIENCE_LOOKS):
        os.kill(os.getpid(), signal.SIGTERM)  # not heard while the server begins
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
    from granian.constants import Interfaces

    parser = argparse.ArgumentParser(prog="python -m project.web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port (8000)")
    parser.add_argument(
        "--processes",
        type=int,
        choices=range(1, MOST_PROCESSES + 1),
        metavar="N",
        default=2,
        help=f"that answer, of {THREADS} threads each, at most {MOST_PROCESSES} (2)",
    )
    options = parser.parse_args(given)
    # The processes take it over: what they answer from they renew beside the requests.
    os.environ["SEEDBED_FOLLOWS_IN_BACKGROUND"] = "true"
    os.environ[PARENT] = str(os.getpid())
    Granian(
        "project.web:make_application",
        factory=True,
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        workers=options.processes,
        blocking_threads=THREADS,
        backpressure=WAITING,
        websockets=False,
        respawn_failed_workers=True,
    ).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
