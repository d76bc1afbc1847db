"""`manage.py collect_feedback`: read what is new at the sources."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.console import Console

from feedback.queries.runs import Collected
from feedback.queries.schedule import COLLECT_KIND
from feedback.queries.sources import sources_named
from project.command import EXIT_ERROR, EXIT_REFUSED, positive_int
from project.jobs.command import JobCommand
from project.terminal import Table as ConsoleTable


class Command(JobCommand):
    help = (
        "Collect feedback from the databases that are sources: what is new since the last time, "
        "rows that came late inside the overlap, or all of a window."
    )
    kind = COLLECT_KIND

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--source", action="append", default=[], metavar="NAME", help="repeat for several"
        )
        parser.add_argument("--days", type=positive_int, help="read the last N days again")
        parser.add_argument("--since", metavar="D", help="read again from this date or time")
        parser.add_argument("--until", metavar="D", help="up to this date or time, without it")
        parser.add_argument(
            "--limit",
            type=positive_int,
            help="most rows of each table to go forward; the next collection goes on there",
        )

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        if options["days"] and (options["since"] or options["until"]):
            raise CommandError("Give either --days or --since and --until.")
        since, until = _iso(options["since"]), _iso(options["until"])
        if since and until and since >= until:
            raise CommandError(f"--since must lie before --until; got {since} and {until}.")
        sources_named(options["source"])
        return {
            "sources": options["source"],
            "days": options["days"],
            "start": since,
            "end": until,
            "limit": options["limit"],
        }

    def exit_code(self, result: Collected) -> int:
        """Say 1 where a source could not be read, 2 where every row that came was refused."""
        if result.get("failed"):
            return EXIT_ERROR
        tables = [one for source in result.get("sources", ()) for one in source["tables"]]
        found = sum(one["found"] for one in tables)
        return EXIT_REFUSED if 0 < found == sum(one["rejected"] for one in tables) else 0

    def render_result(self, result: Collected, console: Console) -> None:
        if not result["sources"]:
            console.print(
                "No source to read. Add a PostgreSQL source in the admin, Feedback sources."
            )
        table = ConsoleTable("Source", "Table", "State")
        for title in ("Found", "Source's count", "New", "Known", "Changed", "Rejected", "Left"):
            table.add_column(title, justify="right")
        remarks = []
        for source in result["sources"]:
            for one in source["tables"]:
                count = one["source_count"]
                table.add_row(
                    source["source"],
                    one["table"] or "-",
                    one["state"],
                    f"{one['found']:,}",
                    "-" if count is None else f"{count:,}",
                    *(f"{one[key]:,}" for key in ("new", "known", "changed", "rejected")),
                    f"{one['remaining']:,}",
                )
                where = f"{source['source']} {one['table']}".strip()
                if one["error"]:
                    remarks.append(f"{where}: {one['error']}")
                remarks += [f"{where}: {note}" for note in one["notes"]]
                if one["reasons"]:
                    reasons = ", ".join(f"{count} {name}" for name, count in one["reasons"].items())
                    remarks.append(f"{where}: refused {reasons}")
        if result["sources"]:
            console.print(table)
        for remark in remarks:
            console.print(remark)
        if result["waiting"]:
            console.print(f"Waiting after failures: {', '.join(result['waiting'])}.")


def _iso(text: str | None) -> str | None:
    """Read a date or time, in the project's zone unless it says another, and write it in UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
        return moment.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # the year 9999 in a zone west of ours is no date here
        raise CommandError(
            f"Expected a date or time such as 2026-05-01 or 2026-05-01T12:00+02:00, got {text!r}."
        ) from None
