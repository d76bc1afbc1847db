"""A backup of database, files and, by choice, secrets; by hand or by schedule."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from overview.management.passphrase import VARIABLE, ask_passphrase
from overview.management.progress import shown
from overview.queries.backups import describe_backups, sample_champion
from overview.services.backups import (
    DEFAULT_KEEP,
    MOST_KEPT,
    note_backup,
    switch_off,
    switch_on,
)
from overview.services.verifying import verify_backup
from project import words
from project.backup.making import make_backup
from project.backup.manifest import Manifest, has_manifest, read_manifest
from project.backup.places import open_place
from project.command import EXIT_REFUSED, SeedbedCommand, whole_number
from project.jobs.services import owner_for_operator
from project.terminal import Console, Table

MOST_DAYS = 3650


class Command(SeedbedCommand):
    """`backup [PLACE [--secrets] [--verify] [--without-broken] | --every DAYS | --off]`."""

    help = (
        "Back up this installation: one snapshot of the database, every file that a record names, "
        "uploads that wait, and with --secrets the keys. Without a place it says when the last "
        "scheduled backup was made. Ends with 2 where files are broken, or --verify finds a "
        "difference. Keys of a bucket are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "place",
            nargs="?",
            metavar="PLACE",
            help="an empty folder, or s3://bucket/prefix?endpoint=https://host:port; a folder in "
            "which a backup was interrupted is gone on with",
        )
        parser.add_argument(
            "--secrets",
            action="store_true",
            help="take the secrets along, sealed with a passphrase of at least 12 characters "
            f"from {VARIABLE} or asked for (default: they stay out)",
        )
        parser.add_argument(
            "--without-broken",
            action="store_true",
            help="go on without files that are missing or have changed, and name them (default: "
            "refuse)",
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="restore it into a temporary installation, which needs as much space as the "
            "backup under TMPDIR, and compare rows, digests and the scores of 50 pairs; a backup "
            "that stands there already is verified as it is",
        )
        by_itself = parser.add_mutually_exclusive_group()
        by_itself.add_argument(
            "--every",
            type=whole_number(1, MOST_DAYS),
            metavar="DAYS",
            help="make one by itself every so many days to SEEDBED_BACKUP_TO; `manage.py serve` "
            "or `scheduler` must run",
        )
        by_itself.add_argument("--off", action="store_true", help="make none by itself any more")
        parser.add_argument(
            "--keep",
            type=whole_number(1, MOST_KEPT),
            default=DEFAULT_KEEP,
            metavar="N",
            help=f"backups that stay with --every (default {DEFAULT_KEEP}); older ones go after "
            "a new one is whole",
        )
        parser.add_argument(
            "--owner",
            default="",
            metavar="USERNAME",
            help="the account with whose rights --every makes them (default: "
            "SEEDBED_SCHEDULE_OWNER, else the only active superuser)",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        if options["place"] is None:
            if options["secrets"] or options["verify"] or options["without_broken"]:
                raise CommandError("Name the place of the backup.")
            if options["every"]:
                owner = owner_for_operator(options["owner"])
                switch_on(owner=owner, days=options["every"], keep=options["keep"])
            elif options["off"]:
                switch_off()
            return {**describe_backups()}
        if options["every"] or options["off"]:
            raise CommandError("A schedule writes to SEEDBED_BACKUP_TO; leave the place out.")
        return self._made(**options)

    def _made(self, **options: Any) -> dict[str, Any]:
        place = open_place(options["place"])
        if connection.in_atomic_block:
            raise CommandError("A backup takes a snapshot of its own: end the transaction first.")
        with shown(is_quiet=self.as_json) as tell:
            is_new = not (options["verify"] and has_manifest(place))
            if is_new:
                manifest = make_backup(
                    place,
                    sample=sample_champion,
                    passphrase=ask_passphrase(is_new=True) if options["secrets"] else "",
                    without_broken=options["without_broken"],
                    tell=tell,
                )
                note_backup(place, manifest)
            else:
                manifest = read_manifest(place)
            verified = (
                verify_backup(options["place"], manifest, tell) if options["verify"] else None
            )
        return {
            "place": place.title,
            "is_new": is_new,
            **_described(manifest),
            **({"verified": verified} if verified else {}),
        }

    def exit_code(self, result: Any) -> int:
        verified = result.get("verified")
        return EXIT_REFUSED if verified and not verified["is_equal"] else 0

    def render(self, result: Any, console: Console) -> None:
        if "backup" not in result:
            _render_state(result, console)
            return
        done = "Made" if result["is_new"] else "Found"
        console.print(
            f"{done} backup {result['backup']} in {result['place']}: "
            f"{words.counted(result['rows'], 'row')}, {words.counted(result['files'], 'file')}, "
            f"{words.size(result['bytes'])}, {words.duration(result['seconds'])}; secrets "
            f"{'sealed in it' if result['has_secrets'] else 'are not in it'}."
        )
        if not result["has_secrets"] and result["is_new"]:
            console.print(
                "Keep SEEDBED_ARTIFACT_KEY with it, at another place: without that key nothing of "
                "it is trusted."
            )
        for line in result["without"]:
            console.print(f"Not in it: {line}", style="bold yellow")
        if "verified" in result:
            _render_verified(result["verified"], console)


def _described(manifest: Manifest) -> dict[str, Any]:
    return {
        "backup": str(manifest.id),
        "installation": str(manifest.installation),
        "made_at": manifest.made_at.isoformat(),
        "rows": sum(manifest.tables.values()),
        "files": len(manifest.files),
        "bytes": manifest.size,
        "uploads": manifest.uploads,
        "has_secrets": manifest.has_secrets,
        "seconds": manifest.seconds,
        "without": list(manifest.without),
    }


def _render_verified(verified: dict[str, Any], console: Console) -> None:
    table = Table("Compared", "Backup", "Restored", "Equal")
    for row in verified["checks"]:
        table.add_row(row["name"], row["before"], row["after"], "yes" if row["is_equal"] else "no")
    console.print(table)
    for line in verified["differences"]:
        console.print(line, style="bold red")
    if verified["is_equal"]:
        console.print("What was restored is what was backed up.", style="bold green")


def _render_state(state: dict[str, Any], console: Console) -> None:
    last = state["last"]
    if last is None:
        console.print("No scheduled backup was made yet.")
    else:
        console.print(
            f"Last backup by a job: {words.moment(last['made_at'])}, {words.size(last['bytes'])}, "
            f"{words.counted(last['files'], 'file')}, {words.duration(last['seconds'])}: "
            f"{last['place']}"
        )
    if state["failed"]:
        console.print(f"The newest one was not made: {state['failed']}", style="bold red")
    if state["next_at"] is None:
        console.print("None is planned; `--every 1 --keep 7` makes one each day.")
        return
    rhythm = state["cron"] or words.duration(state["every_days"] * 86_400)
    console.print(
        f"One every {rhythm} to {state['place']}, the newest {state['keep']} stay; next at "
        f"{words.moment(state['next_at'])}."
    )
