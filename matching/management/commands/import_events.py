"""Imports event logs; good lines land once, the others are kept with their reason."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO
from uuid import uuid4

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.domain.words import OnChange
from project import words
from project.command import EXIT_REFUSED
from project.jobs.contract import UnusableArguments, get_kind, read_arguments
from project.jobs.options import answers
from project.mappings.command import TableCommand
from project.tabular.packed import Unpackable
from project.uploads.services import copy_unpacked, keep_upload
from project.words import share

CHANGED = {
    "": "Known with other content",
    OnChange.REPLACE: "Known with other content and replaced",
    OnChange.KEEP: "Known with other content and kept as they were",
    OnChange.REFUSE: "Known with other content and refused",
}


class Command(TableCommand):
    """`import_events FILE ... [--origin real|synthetic] [--dry-run]`; `-` reads stdin."""

    help = (
        "Import event logs, one JSON object a line, packed with gzip or not. The same file or "
        "event twice adds nothing. Lines that cannot be taken are kept with their reason."
    )
    kind = "matching.import_events"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="+", metavar="FILE", help="a log, or - for stdin")
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would happen and add nothing"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if not options["dry_run"]:
            return super().run(**options)
        from matching.domain.log.account import LogPreview, summarise_files
        from matching.jobs.foreign import preview_table
        from matching.queries.known_events import preview_log

        table = self._table_arguments(options)
        results: list[LogPreview] = []
        with TemporaryDirectory() as name:
            copy = Path(name) / "log"
            for file in options["file"]:
                with _opened(file) as stream, copy.open("wb") as target:
                    copy_unpacked(stream, target)
                shown = _shown(file)
                results.append(
                    preview_table(copy, shown, table)
                    or preview_log(copy, shown, origin=options["origin"] or None)
                )
        return {"dry_run": True, **summarise_files(results)}

    def _table_arguments(self, options: dict[str, Any]) -> Any:
        """What the command says of a table, without files of which a job could be given."""
        said = {**answers(self._questions(), options), "files": [str(uuid4())]}
        try:
            return read_arguments(get_kind(self.kind), said)
        except UnusableArguments as error:
            raise CommandError(str(error)) from error

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        uploads = []
        for file in options["file"]:
            with _opened(file) as stream:
                uploads.append(str(keep_upload(stream, _shown(file)).pk))
        return {"files": uploads, **super().job_arguments(**options)}

    def exit_code(self, result: dict[str, Any]) -> int:
        """Return 2 when there were lines and none could be taken."""
        usable = ("new", "known", "changed")
        nothing = result.get("found") and not any(result[name] for name in usable)
        return EXIT_REFUSED if nothing else 0

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        would = "would be " if result.get("dry_run") else ""
        for one in result["files"]:
            where = f"batch {one['batch']}, {one['origin']}" if one["batch"] else one["origin"]
            where += f", {one['feature_set']}" if one["feature_set"] else ""
            changed = f"{one['changed']:,} known with other content, " if one["changed"] else ""
            console.print(
                f"{one['file']} ({where}): {words.tally(one['found'], 'event')} found, "
                f"{one['new']:,} "
                f"{would}new, "
                f"{one['known']:,} already known, {changed}{one['rejected']:,} rejected."
            )
            if one["is_known_file"]:
                console.print(
                    f"  This very file was imported before as batch {one['batch']}; nothing was "
                    "added."
                )
            elif one["known"]:
                batches = ", ".join(f"{n:,} in batch {pk}" for pk, n in one["known_in"].items())
                console.print(f"  Already known: {batches or 'repeated within the file'}.")
            if one["changed"]:
                batches = ", ".join(f"{n:,} in batch {pk}" for pk, n in one["changed_in"].items())
                console.print(f"  {CHANGED[one['on_change']]}: {batches or 'within the file'}.")
            if one["exposures"]:
                console.print(
                    f"  {words.tally(one['exposures'], 'view')} alone: counted, no events."
                )
            if one["people_known"] is not None:
                console.print(
                    f"  Features of profiles of that day: {share(one['people_known'])} of the "
                    "events are of people who are known by id."
                )
            for reason, count in one["rejected_by_reason"].items():
                console.print(f"  {count:,} rejected, {reason}:")
                for example in one["examples"]:
                    if example["reason"] == reason:
                        console.print(f"    line {example['line']:,}: {example['message']}")
            for note in one.get("notes", ()):
                console.print(f"  {note}")
            for warning in one["warnings"]:
                console.print(f"  {warning}", style="yellow")
            if one["ignored"]:
                names = ", ".join(f"{name} ({count:,})" for name, count in one["ignored"].items())
                console.print(f"  Unknown names, ignored: {names}.")


def _shown(file: str) -> str:
    return "stdin" if file == "-" else file


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    try:
        if file == "-":
            yield sys.stdin.buffer
        else:
            with Path(file).open("rb") as stream:
                yield stream
    except (Unpackable, OSError) as error:
        raise CommandError(f"{file}: {error}") from error
