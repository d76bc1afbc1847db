"""Exports batches of events as a log."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.models import EventBatch
from project import words
from project.audit.models import Act
from project.audit.services import record
from project.command import SeedbedCommand, positive_int


class Command(SeedbedCommand):
    """`export_events --batch ID ... [--output F.jsonl[.gz]|-]`."""

    help = (
        "Write the events of complete batches of one origin in the event-log format, batch after "
        "batch; the same bytes each time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", nargs="+", type=positive_int, required=True, metavar="ID")
        parser.add_argument(
            "--output",
            default="-",
            metavar="F.jsonl[.gz]",
            help="plain file to write, for its owner alone, written over where it is there and "
            "packed when it ends in .gz; links, pipes and devices are refused; - for stdout "
            "(default)",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        from matching.queries.exports import export_batches, write_log_file

        found = EventBatch.objects.in_bulk(options["batch"])
        absent = [str(pk) for pk in options["batch"] if pk not in found]
        if absent:
            raise CommandError(
                f"There is no batch {', '.join(absent)}; `manage.py status` shows the batches."
            )
        batches = [found[pk] for pk in options["batch"]]
        output = options["output"]
        if output == "-":
            if options["json"]:
                raise CommandError("--json and the events cannot both go to stdout; give --output.")
            for block in export_batches(batches):
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
            _note(batches, "the terminal")
            return {}
        events = write_log_file(Path(output), batches)
        _note(batches, output)
        return {"output": output, "batches": options["batch"], "events": events}

    def render(self, result: dict[str, Any], console: Console) -> None:
        if result:
            console.print(
                f"{words.tally(result['events'], 'event')} written to {result['output']}."
            )


def _note(batches: Sequence[EventBatch], place: str) -> None:
    for batch in batches:
        record(Act.EXPORT, about=batch, detail=f"to {place}")
