"""The base of commands that import groups and trips."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from project import words
from project.mappings.command import TableCommand
from project.tabular.packed import Unpackable
from project.terminal import Table
from project.uploads.services import keep_upload

SHOWN = 20  # refused rows


class TravelFileCommand(TableCommand):
    """`import_groups FILE --origin real`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="any table")
        super().add_arguments(parser)

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        try:
            with options["file"].open("rb") as stream:
                upload = keep_upload(stream, options["file"].name)
        except (OSError, Unpackable) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from None
        return {"file": str(upload.pk), **super().job_arguments(**options)}

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            f"{result['file']}: {words.tally(result['rows'], 'row')}; {result['added']:,} added, "
            f"{result['updated']:,} updated, {result['unchanged']:,} unchanged, "
            f"{result['rows_refused']:,} refused."
        )
        for note in result["notes"]:
            console.print(f"  {note}")
        if result["errors"]:
            table = Table("line", "id", "field", "what is wrong", title="Refused rows")
            for one in result["errors"][:SHOWN]:
                table.add_row(str(one["line"]), one["user"], one["field"], one["message"])
            console.print(table)
            console.print("They are kept: mend them in the admin, Refused rows.")
