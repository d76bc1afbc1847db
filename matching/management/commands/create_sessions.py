"""Give users and groups without a live session one."""

from datetime import datetime
from typing import Any

from rich.console import Console

from project import words
from project.jobs.command import JobCommand


class Command(JobCommand):
    """`create_sessions [--ttl-days 7] [--seed 7]`."""

    help = (
        "Draw a trip for each user and group without a live session: a record in PostgreSQL and a "
        "live copy in Valkey."
    )
    kind = "matching.create_sessions"

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
