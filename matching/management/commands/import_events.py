"""Imports event logs; good lines land once, the others are kept with their reason."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.domain.words import FeatureSet
from matching.services.stored_logs import LogUnreadable, StoredLog, store_log
from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from project.origin import ROW_ORIGINS


class Command(JobCommand):
    """`import_events FILE ... [--origin real|synthetic] [--dry-run]`; `-` reads stdin."""

    help = (
        "Import event logs, one JSON object a line, packed with gzip or not. The same file or "
        "event twice adds nothing. Lines that cannot be taken are kept with their reason; exit 2 "
        "when no line could be taken."
    )
    kind = "matching.import_events"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="+", metavar="FILE", help="a log, or - for stdin")
        parser.add_argument(
            "--origin",
            choices=[origin.value for origin in ROW_ORIGINS],
            help="what the events are; by default what the log says, else real",
        )
        parser.add_argument(
            "--feature-set",
            choices=[one.value for one in FeatureSet],
            default=FeatureSet.TIERED.value,
            help="formulas that the logged features were made with (default tiered-1)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would happen and add nothing"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if not options["dry_run"]:
            return super().run(**options)
        from matching.domain.log.account import summarise_files
        from matching.queries.known_events import preview_log

        with TemporaryDirectory() as name:
            folder = Path(name)
            results = []
            for file in options["file"]:
                stored = self._store(file, folder)
                results.append(
                    preview_log(folder / stored.sha256, stored.name, origin=options["origin"])
                )
        return {"dry_run": True, **summarise_files(results)}

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        return {
            "files": [self._store(file).as_dict() for file in options["file"]],
            "origin": options["origin"],
            "feature_set": options["feature_set"],
        }

    def _store(self, file: str, folder: Path | None = None) -> StoredLog:
        try:
            if file == "-":
                return store_log(sys.stdin.buffer, "stdin", folder=folder)
            with Path(file).open("rb") as stream:
                return store_log(stream, file, folder=folder)
        except (LogUnreadable, OSError) as error:
            raise CommandError(f"{file}: {error}") from error

    def exit_code(self, result: dict[str, Any]) -> int:
        """Return 2 when there were lines and none could be taken."""
        nothing = result.get("found") and not result["new"] and not result["known"]
        return EXIT_REFUSED if nothing else 0

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        would = "would be " if result.get("dry_run") else ""
        for one in result["files"]:
            where = f"batch {one['batch']}, {one['origin']}" if one["batch"] else one["origin"]
            console.print(
                f"{one['file']} ({where}): {one['found']:,} events found, {one['new']:,} "
                f"{would}new, "
                f"{one['known']:,} already known, {one['rejected']:,} rejected."
            )
            if one["is_known_file"]:
                console.print(
                    f"  This very file was imported before as batch {one['batch']}; nothing was "
                    "added."
                )
            elif one["known"]:
                batches = ", ".join(f"{n:,} in batch {pk}" for pk, n in one["known_in"].items())
                console.print(f"  Already known: {batches or 'repeated within the file'}.")
            for reason, count in one["rejected_by_reason"].items():
                console.print(f"  {count:,} rejected, {reason}:")
                for example in one["examples"]:
                    if example["reason"] == reason:
                        console.print(f"    line {example['line']:,}: {example['message']}")
            if one["ignored"]:
                names = ", ".join(f"{name} ({count:,})" for name, count in one["ignored"].items())
                console.print(f"  Unknown names, ignored: {names}.")
