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
        if held := result["held_elsewhere"]["count"]:
            console.print(
                f"{words.tally(held, 'traveller')} {words.bend(held, 'has', 'have')} a session "
                "of another application, which was left alone: "
                f"{', '.join(result['held_elsewhere']['examples'])}. `manage.py check_sessions "
                "--repair` adopts them.",
                style="yellow",
            )
        if not (result["users"] or result["groups"]):
            if result["already_live"]:
                console.print(
                    f"Already live: {words.tally(result['already_live'], 'session')}; added "
                    "nothing."
                )
            elif not held:
                console.print("There is nobody to plan a trip for: run seed_users first.")
            return
        console.print(
            f"Created {words.tally(result['created'], 'session')} and renewed "
            f"{result['renewed']:,}, for "
            f"{words.tally(result['users'], 'user')} and {words.tally(result['groups'], 'group')}; "
            f"live already: {result['already_live']:,}."
        )
        until = words.moment(datetime.fromisoformat(result["expires_at"]))
        console.print(f"They expire at {until}.")
