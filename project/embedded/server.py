"""What embedded servers have in common: where they are, whether they run, start and end."""

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import signal
import stat
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

# sun_path holds 104 bytes on macOS and 108 on Linux; PostgreSQL adds ".lock" to its file's name.
SOCKET_PATH_BYTES = 98
START_SECONDS = 120.0  # crash recovery of a few GB of WAL on a slow disk
STOP_SECONDS = 60.0
FORK_SECONDS = 10.0  # between fork and pid file nothing tells a slow start from a failed one
SPEAK_SECONDS = 1.0  # after which what it has said counts: earlier, it may be of the try before
POLL_SECONDS = 0.02


class ServerFailure(Exception):
    """An embedded server cannot be started, reached or stopped; the message says what to do."""


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


class Server(ABC):
    """One server of one var folder.

    Attributes
    ----------
    name : str
        Of its folder, and of its row in `services status`.
    title : str
        Its name as its makers write it.
    variable : str
        The setting that names a server of the user's own instead.
    package : str
        What brings its programs, as Python imports it.
    socket_name : str
        Of the file that it listens on.
    gentle, hard : signal.Signals
        What ends it in order, and what ends it anyhow.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    variable: ClassVar[str]
    package: ClassVar[str]
    socket_name: ClassVar[str]
    gentle: ClassVar[signal.Signals]
    hard: ClassVar[signal.Signals]

    def __init__(self, var: Path) -> None:
        # Where things are is computed here and touched later: the settings ask as well.
        self.folder = var.resolve() / self.name
        self.data = self.folder / "data"
        self.log_folder = self.folder / "log"
        self.socket = _socket_folder(var, self.name, self.socket_name) / self.socket_name

    # --- What differs -----------------------------------------------------------------------------

    @property
    @abstractmethod
    def pid_file(self) -> Path:
        """Where the server writes the number of its process."""

    @abstractmethod
    def is_mine(self, command_line: str) -> bool:
        """Whether a process with this command line is the server of this very folder."""

    @abstractmethod
    def accepts(self) -> bool:
        """Whether something at the socket takes connections."""

    @abstractmethod
    def describe(self) -> tuple[str, float] | None:
        """Ask the server for its version and the seconds since its start; None if it is mute."""

    @abstractmethod
    def prepare(self) -> Callable[[], None]:
        """Make the folders; return what launches the process."""

    @abstractmethod
    def logs(self) -> Iterable[Path]:
        """List the files that tell why a start failed."""

    @abstractmethod
    def end_orphan(self) -> None:
        """End a server that holds our socket, but whose folder was deleted below it."""

    def is_settled(self) -> bool:
        """Whether the live server has finished its start, so that its socket should be there."""
        return True

    def has_given_up(self) -> bool:
        """Whether the log says already that this start has failed."""
        return False

    def is_worth_another_try(self, told: str) -> bool:
        """Whether a start that failed with these words succeeds a little later."""
        return False

    # --- The interface ----------------------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        """The live server's process: a pid file alone may be stale, its number reused."""
        pid = pid_in(self.pid_file)
        return pid if pid is not None and self.is_mine(command_line(pid)) else None

    def ensure(self) -> None:
        """Start the server, or attach to it where it runs already."""
        if not self.answers():
            with self._exclusive():
                if not self.answers():
                    self._start()

    def stop(self) -> bool:
        """End the server; False where none ran."""
        if not self.folder.is_dir():
            return False
        with self._exclusive():
            pid = self.pid
            if pid is not None:
                self.end(pid, self.gentle, self.hard)
            return pid is not None

    def status(self) -> ServerStatus:
        """Describe the server without starting it."""
        told = self.describe() if self.pid is not None else None
        version, uptime_seconds = told or (None, None)
        return ServerStatus(
            name=self.name,
            running=told is not None,
            pid=self.pid,
            version=version,
            socket=str(self.socket),
            data_bytes=_bytes_in(self.data),
            uptime_seconds=uptime_seconds,
        )

    def answers(self) -> bool:
        """Whether the server of this folder takes connections."""
        # One whose folder was deleted may answer for another minute: it must not be attached to.
        return pid_in(self.pid_file) is not None and self.accepts()

    # --- Start and end ----------------------------------------------------------------------------

    def _start(self) -> None:
        """Start the server under the lock, after ending what is left of an earlier one."""
        self._end_leftover()
        launch = self.prepare()
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.pid is None:
                launch()
            launched = time.monotonic()
            patience = launched + FORK_SECONDS
            while time.monotonic() < deadline and (
                self.pid is not None or time.monotonic() < patience
            ):
                if self.answers():
                    return
                if time.monotonic() > launched + SPEAK_SECONDS and self.has_given_up():
                    break
                time.sleep(POLL_SECONDS)
            told = tail(self.logs())
            if time.monotonic() > deadline or not self.is_worth_another_try(told):
                raise self.failure(told)
            time.sleep(10 * POLL_SECONDS)

    def _end_leftover(self) -> None:
        """Clear what would keep a new server from starting: it is neither serving nor able to."""
        pid = self.pid
        if pid is None:
            self.pid_file.unlink(missing_ok=True)  # its number may belong to another program by now
        elif not self.socket.exists() and self.is_settled():
            # Somebody swept the temporary directory: the server runs, but nobody can reach it.
            self.end(pid, self.gentle, self.hard)
        self.end_orphan()

    def end(self, pid: int, *signals: signal.Signals) -> None:
        """End a server of this folder gently, then hard; returns once it is gone."""
        for how in signals:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                return
            except PermissionError:
                raise ServerFailure(
                    f"The embedded {self.name} (pid {pid}) belongs to another user. Stop it as "
                    "that user."
                ) from None
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                # Its number may belong to another program at once: that one gets no signal.
                if not self.is_mine(command_line(pid)):
                    return
                time.sleep(POLL_SECONDS)
        raise ServerFailure(
            f"The embedded {self.name} (pid {pid}) does not end. Its log: {self.log_folder}"
        )

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock under which this server is started or stopped."""
        with self._failures_explained():
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ServerFailure(
                            f"Another process has been starting or stopping {self.name} in "
                            f"{self.folder} for more than {START_SECONDS:.0f} s. See its log in "
                            f"{self.log_folder}."
                        ) from None
                    time.sleep(POLL_SECONDS)
            with self._failures_explained():
                yield
        finally:
            os.close(descriptor)

    # --- What to say ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _failures_explained(self) -> Iterator[None]:
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
                remedy = f"Look into {self.folder}."
            raise ServerFailure(
                f"The embedded {self.name} cannot be started: {error}. {remedy}"
            ) from error

    def failure(self, told: str) -> ServerFailure:
        """Return the failure of a start with the server's own words."""
        if "No space left on device" in told:
            remedy = "The disk is full: free some space, then run the command again."
        elif "Permission denied" in told:
            remedy = (
                f"It runs as an ordinary user, who must be able to enter {self.folder} and the "
                "Python environment: move them, name another folder in SEEDBED_VAR, or set "
                f"{self.variable}."
            )
        else:
            remedy = (
                f"The logs are in {self.folder}. With {self.variable} set, a server of your own is "
                "used."
            )
        return ServerFailure(f"The embedded {self.title} does not start. {remedy}\n{told}".rstrip())

    def package_folder(self) -> Path:
        """Return where the programs were installed."""
        # find_spec does not import: the packages run code on import that this project does without.
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ServerFailure(
                f"The package {self.package}, which brings {self.title}, is not installed. Install "
                f"requirements.txt, or set {self.variable} to a server of your own."
            )
        return Path(spec.submodule_search_locations[0])


# --- Processes -----------------------------------------------------------------------------------


def command_line(pid: int) -> str:
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


def pid_in(file: Path) -> int | None:
    """Return the number at the beginning of a pid file; None without one."""
    try:
        return abs(int(file.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return None


def environment() -> dict[str, str]:
    """Return the environment of a server: nothing that changes its language, port or data."""
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


# --- Folders and files ---------------------------------------------------------------------------


def _socket_folder(var: Path, name: str, file_name: str) -> Path:
    inside = var.resolve() / name / "run"
    if len(os.fsencode(inside / file_name)) <= SOCKET_PATH_BYTES:
        return inside
    # Not tempfile.gettempdir(): TMPDIR differs between shells and services, the socket must not.
    digest = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:16]
    private = f"seedbed-{os.geteuid()}-{digest}"
    return Path("/tmp") / private / name  # noqa: S108 - owner and mode are verified


def private_folder(folder: Path, owner: int) -> None:
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


def tail(files: Iterable[Path], lines: int = 12) -> str:
    """Return the last lines of the newest of some logs."""
    present = [file for file in files if file.is_file() and file.stat().st_size]
    if not present:
        return ""
    newest = max(present, key=lambda file: file.stat().st_mtime_ns)
    return "\n".join(newest.read_text(errors="replace").splitlines()[-lines:])


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # the server removes files while we look
                total += Path(parent, file).lstat().st_size
    return total
