"""Keeps the directory from which the API answers."""

import logging
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error, close_old_connections
from rich.console import Console

from project import words
from project.command import SeedbedCommand
from project.ending import Ending

if TYPE_CHECKING:
    from matching.services.directory import Keeper

LOOK_SECONDS = 0.25  # between two looks at what changed
logger = logging.getLogger(__name__)


class Command(SeedbedCommand):
    """Encode everybody once, then follow what changes."""

    help = (
        "Encode all users, groups and trips for the API, and follow what changes, looking 4 times "
        "a second. One process of each machine that answers keeps it. Where Valkey tells of "
        "changes to keys, sessions that other applications write are taken over as well."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="encode everybody and end")

    def run(self, **options: Any) -> dict[str, Any]:
        from matching.queries.directory import directory_folder
        from matching.services.directory import AlreadyKept, Keeper

        keeper = Keeper(directory_folder())
        try:
            with keeper.alone():
                taken_in = keeper.look() if options["once"] else _follow(keeper)
        except AlreadyKept as error:
            raise CommandError(
                f"{error} It goes on by itself; end it first to keep it here."
            ) from error
        return {"travellers": len(keeper), "taken_in": taken_in}

    def render(self, result: dict[str, Any], console: Console) -> None:
        """Say how many there are."""
        console.print(
            f"{words.tally(result['travellers'], 'traveller')} encoded, {result['taken_in']:,} "
            "taken in."
        )


def _follow(keeper: "Keeper") -> int:
    """Look until the process is asked to end; return how many travellers were taken in."""
    from matching.services.foreign_sessions import Listener

    ended, listener, taken_in = Ending.by_signal(), Listener(), 0
    while not ended.is_asked:
        try:
            taken_in += keeper.look()
            listener.take_over()
        except Error as error:
            # The next look uses a new connection.
            logger.warning("What changed cannot be seen: %s", type(error).__name__)
        close_old_connections()
        ended.wait(LOOK_SECONDS)
    return taken_in
