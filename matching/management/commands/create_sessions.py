"""Give users and groups without a live session one."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.domain.limits import DEFAULT_SEED, DEFAULT_TTL_DAYS, MAX_TTL_DAYS
from project import words
from project.command import positive_int
from project.jobs.command import JobCommand


class Command(JobCommand):
    """`create_sessions [--ttl-days 7] [--seed 7]`."""

    help = (
        "Draw a trip for each user and group without a live session: a record in PostgreSQL and a "
        "live copy in Valkey."
    )
    kind = "matching.create_sessions"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--ttl-days",
            type=positive_int,
            default=DEFAULT_TTL_DAYS,
            help=f"days until they expire (default {DEFAULT_TTL_DAYS})",
        )
        parser.add_argument(
            "--seed", type=int, default=DEFAULT_SEED, help=f"of what is drawn ({DEFAULT_SEED})"
        )

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        if options["ttl_days"] > MAX_TTL_DAYS:
            raise CommandError(
                f"Expected at most {MAX_TTL_DAYS} --ttl-days, got {options['ttl_days']:,}."
            )
        if options["seed"] < 0:
            raise CommandError(f"Expected a --seed of 0 or more, got {options['seed']}.")
        return {"ttl_days": options["ttl_days"], "seed": options["seed"]}

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        if not (result["users"] or result["groups"]):
            if result["already_live"]:
                console.print(f"All {result['already_live']:,} sessions are live; added nothing.")
            else:
                console.print("There is nobody to plan a trip for: run seed_users first.")
            return
        console.print(
            f"Created {result['created']:,} sessions and renewed {result['renewed']:,}, for "
            f"{result['users']:,} users and {result['groups']:,} groups; "
            f"{result['already_live']:,} were live already."
        )
        until = words.moment(datetime.fromisoformat(result["expires_at"]))
        console.print(f"They expire at {until}.")
