"""Removes what is older than the settings keep it; by hand or by schedule."""

from typing import Any

from django.core.management.base import CommandParser

from overview.jobs.sayings import say_tidied
from overview.services.tidying import switch_off, switch_on
from project import words
from project.command import whole_number
from project.jobs.command import JobCommand
from project.jobs.models import LONGEST_SECONDS
from project.jobs.services import owner_for_operator
from project.removal.retention import NAMES
from project.terminal import Console

MOST_DAYS = LONGEST_SECONDS // (24 * 3600)


class Command(JobCommand):
    """`tidy [--every DAYS | --off]`."""

    kind = "overview.tidy_rows"
    help = (
        "Remove what is older than it is kept: texts of answers, rows that were refused, lines of "
        f"the score log, each by its setting in days ({', '.join(NAMES)}; unset or 0 keeps them "
        "for ever). Ends with 2 where all is kept for ever."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        by_itself = parser.add_mutually_exclusive_group()
        by_itself.add_argument(
            "--every",
            type=whole_number(1, MOST_DAYS),
            metavar="DAYS",
            help="do it by itself every so many days; `manage.py serve` or `scheduler` must run",
        )
        by_itself.add_argument("--off", action="store_true", help="do it no more by itself")
        parser.add_argument(
            "--owner",
            default="",
            metavar="USERNAME",
            help="the account with whose rights --every does it (default: SEEDBED_SCHEDULE_OWNER, "
            "else the only active superuser)",
        )

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        return {}

    def run(self, **options: Any) -> dict[str, Any]:
        if options["every"]:
            schedule = switch_on(owner=owner_for_operator(options["owner"]), days=options["every"])
            return {"schedule": schedule.name, "next_at": schedule.next_run_at.isoformat()}
        if options["off"]:
            schedule_of_before = switch_off()
            return {"schedule": None, "was": getattr(schedule_of_before, "name", None)}
        return super().run(**options)

    def render(self, result: Any, console: Console) -> None:
        if "schedule" not in result:
            super().render(result, console)
        elif result["schedule"]:
            console.print("What is older than it is kept goes by itself from now on.")
        else:
            console.print("Nothing is removed by itself any more.")

    def render_result(self, result: Any, console: Console) -> None:
        console.print(say_tidied(result).text)
        for noun, days in result["days"].items():
            console.print(
                f"  {words.counted(result['counts'][noun], noun)}: older than "
                f"{words.tally(days, 'day')}"
            )
