"""`manage.py import_feedback`: land a file of feedback."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from feedback.queries.runs import CheckedFile, ImportedFile
from project import words
from project.command import EXIT_REFUSED
from project.mappings.command import TableCommand
from project.tabular.packed import Unpackable
from project.terminal import Table as ConsoleTable
from project.uploads.services import keep_upload


class Command(TableCommand):
    help = (
        "Import a file of feedback as CSV, JSON, JSON Lines, xlsx or parquet, packed or not. "
        "Bad rows are refused with their line and reason, the good ones land, none twice."
    )
    kind = "feedback.import_feedback"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="any table; - for standard input")
        super().add_arguments(parser)

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        try:
            if options["file"] == "-":
                upload = keep_upload(sys.stdin.buffer, "standard input")
            else:
                path = Path(options["file"])
                with path.open("rb") as stream:
                    upload = keep_upload(stream, path.name)
        except (OSError, Unpackable) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from None
        return {"file": str(upload.pk), **super().job_arguments(**options)}

    def exit_code(self, result: dict[str, Any]) -> int:
        """Say 2 where every row was refused."""
        return EXIT_REFUSED if 0 < result.get("found", 0) == result["rejected"] else 0

    def render_result(self, result: ImportedFile | CheckedFile, console: Console) -> None:
        if "dry_run" in result:
            console.print(
                f"Checked {words.tally(result['found'], 'row')}, wrote none: "
                f"{result['accepted']:,} would land, "
                f"{result['rejected']:,} would be refused."
            )
        else:
            console.print(
                f"{words.tally(result['found'], 'row')}: {result['new']:,} new, "
                f"{result['known']:,} known, "
                f"{result['changed']:,} changed, {result['rejected']:,} refused."
            )
        for note in result["notes"]:
            console.print(f"  {note}")
        if result["errors"]:
            table = ConsoleTable("Line", "Reason", "Detail")
            for one in result["errors"]:
                table.add_row(str(one["line"]), one["reason"], one["detail"])
            console.print(table)
        if len(result["errors"]) < result["rejected"]:
            console.print(f"... and {result['rejected'] - len(result['errors']):,} more.")
