"""Make seed users: drawn, from a file, or by filling in what existing ones lack."""

import hashlib
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.domain.limits import DEFAULT_SEED, DEFAULT_USERS, MAX_USERS
from matching.domain.profile_files import UnreadableFile, read_profiles
from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from project.terminal import Table

SHOWN = 20  # rows of a table


def count_to_draw(text: str) -> int:
    """Read how many users to draw; 0 leaves only the named ones."""
    if not text.isascii() or not text.isdigit() or int(text) > MAX_USERS:
        raise ArgumentTypeError(f"expected a whole number from 0 to {MAX_USERS:,}, got {text!r}")
    return int(text)


class Command(JobCommand):
    """`seed_users [--count 200] [--seed 7] | --file F.json|.csv | --complete`."""

    help = (
        "Make seed users: the six named ones and a drawn population (synthetic), the users of a "
        "file, or what is missing in existing profiles. Running it again adds nothing twice."
    )
    kind = "matching.seed_users"

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--count",
            type=count_to_draw,
            default=DEFAULT_USERS,
            help=f"users to draw beside the named ones (default {DEFAULT_USERS})",
        )
        source.add_argument(
            "--file", type=Path, metavar="F.json|.csv", help="import the users of this file"
        )
        source.add_argument(
            "--complete", action="store_true", help="fill in what existing profiles lack"
        )
        parser.add_argument(
            "--seed", type=int, default=DEFAULT_SEED, help=f"of what is drawn ({DEFAULT_SEED})"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if options["seed"] < 0:
            raise CommandError(f"Expected a --seed of 0 or more, got {options['seed']}.")
        if options["file"] is not None:
            self.kind = "matching.import_users"
        elif options["complete"]:
            self.kind = "matching.complete_users"
        return super().run(**options)

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        if options["file"] is not None:
            return _checked_file(options["file"])
        if options["complete"]:
            return {"seed": options["seed"]}
        return {"count": options["count"], "seed": options["seed"]}

    def exit_code(self, result: dict[str, Any]) -> int:
        return EXIT_REFUSED if result.get("rows_refused") else 0

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        if "rows" in result:
            _render_import(result, console)
        elif "completed" in result:
            _render_completion(result, console)
        else:
            _render_seeding(result, console)


def _checked_file(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in (".json", ".csv"):
        raise CommandError(f"Expected a file named .json or .csv, got {path.name!r}.")
    try:
        content = path.read_bytes()
        read_profiles(content, is_csv=path.suffix.lower() == ".csv")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except UnreadableFile as error:
        raise CommandError(f"{path.name}: {error}") from error
    return {"file": str(path.resolve()), "sha256": hashlib.sha256(content).hexdigest()}


def _render_seeding(result: dict[str, Any], console: Console) -> None:
    users, groups = result["users_added"], result["groups_added"]
    kept = f"{result['users_kept']:,} users and {result['groups_kept']:,} groups were there"
    if users or groups:
        console.print(f"Added {users:,} users and {groups:,} groups; {kept}.")
    else:
        console.print(f"Added nothing: {kept} already, with seed {result['seed']}.")
    console.print("Next: manage.py create_sessions")


def _render_import(result: dict[str, Any], console: Console) -> None:
    console.print(
        f"{result['file']}: {result['rows']:,} rows; {result['added']:,} users added, "
        f"{result['updated']:,} updated, {result['unchanged']:,} unchanged, "
        f"{result['rows_refused']:,} rows refused."
    )
    if result["errors"]:
        table = Table("line", "user", "field", "what is wrong", title="Refused rows")
        for error in result["errors"][:SHOWN]:
            cells = (error["line"], error["external_id"], error["field"], error["message"])
            table.add_row(*map(str, cells))
        console.print(table)
        if len(result["errors"]) > SHOWN:
            console.print(f"and {len(result['errors']) - SHOWN:,} more; see --json.")


def _render_completion(result: dict[str, Any], console: Console) -> None:
    if not result["completed"]:
        console.print("Every profile is complete; nothing was filled in.")
        return
    console.print(f"Filled in {result['completed']:,} profiles (synthetic values, see history).")
    table = Table("user", "filled in")
    for user in result["users"][:SHOWN]:
        table.add_row(user["external_id"], ", ".join(user["filled"]))
    console.print(table)
    if result["completed"] > SHOWN:
        console.print(f"and {result['completed'] - SHOWN:,} more; see --json.")
