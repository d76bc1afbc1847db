"""Give the folder of artefacts to this database on purpose."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from rich.console import Console

from project import words
from project.audit.models import Act
from project.audit.services import record
from project.command import EXIT_REFUSED, SeedbedCommand
from project.storage.adoption import Adoption, OwnerFields, adopt_folder, describe_adoption
from project.terminal import Table


class Command(SeedbedCommand):
    """`adopt_folder [--yes]`: what this database would own there, and whose folder it was."""

    help = (
        "Say whose store of files SEEDBED_STORE_URL names (by default the folder artifacts of "
        "SEEDBED_VAR) and what this database would own there; with --yes make it this database's. "
        "For a database that was restored or moved, and a store that was, as from a folder into a "
        "bucket. No file is changed or removed. Ends with 2 while the store is another's."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--yes",
            action="store_true",
            help="adopt it; the database that had it is then refused, until it adopts it again",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        described = describe_adoption()
        if options["yes"] and not described["is_own"]:
            with transaction.atomic():
                was = described["owner"]
                record(
                    Act.FOLDER,
                    title=described["folder"],
                    detail=f"was that of {_words_of(was)}" if was else "carried no installation id",
                )
                described = adopt_folder()
        return {**described}

    def exit_code(self, result: Any) -> int:
        return 0 if result["is_own"] else EXIT_REFUSED

    def render(self, result: Any, console: Console) -> None:
        found: Adoption = result
        console.print(f"Folder: {found['folder']}")
        console.print(f"This database: {_words_of(found['this'])}")
        owner = found["owner"]
        console.print(
            f"The folder's: {_words_of(owner)}"
            if owner
            else "The folder carries no installation id.",
        )
        table = Table("Records of this database", "All", "Files there", "Gone", "Changed")
        for name, records in found["records"].items():
            counts = (records[key] for key in ("records", "there", "gone", "changed"))
            table.add_row(name, *(f"{count:,}" for count in counts))
        console.print(table)
        for records in found["records"].values():
            for line in records["named"]:
                console.print(line)
        if found["unrecorded"]:
            console.print(
                f"{words.tally(found['unrecorded'], 'file')} "
                f"{words.bend(found['unrecorded'], 'is', 'are')} named by no record of this "
                "database; they "
                f"stay: {', '.join(found['unrecorded_files'])}",
            )
        if found["is_adopted"]:
            console.print("The folder is this database's now.", style="bold")
        elif found["is_own"]:
            console.print("Nothing to adopt: the folder is this database's.")
        else:
            console.print(found["problem"], style="bold yellow")
            console.print("Nothing was changed. To adopt it: manage.py adopt_folder --yes")


def _words_of(owner: OwnerFields) -> str:
    return f"installation {owner['installation']}, database {owner['database']}"
