"""The base of every Seedbed command: --json, exit codes, refusals."""

import json
from argparse import ArgumentTypeError, _SubParsersAction
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import iter_modules
from typing import IO, Any, NoReturn, cast

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DataError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from project import words
from project.machine import said_of_file, said_of_outage, see_database
from project.output import OutputUnusable
from project.outside import one_line, visible_json
from project.refusal import Refusal
from project.storage.failures import ArtifactUnwritable
from project.terminal import Console

EXIT_ERROR = 1
EXIT_REFUSED = 2
SHOWN = 2_000  # characters of an error; what came is quoted in it, and may be long
LARGEST = 2**63 - 1  # what the database's widest whole number holds
MIGRATION_LOCK = 0x5EEDBED  # any number that nothing else locks


class _Parser(CommandParser):
    """Ends with 1 on unusable arguments: 2 is kept for refusals."""

    # argparse gives every command line to this method, and the stubs know three ways to call it.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Refuse a NUL in any argument: no file, name or text has one."""
        if any(isinstance(each, str) and "\0" in each for each in args or ()):
            self.error("expected arguments without NUL characters")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        message = _short(message)
        if self.called_from_command_line:
            self.print_usage()
            self.exit(EXIT_ERROR, f"{self.prog}: error: {message}\n")
        raise CommandError(f"Error: {message}")


def _short(message: object) -> str:
    """Write an error as one line of a length that a terminal can show."""
    text = one_line(str(message))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."


class SeedbedCommand(BaseCommand):
    """A command that ends with 0 done, 1 error, 2 refused by a gate or a failed check.

    A subclass implements `run(**options)`, returns the JSON-serialisable result, and shows it to
    people in `render`. A `Refusal` raised in `run` becomes exit code 2.
    """

    requires_system_checks = []
    needs_migrations = True  # brings the embedded database up to date before it runs

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Build Django's parser with Seedbed's exit code for unusable arguments."""
        kwargs.setdefault("conflict_handler", "resolve")
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = _Parser
        for action in parser._actions:
            if isinstance(action, _SubParsersAction):
                for subparser in action.choices.values():
                    subparser.__class__ = _Parser
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        return parser

    def run(self, **options: Any) -> Mapping[str, Any]:
        """Do the work and return its result."""
        raise CommandError(f"{type(self).__module__} has no run().")

    def render(self, result: Any, console: Console) -> None:
        """Show the result of `run` to people."""
        console.print_json(data=result, default=str)

    def exit_code(self, result: Any) -> int:
        """Return the exit code of a result; a check that fails says 2."""
        return 0

    def handle(self, *args: Any, **options: Any) -> None:
        # rich ends its own lines; Django's wrapper would add a second end to each piece.
        self.stdout.ending = self.stderr.ending = ""
        self.console = Console(file=cast(IO[str], self.stdout))
        self.error_console = Console(file=cast(IO[str], self.stderr))
        self.as_json: bool = options["json"]
        try:
            if self.needs_migrations:
                ensure_migrated()
            result = self.run(**options)
        except Refusal as refusal:
            self.finish_refused(refusal.as_dict())
        except (ArtifactUnwritable, OutputUnusable) as error:
            raise CommandError(str(error)) from error
        except CommandError as error:
            raise CommandError(_short(error), returncode=error.returncode) from error
        except OperationalError as error:
            said = f"{said_of_outage(error).removesuffix('.')}: {error}"
            raise CommandError(f"{_short(said)} {see_database()}") from error
        except OSError as error:
            if not (said := said_of_file(error)):
                raise
            raise CommandError(_short(f"{said} Then run it again.")) from error
        except (DataError, UnicodeEncodeError) as error:
            # A number beyond the column's, a NUL, half a surrogate pair: of this command's options.
            raise CommandError(_short(f"A value cannot be looked up or kept: {error}")) from error
        if self.as_json:
            self._write_json(result)
        else:
            self.render(result, self.console)
        code = self.exit_code(result)
        if code:
            raise SystemExit(code)

    def finish_refused(self, refusal: dict[str, Any]) -> NoReturn:
        """Print why the answer is no and what to do, and exit with 2."""
        if self.as_json:
            self._write_json({"refused": refusal})
        else:
            self.error_console.print("Refused: ", style="bold red", end="")
            self.error_console.print(_short(refusal["message"]))
            if refusal.get("remedy"):
                self.error_console.print("What to do: ", style="bold", end="")
                self.error_console.print(_short(refusal["remedy"]))
        raise SystemExit(EXIT_REFUSED)

    def _write_json(self, result: Mapping[str, Any]) -> None:
        text = json.dumps(result, default=str, ensure_ascii=False)
        self.stdout.write(f"{visible_json(text)}\n")


def ensure_migrated() -> None:
    """Bring the embedded database up to date; an external one is its owner's to migrate."""
    if connection.in_atomic_block:  # a test's database is migrated, and its transaction is open
        return
    if written_migrations() <= MigrationRecorder(connection).applied_migrations().keys():
        return
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return
    if not settings.USES_EMBEDDED_POSTGRES:
        raise CommandError(
            f"{words.tally(len(plan), 'migration')} {words.bend(len(plan), 'is', 'are')} not "
            "applied to the database of DATABASE_URL. "
            "Run `manage.py migrate`."
        )
    with connection.cursor() as cursor:
        # One process migrates; the others wait here, and then have nothing left to do.
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def written_migrations() -> set[tuple[str, str]]:
    """Name the migrations there are, by their files: to import them all takes a tenth of a
    second."""
    return {
        (app.label, module.name)
        for app in apps.get_app_configs()
        for module in iter_modules([str(Path(app.path) / "migrations")])
        if module.name[0] not in "_~"
    }


def whole_number(least: int, most: int = LARGEST) -> Callable[[str], int]:
    """Return what reads a whole number within bounds, for argparse."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if not least <= number <= most:
            said = f"expected a whole number from {least} to {most:,}, got {text!r}"
            raise ArgumentTypeError(said)
        return number

    return read


# Of what has no bound of its own: a number of a record, how many are shown.
positive_int = whole_number(1)
