"""Starts what is due and rings again for what waits."""

import logging
import threading
from typing import Any

from django.core.management.base import CommandParser
from django.db import Error, close_old_connections, connection

from project.bootstrap import start_servers
from project.command import SeedbedCommand, whole_number
from project.embedded import ServerFailure
from project.ending import Ending
from project.exports.services import sweep_exports
from project.jobs.models import Process
from project.jobs.processes import beat, leave
from project.jobs.reconciler import tick
from project.refusal import Refusal
from project.storage.failures import ArtifactUnwritable
from project.storage.tending import tend_store
from project.uploads.services import sweep_uploads

SWEEP_TICKS = 3600  # about an hour between two looks for files that nobody needs any more
LONGEST_PAUSE_SECONDS = 3600  # what waits or lost its worker is looked for once a pause
logger = logging.getLogger(__name__)


class Command(SeedbedCommand):
    """Tick every second; any number of schedulers may run."""

    help = (
        "Start schedules that are due and ring for jobs that wait or whose worker died. "
        "Any number may run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="tick once and end")
        parser.add_argument(
            "--every",
            type=whole_number(1, LONGEST_PAUSE_SECONDS),
            default=1,
            help=f"seconds between ticks, at most {LONGEST_PAUSE_SECONDS} (default 1)",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if options["once"]:
            done = tick()
            return {"rung": done.rung, "scheduled": done.scheduled}
        ended = Ending.by_signal()
        ticks = 0
        sweeping: threading.Thread | None = None
        while not ended.is_asked:
            try:
                beat(Process.Role.SCHEDULER)
                if tick().unheard:
                    _restart_servers()
                if ticks % SWEEP_TICKS == 0 and not (sweeping and sweeping.is_alive()):
                    # Beside the ticks: a large file on its way holds up no schedule.
                    sweeping = threading.Thread(target=_sweep, name="sweep", daemon=True)
                    sweeping.start()
                ticks += 1
            except Error as error:
                # The next tick uses a new connection, and an embedded server is started again.
                logger.warning("A tick failed: %s", error)
                _restart_servers()
            close_old_connections()
            ended.wait(options["every"])
        leave()
        return {"ticks": ticks}

    def render(self, result: dict[str, Any], console: Any) -> None:
        console.print(", ".join(f"{name}: {number}" for name, number in result.items()))


def _sweep() -> None:
    try:
        sweep_uploads()
        sweep_exports()
        tend_store()
    except (Error, Refusal, ArtifactUnwritable) as error:
        logger.warning("The store was not tended, the next hour tries again: %s", error)
    finally:
        connection.close()


def _restart_servers() -> None:
    try:
        start_servers()
    except ServerFailure as failure:
        logger.error("%s", failure)
