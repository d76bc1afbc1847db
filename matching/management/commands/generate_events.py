"""Generates a batch of synthetic match events."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.models import EventBatch
from project import words
from project.jobs.command import JobCommand
from project.output import require_output


class Command(JobCommand):
    """Make events from the live sessions of complete users."""

    help = (
        "Generate synthetic match events from the live sessions of complete users. The same seed "
        "and population give the same events. Refuses (exit 2) when the population cannot give "
        "the count without repeats."
    )
    kind = "matching.generate_events"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--output",
            type=Path,
            metavar="F.jsonl[.gz]",
            help="write the events to this file as well; the same seed and population give the "
            "same bytes",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        output = options["output"]
        if output is not None and options["detach"]:
            raise CommandError("--output waits for the events and --detach does not: give one.")
        if output is not None:
            require_output(output)
        result = super().run(**options)
        if output is not None:
            from matching.queries.exports import write_log_file

            write_log_file(output, [EventBatch.objects.get(pk=result["batch"])])
            result["output"] = str(output)
        return result

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        arguments = super().job_arguments(**options)
        if not options["json"] and not options["detach"]:
            from matching.queries.generations import preview

            forecast = preview(**arguments)
            pairs = ", ".join(f"{n:,} {name}" for name, n in forecast["distinct_pairs"].items())
            self.error_console.print(
                f"Distinct pairs: {pairs}. Expected copies among {options['count']:,} feature "
                f"vectors: {words.share(forecast['expected_duplicate_share'])}."
            )
        return arguments

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            f"Batch {result['batch']} (synthetic): {result['asked']:,} asked, {result['made']:,} "
            f"made, {words.share(result['label_share'])} with label 1."
        )
        if "output" in result:
            console.print(f"Written to {result['output']}.")
        for reason, skipped in result["skipped"].items():
            named = "; ".join(
                one["external_id"]
                + (f" without {', '.join(one['missing'])}" if one.get("missing") else "")
                for one in skipped["examples"][:10]
            )
            more = "" if skipped["count"] <= 10 else f"; and {skipped['count'] - 10:,} more"
            console.print(f"Left out, {reason}: {skipped['count']:,} ({named}{more})")
        if result["remedy"]:
            console.print(result["remedy"])
