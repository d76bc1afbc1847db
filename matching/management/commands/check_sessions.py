"""Compare the sessions in PostgreSQL with their live copies in Valkey."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.text import Text

from matching.models.live import ValkeyUnavailable
from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from project.terminal import Table

SHOWN = 10  # travellers named for each finding
TONES = {"pass": "green", "warn": "yellow", "refuse": "red"}
FINDINGS = ("lost", "out_of_step", "without_static_attributes", "orphaned", "malformed", "expired")


class Command(JobCommand):
    """`check_sessions [--min 5] [--repair]`: exit 2 while something needs repair."""

    help = (
        "Compare the sessions with their live copies: live, expired, orphaned, out of step, "
        "without "
        "static attributes. Exits with 2 while something needs repair."
    )
    kind = "matching.repair_sessions"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--repair",
            action="store_true",
            help="restore lost copies, rewrite wrong ones, adopt those of other applications",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if options["repair"]:
            return super().run(**options)
        from matching.queries.session_checks import check_sessions

        try:
            return dict(check_sessions(minimum=options["minimum"]))
        except ValkeyUnavailable as error:
            raise CommandError(str(error)) from error

    def exit_code(self, result: dict[str, Any]) -> int:
        return EXIT_REFUSED if result.get("verdict") == "refuse" else 0

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        if "repaired" in result:
            done = {k.replace("_", " "): v for k, v in result["repaired"].items() if v}
            words = ", ".join(f"{count:,} {name}" for name, count in done.items())
            console.print(f"Repaired: {words or 'there was nothing to do'}.")
        table = Table("sessions", "count", "limit", "verdict")
        for check in result["checks"]:
            table.add_row(
                check["name"],
                f"{check['value']:,}",
                check["limit"],
                Text(check["verdict"], style=TONES[check["verdict"]]),
            )
        console.print(table)
        for finding in FINDINGS:
            found = result[finding]
            for one in found["examples"][:SHOWN]:
                notes = one.get("fields") or [one.get("problem") or one.get("note") or ""]
                line = f"  {finding.replace('_', ' ')}: {one['external_id']}  {', '.join(notes)}"
                console.print(line.rstrip())
            if found["count"] > SHOWN:
                console.print(f"  and {found['count'] - SHOWN:,} more {finding.replace('_', ' ')}")
        if result["remedy"]:
            console.print(f"What to do: {result['remedy']}")
