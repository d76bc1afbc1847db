"""Restores a backup into an empty database and store."""

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection
from django.views.decorators.debug import sensitive_variables

from overview.management.passphrase import VARIABLE, ask_passphrase
from overview.management.progress import shown
from project import words
from project.backup.places import open_place
from project.backup.restoring import (
    Here,
    artifact_keys,
    look_here,
    open_secrets,
    read_and_check,
    require_restorable,
    require_secrets_fit,
    take_secrets,
)
from project.command import EXIT_REFUSED, SeedbedCommand
from project.storage.place import Place
from project.terminal import Console


class Command(SeedbedCommand):
    """`restore PLACE [--secrets | --secrets-to FILE] [--replace [WORD]] [--check]`."""

    help = (
        "Restore a backup into the database and the store that the settings name, which have to "
        "be empty. Everything is compared with the signed manifest before anything is touched. "
        "Ended in the middle, run it again: it begins from the start. Afterwards migrations are "
        "brought up to date, jobs that ran wait anew and live sessions are repaired. Ends with 2 "
        "where it is refused, or what was restored differs."
    )
    needs_migrations = False  # the database has to be empty

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "place",
            metavar="PLACE",
            help="the folder of a backup, or s3://bucket/prefix?endpoint=https://host:port",
        )
        secrets = parser.add_mutually_exclusive_group()
        secrets.add_argument(
            "--secrets",
            action="store_true",
            help=f"take over the secrets of the backup, with the passphrase from {VARIABLE} or "
            "asked for; they go to SEEDBED_VAR/secrets, and must not be other ones in the "
            "environment",
        )
        secrets.add_argument(
            "--secrets-to",
            metavar="FILE",
            help="write the secrets as NAME=value to a new file that only you can read, and end "
            "there: for an environment of production",
        )
        parser.add_argument(
            "--replace",
            nargs="?",
            const="",
            default=None,
            metavar="WORD",
            help="lose what is here: says what that is, and asks for the id of the installation; "
            "WORD is that id, where there is no terminal",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="read every file once more from the store, and compare its digest (default: each "
            "is compared while it is copied)",
        )

    @sensitive_variables("opened")
    def run(self, **options: Any) -> dict[str, Any]:
        from overview.services.restoring import restore_installation  # pandas: not for --help

        place = open_place(options["place"])
        if options["secrets_to"]:
            return _written_secrets(place, options["secrets_to"])
        if connection.in_atomic_block:
            raise CommandError("A restore is in no transaction.")
        with shown(is_quiet=self.as_json) as tell:
            tell("Checking the backup", 0, None)
            opened: dict[str, str] = {}
            if options["secrets"]:
                opened = open_secrets(place, ask_passphrase(is_new=False))
                require_secrets_fit(opened)
            keys = artifact_keys(opened) if opened else None
            manifest = read_and_check(place, keys=keys, tell=tell)
            here = look_here()
        require_restorable(manifest, here, word=self._word(here, options["replace"]))
        if opened:
            take_secrets(opened)
        with shown(is_quiet=self.as_json) as tell:
            done = restore_installation(
                place, manifest, here, is_checked=options["check"], tell=tell
            )
        return {
            "place": place.title,
            "backup": str(manifest.id),
            "installation": str(manifest.installation),
            "made_at": manifest.made_at.isoformat(),
            "rows": sum(done.restored.tables.values()),
            "tables": done.restored.tables,
            "differing_tables": list(done.restored.differing),
            "files": done.restored.files,
            "broken": list(done.restored.broken),
            "without": list(manifest.without),
            "jobs": done.jobs,
            "erased": done.erased,
            "sessions": done.sessions,
            "scores": done.scores,
            "differing": done.differing,
            "largest_difference": done.largest,
            "served_by": done.served_by,
            "seconds": done.restored.seconds,
        }

    def exit_code(self, result: Any) -> int:
        if "written" in result:
            return 0
        is_other = result["differing_tables"] or result["differing"]
        is_broken = len(result["broken"]) > len(result["without"])
        return EXIT_REFUSED if is_other or is_broken else 0

    def render(self, result: Any, console: Console) -> None:
        if "written" in result:
            console.print(f"Wrote {', '.join(result['written'])} to {result['file']}.")
            return
        console.print(
            f"Restored backup {result['backup']} of {result['made_at']}: "
            f"{words.counted(result['rows'], 'row')}, {words.counted(result['files'], 'file')}, "
            f"{words.duration(result['seconds'])}."
        )
        if result["jobs"]:
            console.print(f"{words.counted(result['jobs'], 'job')} that ran wait for a worker.")
        if result["erased"]:
            people = words.counted(result["erased"], "id of a person", "ids of people")
            console.print(f"{people} erased again: they were erased after the backup was made.")
        if result["sessions"] is None:
            console.print(
                "Valkey does not answer: run `manage.py check_sessions --repair` when it does.",
                style="bold yellow",
            )
        else:
            console.print(f"{words.counted(result['sessions'], 'live session')} mended.")
        for line in (*result["without"], *result["broken"]):
            console.print(line, style="bold yellow")
        if result["differing_tables"]:
            names = ", ".join(result["differing_tables"])
            console.print(f"Other rows than were backed up: {names}", style="bold red")
        if result["scores"]:
            console.print(
                f"{words.counted(result['scores'], 'pair')} scored again by {result['served_by']}: "
                f"{words.counted(result['differing'], 'score')} differ by more than 1e-9."
            )

    def _word(self, here: Here, said: str | None) -> str | None:
        """Return what confirms a replacement; asked at a terminal where it was not given."""
        in_the_way = here.in_the_way()
        if said != "" or not in_the_way or not sys.stdin.isatty():
            return said
        self.error_console.print(f"This replaces {'; and '.join(in_the_way)}.", style="bold")
        self.error_console.print(f"To go on, type {here.word}: ", end="")
        return sys.stdin.readline().strip()


@sensitive_variables("opened")
def _written_secrets(place: Place, file: str) -> dict[str, Any]:
    opened = open_secrets(place, ask_passphrase(is_new=False))
    path = Path(file)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}.") from error
    with os.fdopen(descriptor, "w") as written:
        for name, value in opened.items():
            if value:
                written.write(f"{name}={value}\n")
    return {"file": str(path), "written": [name for name, value in opened.items() if value]}
