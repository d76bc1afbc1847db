"""Make seed users: drawn, from a file, or by filling in what existing ones lack."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.management.commands.check_profiles import render_unknown
from project import words
from project.jobs.contract import get_kind
from project.jobs.options import add_options, answers
from project.jobs.questions import Question
from project.mappings.command import TableCommand
from project.tabular.packed import Unpackable
from project.terminal import Table
from project.uploads.models import Upload
from project.uploads.services import keep_upload

SHOWN = 20  # rows of a table


class Command(TableCommand):
    """`seed_users [--count 200] [--seed 7] | --file FILE | --complete`."""

    help = (
        "Make seed users: the six named ones and a drawn population (synthetic), the users of a "
        "file, or what synthetic profiles lack. Running it again adds nothing twice."
    )
    kind = "matching.seed_users"

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group()
        count, seed = get_kind(self.kind).questions
        add_options(source, [count])
        source.add_argument(
            "--file", type=Path, metavar="FILE", help="import the users of this file"
        )
        source.add_argument(
            "--complete", action="store_true", help="fill in what synthetic profiles lack"
        )
        add_options(parser, [seed])
        add_options(parser.add_argument_group("with --file"), self._of_a_file())

    def run(self, **options: Any) -> dict[str, Any]:
        for question in self._of_a_file():
            if options["file"] is None and options[question.name] not in (
                question.default,
                None,
                [],
            ):
                raise CommandError(f"{question.option} says how a --file is read.")
        if options["file"] is not None:
            self.kind = "matching.import_users"
        elif options["complete"]:
            self.kind = "matching.complete_users"
        return super().run(**options)

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        if options["file"] is not None:
            upload = _kept(options["file"])
            return {"file": str(upload.pk), **answers(self._of_a_file(), options)}
        if options["complete"]:
            return {"seed": options["seed"]}
        return {"count": options["count"], "seed": options["seed"]}

    @staticmethod
    def _of_a_file() -> list[Question]:
        questions = get_kind("matching.import_users").questions
        return [question for question in questions if not question.asks_upload]

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        if "rows" in result:
            _render_import(result, console)
        elif "completed" in result:
            _render_completion(result, console)
        else:
            _render_seeding(result, console)


def _kept(path: Path) -> Upload:
    try:
        with path.open("rb") as stream:
            return keep_upload(stream, path.name)
    except (OSError, Unpackable) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def _render_seeding(result: dict[str, Any], console: Console) -> None:
    users, groups = result["users_added"], result["groups_added"]
    kept = (
        f"{words.tally(result['users_kept'], 'user')} and "
        f"{words.tally(result['groups_kept'], 'group')} were there"
    )
    if users or groups:
        console.print(
            f"Added {words.tally(users, 'user')} and {words.tally(groups, 'group')}; {kept}."
        )
    else:
        console.print(f"Added nothing: {kept} already, with seed {result['seed']}.")
    console.print("Next: manage.py create_sessions")


def _render_import(result: dict[str, Any], console: Console) -> None:
    console.print(
        f"{result['file']}: {words.tally(result['rows'], 'row')}; "
        f"{words.tally(result['added'], 'user')} added, "
        f"{result['updated']:,} updated, {result['unchanged']:,} unchanged, "
        f"{words.tally(result['rows_refused'], 'row')} refused."
    )
    for note in result["notes"]:
        console.print(f"  {note}")
    if result["errors"]:
        table = Table("line", "user", "field", "what is wrong", title="Refused rows")
        for error in result["errors"][:SHOWN]:
            cells = (error["line"], error["external_id"], error["field"], error["message"])
            table.add_row(*map(str, cells))
        console.print(table)
        if len(result["errors"]) > SHOWN:
            console.print(f"and {len(result['errors']) - SHOWN:,} more; see --json.")
        console.print("They are kept: mend them in the admin, Refused rows.")

    if result["folded"]:
        table = Table("kind", "as written", "means", "profiles", title="Words read as known ones")
        for word in result["folded"][:SHOWN]:
            table.add_row(word["kind"], word["written"], word["word"], f"{word['profiles']:,}")
        console.print(table)
        _more(result["folded_words"], console)
    render_unknown(result["unknown"], result["unknown_words"], console)


def _more(count: int, console: Console) -> None:
    if count > SHOWN:
        console.print(f"and {count - SHOWN:,} more; see --json.")


def _render_completion(result: dict[str, Any], console: Console) -> None:
    if result["real_left"]:
        left = words.counted(result["real_left"], "real profile")
        console.print(f"{left} left incomplete: nothing is invented of real people.")
    if not result["completed"]:
        nothing = "Nothing was filled in." if result["real_left"] else "Every profile is complete."
        console.print(nothing)
        return
    console.print(f"Filled in {words.counted(result['completed'], 'synthetic profile')}.")
    table = Table("user", "filled in")
    for user in result["users"][:SHOWN]:
        table.add_row(user["external_id"], ", ".join(user["filled"]))
    console.print(table)
    if result["completed"] > SHOWN:
        console.print(f"and {result['completed'] - SHOWN:,} more; see --json.")
