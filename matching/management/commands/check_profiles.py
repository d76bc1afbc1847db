"""Show what seed profiles have and lack."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from matching.models import PROFILE_FIELDS
from matching.queries.people import ProfileReport, check_profiles
from matching.queries.words import UnknownWord
from project.command import EXIT_REFUSED, SeedbedCommand
from project.terminal import Table

WORDS_SHOWN = 30  # rows of a table


def render_unknown(words: Sequence[UnknownWord], count: int, console: Console) -> None:
    """Print each word that nobody knows once."""
    if not words:
        return
    table = Table("kind", "word", "profiles", "like", title="Words that are not known")
    for word in words[:WORDS_SHOWN]:
        close = ", ".join(word["close"])
        table.add_row(word["kind"], word["word"], f"{word['profiles']:,}", close)
    console.print(table)
    if count > WORDS_SHOWN:
        console.print(f"and {count - WORDS_SHOWN:,} more; see --json and the page Words.")
    console.print(
        "They are kept as written. Interests take part as rare ones, all others count as missing "
        "until they are taught: admin, Words."
    )


class Command(SeedbedCommand):
    """`check_profiles [ID ...]`: exit 2 if any is incomplete."""

    help = "Show what seed profiles have and lack; exits with 2 if any is incomplete."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="only these users")

    def run(self, **options: Any) -> ProfileReport:
        return check_profiles(options["ids"] or None)

    def exit_code(self, result: ProfileReport) -> int:
        return EXIT_REFUSED if result["verdict"] == "refuse" else 0

    def render(self, result: ProfileReport, console: Console) -> None:
        if result["profiles"]:
            table = Table("user", "set", "missing")
            for row in result["profiles"]:
                count = len(PROFILE_FIELDS) - len(row["missing"])
                table.add_row(
                    row["external_id"],
                    f"{count} of {len(PROFILE_FIELDS)}",
                    ", ".join(row["missing"]) or "nothing",
                )
            console.print(table)
            more = result["users"] - len(result["profiles"])
            if more:
                console.print(f"and {more:,} more.")
        for stranger in result["unknown"]:
            close = (
                f"; did you mean {' or '.join(stranger['close'])}?" if stranger["close"] else "."
            )
            console.print(f"There is no user {stranger['external_id']}{close}")
        console.print(f"{result['complete']:,} of {result['users']:,} profiles are complete.")
        for name, count in result["missing"].items():
            console.print(f"  {name}: missing in {count:,}")
        render_unknown(result["words"], result["unknown_words"], console)
        if result["remedy"]:
            console.print(f"What to do: {result['remedy']}")
