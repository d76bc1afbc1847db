"""The whole application on one machine: web, directory, workers and scheduler."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from project.accounts.services import FirstAccount, make_first_account
from project.command import SeedbedCommand, positive_int, whole_number
from project.ending import Ending
from project.household import Household
from project.web import MOST_PROCESSES, QUICK_THREADS, THREADS

READY_SECONDS = 300.0  # until the web server has to answer; one that dies is seen at once
SETTLED_SECONDS = 60.0  # a process that lived this long was fine: its death is not held against it
QUICK_DEATHS = 5  # in a row of a web server that never answered, until all is given up
RESTART_PAUSE_SECONDS = 1.0  # doubled with each quick death
LONGEST_PAUSE_SECONDS = 60.0
STOP_PATIENCE_SECONDS = 20.0  # a job stops at the end of its chunk
STDERR = 2
LARGEST_PORT = 65_535
MOST_WORKERS = 64  # of one machine; each is a process


class Command(SeedbedCommand):
    """Run web, directory, workers and scheduler together and start again whichever dies."""

    help = (
        "Run the web server, the directory that the API answers from, the workers and the "
        "scheduler together until Ctrl-C or SIGTERM."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)"
        )
        parser.add_argument(
            "--port", type=positive_int, default=8000, help="TCP port (default 8000)"
        )
        parser.add_argument(
            "--workers",
            type=whole_number(1, MOST_WORKERS),
            default=1,
            help=f"number of workers, at most {MOST_WORKERS} (default 1)",
        )

        parser.add_argument(
            "--processes",
            type=whole_number(1, MOST_PROCESSES),
            default=2,
            help=f"of the web server, of {THREADS} threads each and {QUICK_THREADS} for scores, "
            f"at most {MOST_PROCESSES} (default 2)",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        host, port = options["host"], options["port"]
        _require_free(host, port)
        # In production whoever sets it up says who is in charge: `manage.py createsuperuser`.
        account = None if settings.IS_PRODUCTION else make_first_account()
        ended = Ending.by_signal()
        self._household = Household()
        children = [_Child(name, command) for name, command in _commands(**options).items()]
        try:
            for child in children:
                child.start()
            self._announce(host, port, children, ended, account)
            while not ended.wait(0.2):
                self._tend(children)
        finally:
            _stop(children)
            self._household.end()
        return {"restarts": {child.name: child.restarts for child in children}}

    def render(self, result: dict[str, Any], console: Console) -> None:
        """Say that all is stopped."""
        console.print("Stopped.")

    def _tend(self, children: list["_Child"]) -> None:
        """Start again what died, and write down what keeps dying, for the pages to say."""
        told = [said for child in children if (said := child.tend())]
        for said in told:
            self.error_console.print(said)
        if told or any(child.has_settled() for child in children):
            self._household.note([child.ailment for child in children if child.ailment])

    def _announce(
        self,
        host: str,
        port: int,
        children: list["_Child"],
        ended: Ending,
        account: FirstAccount | None,
    ) -> None:
        """Print the address once the web server answers there, and how to get in the first
        time."""
        deadline = time.monotonic() + READY_SECONDS
        shown = f"[{host}]" if ":" in host else host
        while not ended.wait(0.1):
            self._tend(children)
            web = children[0]
            if web.quick_deaths >= QUICK_DEATHS:
                raise CommandError(
                    f"The {web.name} {web.how}, {QUICK_DEATHS} times in a row before it ever "
                    f"answered. Its messages stand above; `{' '.join(web.command[1:])}` shows "
                    "them alone."
                )
            if _answers(host, port):
                address = f"http://{shown}:{port}/admin/"
                if self.as_json:
                    told = {"address": address, **({"account": account} if account else {})}
                    self.console.print_json(data=told, indent=None)
                else:
                    self.console.print(f"Seedbed is at {address} - Ctrl-C stops it.")
                    if account is not None:
                        self.console.print(
                            f"Sign in as {account['user']} with the one-time password "
                            f"{account['password']} - you choose your own there."
                        )
                return
            if time.monotonic() > deadline:
                raise CommandError(
                    f"The web server does not answer after {READY_SECONDS:.0f} s; its messages "
                    "stand above."
                )


@dataclass
class _Child:
    """A process that is started again whenever it dies, at growing intervals where it dies young:
    what ails one ends no other, and may pass."""

    name: str
    command: list[str]
    restarts: int = 0
    quick_deaths: int = 0
    start_at: float = 0.0
    started_at: float = 0.0
    how: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process in a session of its own: Ctrl-C reaches the command alone."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our programs; host and port are one argument
            self.command,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=STDERR,  # standard output is for what serve itself has to say
            start_new_session=True,
        )

    def tend(self) -> str:
        """Start the process again if it has died; return what there is to say about it."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.restarts += 1
                self.start()
            return ""
        code = self.process.poll()
        if code is None:
            return ""
        self.process = None
        is_quick = now - self.started_at < SETTLED_SECONDS
        self.quick_deaths = self.quick_deaths + 1 if is_quick else 0
        self.how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        pause = min(
            RESTART_PAUSE_SECONDS * 2 ** max(0, self.quick_deaths - 1), LONGEST_PAUSE_SECONDS
        )
        self.start_at = now + pause
        return f"The {self.name} {self.how}; it is started again in {pause:.0f} s."

    def has_settled(self) -> bool:
        """Whether it has come through after dying young; true once."""
        is_well = self.process is not None and self.process.poll() is None
        if not (is_well and self.quick_deaths):
            return False
        if time.monotonic() - self.started_at < SETTLED_SECONDS:
            return False
        self.quick_deaths = 0
        return True

    @property
    def ailment(self) -> str:
        """What there is to say of one that keeps dying, for who looks at the pages."""
        if self.quick_deaths < 2:
            return ""
        return (
            f"The {self.name} {self.how}, {self.quick_deaths} times in a row soon after its start. "
            f"`serve` starts it again every {LONGEST_PAUSE_SECONDS:.0f} s at the latest; its "
            "messages stand where `serve` writes its own."
        )


def _commands(
    *, host: str, port: int, workers: int, processes: int, **_: Any
) -> dict[str, list[str]]:
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    web = [sys.executable, "-m", "project.web", f"--host={host}", f"--port={port}"]
    return {
        "web server": [*web, f"--processes={processes}"],
        "directory": [*manage, "directory"],
        "scheduler": [*manage, "scheduler"],
        **{f"worker {number}": [*manage, "worker"] for number in range(1, workers + 1)},
    }


def _require_free(host: str, port: int) -> None:
    if port > LARGEST_PORT:  # the system would take the number modulo 65,536
        raise CommandError(f"Cannot listen on port {port}; the largest is {LARGEST_PORT}.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind(address)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {host} port {port}: {error}. Stop what uses it, or name another "
            "with --port."
        ) from error


def _answers(host: str, port: int) -> bool:
    # Read, not bound.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(reachable, port, timeout=2)
    try:
        # Any answer will do: the page may redirect, or refuse this name of the host.
        connection.request("HEAD", "/admin/login/")
        return bool(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(children: list[_Child]) -> None:
    """End all at once: gently, then a worker's job as well, then whatever is left."""
    running = [child.process for child in children if child.process is not None]
    for patience, number in (
        (STOP_PATIENCE_SECONDS, signal.SIGTERM),
        (5.0, signal.SIGTERM),  # the second one makes a worker end its job's process
        (5.0, signal.SIGKILL),
    ):
        for process in running:
            process.send_signal(number)  # nothing happens to one that has ended
        deadline = time.monotonic() + patience
        for process in running:
            try:
                process.wait(max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        running = [process for process in running if process.poll() is None]
        if not running:
            return
