"""The whole application on one machine: web, worker and scheduler."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from project.command import SeedbedCommand, positive_int

RESTART_PAUSE_SECONDS = 1.0  # so that a process that cannot start does not spin
STOP_PATIENCE_SECONDS = 20.0  # a job stops at the end of its chunk


class Command(SeedbedCommand):
    """Run web, worker and scheduler together and start again whichever dies."""

    help = "Run the web server, the workers and the scheduler together until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)"
        )
        parser.add_argument(
            "--port", type=positive_int, default=8000, help="TCP port (default 8000)"
        )
        parser.add_argument(
            "--workers", type=positive_int, default=1, help="number of workers (default 1)"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        commands = {
            "web": [
                str(Path(sys.executable).with_name("waitress-serve")),
                f"--host={options['host']}",
                f"--port={options['port']}",
                "--threads=8",
                "project.wsgi:application",
            ],
            "scheduler": [*manage, "scheduler"],
        }
        for number in range(1, options["workers"] + 1):
            commands[f"worker {number}"] = [*manage, "worker"]

        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        # Own sessions: Ctrl-C in the terminal reaches this process alone, which stops the rest.
        children = {name: _start(command) for name, command in commands.items()}
        self.console.print(
            f"Seedbed is at http://{options['host']}:{options['port']}/admin/ - Ctrl-C stops it."
        )
        restarts = 0
        while not ended.wait(RESTART_PAUSE_SECONDS):
            for name, child in children.items():
                if child.poll() is not None:
                    self.error_console.print(f"{name} ended with {child.returncode}: starting it.")
                    children[name] = _start(commands[name])
                    restarts += 1
                    if restarts > 100:
                        _stop(children)
                        raise CommandError(f"{name} keeps ending; its messages stand above.")
        _stop(children)
        return {"restarts": restarts}

    def render(self, result: dict[str, Any], console: Any) -> None:
        console.print("Stopped.")


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - fixed programs; host and port are single arguments
        command, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL, start_new_session=True
    )


def _stop(children: dict[str, subprocess.Popen[bytes]]) -> None:
    for child in children.values():
        child.terminate()
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    for child in children.values():
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
