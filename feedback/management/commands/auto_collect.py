"""`manage.py auto_collect on|off|status`: the hourly collection."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from feedback.queries.schedule import current_schedule
from feedback.services.schedule import switch_off, switch_on
from project import words
from project.command import SeedbedCommand, whole_number
from project.jobs.models import LONGEST_SECONDS
from project.jobs.services import owner_for_operator


class Command(SeedbedCommand):
    help = "Collect feedback by itself, every hour; `manage.py serve` or `scheduler` must run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=("on", "off", "status"))
        parser.add_argument(
            "--minutes",
            type=whole_number(1, LONGEST_SECONDS // 60),
            help="minutes between two collections",
        )
        parser.add_argument(
            "--owner",
            default="",
            metavar="USERNAME",
            help="the account with whose rights it runs (default: SEEDBED_SCHEDULE_OWNER, else the "
            "only active superuser)",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if options["what"] == "on":
            minutes = options["minutes"]
            switch_on(
                owner=owner_for_operator(options["owner"]),
                interval_seconds=60 * minutes if minutes else None,
            )
        elif options["what"] == "off":
            switch_off()
        schedule = current_schedule()
        if schedule is None or not schedule.is_enabled:
            return {"enabled": False}
        last = schedule.jobs.order_by("-created_at").first()
        return {
            "enabled": True,
            "interval_seconds": schedule.interval_seconds,
            "cron": schedule.cron,
            "next_run": schedule.next_run_at.isoformat(),
            "missed_runs": schedule.missed_runs,
            "last_job": None if last is None else {"job": str(last.pk), "state": last.state},
        }

    def render(self, result: dict[str, Any], console: Console) -> None:
        if not result["enabled"]:
            console.print("Automatic collection is off.")
            return
        every = result["cron"] or words.duration(result["interval_seconds"])
        due = words.moment(datetime.fromisoformat(result["next_run"]))
        console.print(f"Automatic collection is on, every {every}; next at {due}.")
        if result["last_job"]:
            console.print(f"Last: job {result['last_job']['job']}, {result['last_job']['state']}.")
