"""Bring the files of earlier places into the store, and remove what no record needs."""

from typing import Any

from rich.console import Console

from project import words
from project.command import EXIT_REFUSED, SeedbedCommand
from project.exports.services import sweep_exports
from project.storage.blobs import the_store
from project.storage.tending import tend_store
from project.uploads.services import sweep_uploads


class Command(SeedbedCommand):
    """`tend_store`: what the scheduler does once an hour, now."""

    help = (
        "Do now what the scheduler does once an hour: copy into the store (SEEDBED_STORE_URL) what "
        "records name and only an earlier folder of this machine has, and remove what no record "
        "has named for a day. Can be ended anywhere and run again. Ends with 2 while a file that a "
        "record names is nowhere."
    )

    def run(self, **options: Any) -> dict[str, Any]:
        swept = {"uploads": sweep_uploads(), "exports": sweep_exports()}
        return {"store": the_store().title, **swept, **tend_store()}

    def exit_code(self, result: Any) -> int:
        return EXIT_REFUSED if result["missing"] else 0

    def render(self, result: Any, console: Console) -> None:
        """Say what was done, and what is missing."""
        console.print(f"Store: {result['store']}")
        if result["is_busy"]:
            console.print("Another process tends it at this moment; nothing was done.")
            return
        console.print(
            f"{words.tally(result['files'], 'file')}, {result['taken_over']:,} of them taken "
            "over now; "
            f"{result['removed']:,} removed that no record named; "
            f"{words.tally(result['uploads'], 'upload')} "
            f"forgotten that nobody came for, {words.tally(result['exports'], 'export')} whose "
            "time was over."
        )
        for title in result["missing"]:
            console.print(f"Missing: {title}", style="bold yellow")
        if result["missing"]:
            console.print("Run this on the machine that has them, or restore them from a backup.")
