"""`manage.py import_feedback`: land a file of feedback."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from feedback.domain.tables import MappingError, table_named
from feedback.queries.runs import CheckedFile, ImportedFile
from feedback.services.uploads import keep_upload
from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from project.terminal import Table as ConsoleTable


class Command(JobCommand):
    help = (
        "Import a CSV, JSON or JSONL file of feedback (.gz too, - for JSONL from standard input). "
        "Bad rows are refused with their line and reason, the good ones land, none twice."
    )
    kind = "feedback.import"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument(
            "--table", required=True, help="quality_feedback, explanations or ab_testing"
        )
        parser.add_argument("--source", default="files", help="the source that keeps the rows")
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="KNOWN=THEIRS",
            help="the file calls this column otherwise; repeat for several",
        )
        parser.add_argument("--dry-run", action="store_true", help="check the rows, write nothing")

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        try:
            table = table_named(options["table"]).name
        except MappingError as error:
            raise CommandError(str(error)) from None
        columns = dict(pair.partition("=")[::2] for pair in options["column"])
        if not all(columns.values()):
            raise CommandError("Expected --column KNOWN=THEIRS, such as quality_rating=stars.")
        try:
            if options["file"] == "-":
                name, kept = "standard-input.jsonl", keep_upload(sys.stdin.buffer)
            else:
                path = Path(options["file"])
                name = path.name
                with path.open("rb") as stream:
                    kept = keep_upload(stream)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from None
        return {
            "path": str(kept),
            "name": name,
            "table": table,
            "source": options["source"],
            "columns": columns,
            "dry_run": options["dry_run"],
        }

    def exit_code(self, result: dict[str, Any]) -> int:
        """Say 2 where every row was refused."""
        return EXIT_REFUSED if 0 < result.get("found", 0) == result["rejected"] else 0

    def render_result(self, result: ImportedFile | CheckedFile, console: Console) -> None:
        if "dry_run" in result:
            console.print(
                f"Checked {result['found']:,} rows, wrote none: {result['accepted']:,} would land, "
                f"{result['rejected']:,} would be refused."
            )
        else:
            console.print(
                f"{result['found']:,} rows: {result['new']:,} new, {result['known']:,} known, "
                f"{result['changed']:,} changed, {result['rejected']:,} refused."
            )
        if result["errors"]:
            table = ConsoleTable("Line", "Reason", "Detail")
            for one in result["errors"]:
                table.add_row(str(one["line"]), one["reason"], one["detail"])
            console.print(table)
        if len(result["errors"]) < result["rejected"]:
            console.print(f"... and {result['rejected'] - len(result['errors']):,} more.")
