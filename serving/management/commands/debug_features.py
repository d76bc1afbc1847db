"""Shows what production sees of one person now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser
from rich.console import Console

from project import clock, words
from project.command import SeedbedCommand
from project.terminal import Table

if TYPE_CHECKING:
    from serving.queries.debugging import Seen


class Command(SeedbedCommand):
    """`debug_features USER`."""

    help = (
        "Show what production sees of a person now: attributes and trip, features against every "
        "live person, which are missing, how much the scores vary, and what the score log has of "
        "the last day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="external id of the person")

    def run(self, **options: Any) -> Seen:
        from serving.queries.debugging import see_person

        return see_person(options["user"], at=clock.now())

    def render(self, result: Seen, console: Console) -> None:
        if result["warning"]:
            console.print(result["warning"], style="bold yellow")
        for title, told, lacking in (
            ("Attributes", result["attributes"], result["no_attributes"]),
            ("Trip", result["trip"], result["no_trip"]),
        ):
            said = ", ".join(f"{name} {_shown(value)}" for name, value in told.items())
            console.print(f"{title}: {said or 'none'}.")
            if lacking:
                console.print(f"  Not there: {', '.join(lacking)}.", style="bold yellow")
        by = f"model {result['model_version']}" if result["model_version"] else "the rules"
        console.print(
            f"Against {words.counted(result['live'], 'live person', 'live people')}, by {by}: "
            f"{words.counted(result['candidates'], 'candidate')}, "
            f"{words.counted(result['different'], 'different score')} from "
            f"{words.number(result['lowest'])} to {words.number(result['highest'])}; the most "
            f"common one, {words.number(result['most_common'])}, is that of "
            f"{words.share(result['most_common_share'])}."
        )
        for why, count in result["gates"].items():
            console.print(f"  No candidates: {words.number(count)}, because {why}.")
        table = Table("Feature", "Missing", "Lowest", "Median", "Highest", "Missing in the log")
        for one in result["features"]:
            table.add_row(
                one["title"],
                words.share(one["missing_share"]),
                words.number(one["lowest"]),
                words.number(one["median"]),
                words.number(one["highest"]),
                words.share(result["logged_missing"].get(one["name"], 0.0))
                if result["logged"]
                else words.NONE,
            )
        console.print(table)
        last = result["last_logged_at"]
        console.print(
            f"In the last day {words.counted(result['logged'], 'pair')} of theirs were answered, "
            f"the last at {words.moment(last)}."
            if last
            else "No application asked about them in the last day."
        )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(value)
    return words.number(value) if isinstance(value, float) else str(value)
