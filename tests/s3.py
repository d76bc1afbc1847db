"""A real server of the S3 protocol for tests: moto's, from an environment of its own."""

import contextlib
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from tests.waiting import until

PROGRAM = Path(__file__).resolve().parent.parent / ".venv-s3" / "bin" / "moto_server"
ACCESS_KEY, SECRET_KEY = "AKIATESTONLY", "a-secret-that-no-text-may-show"
KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


def require_program() -> None:
    """Skip where the environment of the server was not made; in the pipeline that is a failure."""
    if PROGRAM.exists():
        return
    reason = "no .venv-s3 here: make .venv-s3/installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class S3Server:
    """One server, in memory: what it had is gone when it ends."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, bucket: str, prefix: str = "seedbed") -> str:
        """Return what SEEDBED_STORE_URL says of a bucket."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [str(PROGRAM), "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def make_bucket(self, name: str) -> None:
        asked = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")  # noqa: S310 - ours
        urllib.request.urlopen(asked).close()  # noqa: S310 - ours

    def die(self, bucket: str, meanwhile: Callable[[], None]) -> None:
        """Be killed, and come back later with what it had, as a server with a disk does."""
        there = S3Store(
            bucket,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            client_options={"allow_http": True},
        )
        names = [found["path"] for page in obstore.list(there) for found in page]
        kept = {name: obstore.get(there, name).bytes().to_bytes() for name in names}
        self.stop()
        meanwhile()
        self.start()
        self.make_bucket(bucket)
        for name, content in kept.items():
            obstore.put(there, name, content)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(self.endpoint).close()  # noqa: S310 - ours
            return True
        return False


@contextlib.contextmanager
def running() -> Iterator[S3Server]:
    """Give a server for as long as the block lasts."""
    require_program()
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
