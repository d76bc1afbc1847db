"""One long generation in bad weather: cut sessions, killed and frozen servers, killed workers, a
scheduler whose clock is wrong, a full disk; then every row is counted, and compared with those of a
calm day.

    python -m tests.chaos.weather [--events 4000000]

It prints a table of what was done, how long it took until the job went on, and what it said.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from rich.console import Console
from rich.table import Table

from project.embedded.postgres import Postgres
from project.embedded.server import pid_in
from project.embedded.valkey import Valkey
from tests import s3

LOOK_SECONDS = 0.1
SHOWN = 120  # characters of what the job said
FROZEN_SECONDS = 3.0
WORKERS = 2
ROOM_BYTES = 600 * 1024**2  # of an empty installation; what events need comes on top
BYTES_AN_EVENT = 1_200  # with indexes and the log of the database
AHEAD = "+2h"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
CHUNKS = 60
BUCKET = "weather"
PAUSE_SECONDS = 0.25  # of each chunk: a strike has to find the job under way


@dataclass(frozen=True)
class Moment:
    """What was done, when, how far the job was, and how it went on."""

    at: float
    what: str
    done: int
    went_on_after: float
    said: str


class Weather:
    """An installation of its own, in a folder that may be full."""

    def __init__(self, var: Path, events: int) -> None:
        self.var, self.events = var, events
        self._pace = {"SEEDBED_CHUNK": str(events // CHUNKS), "SEEDBED_PAUSE": str(PAUSE_SECONDS)}
        self.postgres, self.valkey = Postgres(var), Valkey(var)
        self.moments: list[Moment] = []
        self._log = (var.parent / "weather.log").open("ab")
        self._environment = {
            **os.environ,
            "SEEDBED_VAR": str(var),
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "SEEDBED_JOB_LEASE_SECONDS": "10",
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "OMP_NUM_THREADS": "1",
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun = time.monotonic()
        self._job = ""
        self.store = s3.S3Server() if s3.PROGRAM.exists() else None
        if self.store is not None:
            self.store.start()
            self.store.make_bucket(BUCKET)
            self._environment |= {**s3.KEYS, "SEEDBED_STORE_URL": self.store.url(BUCKET)}

    # --- The installation ------------------------------------------------------------------------

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=settings.BASE_DIR,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self, *words: str) -> Any:
        """Return what a command that succeeds says, as JSON."""
        done = self.run("manage.py", *words, "--json")
        if done.returncode:
            raise AssertionError(f"{words}: {done.stderr}")
        return json.loads(done.stdout)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Ask the database, however long it is away."""
        at = self.postgres.location
        while True:
            try:
                with psycopg.connect(
                    host=at["HOST"],
                    port=at["PORT"],
                    user=at["USER"],
                    dbname=at["NAME"],
                    connect_timeout=5,
                    autocommit=True,
                ) as connection:
                    return connection.execute(question).fetchall()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self.tend()
                time.sleep(LOOK_SECONDS)

    def tend(self) -> None:
        """Start what is not there: workers, and a scheduler whose clock is two hours ahead."""
        wrong = {} if FAKETIME is None else {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME": AHEAD,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        wanted = {
            "scheduler": (["manage.py", "scheduler"], wrong),
            **{f"worker {n}": (["-m", "tests.chaos.chunked"], self._pace) for n in range(WORKERS)},
        }
        for name, (words, more) in wanted.items():
            process = self._processes.get(name)
            if process is None or process.poll() is not None:
                self._processes[name] = subprocess.Popen(
                    [sys.executable, *words],
                    cwd=settings.BASE_DIR,
                    env={**self._environment, **more},
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    start_new_session=True,
                )

    def end(self) -> None:
        """End all processes and servers."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._log.close()
        self.run("manage.py", "services", "stop")
        if self.store is not None:
            self.store.stop()

    # --- Strikes ---------------------------------------------------------------------------------

    def cut(self) -> str:
        """Cut every session of the database but our own."""
        (count,) = self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )[0]
        return f"{count} sessions cut"

    def kill_postgres(self) -> str:
        """Kill PostgreSQL; the scheduler brings it back."""
        os.kill(_there(pid_in(self.postgres.pid_file)), signal.SIGKILL)
        return "PostgreSQL killed"

    def freeze_postgres(self) -> str:
        """Stop every process of PostgreSQL, and let them go on."""
        parent = _there(pid_in(self.postgres.pid_file))
        pids = [parent, *_children_of(parent)]
        _signal_all(pids, signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        _signal_all(pids, signal.SIGCONT)
        return f"PostgreSQL frozen for {FROZEN_SECONDS:.0f} s"

    def kill_valkey(self) -> str:
        """Kill Valkey; the scheduler brings it back."""
        os.kill(_there(pid_in(self.valkey.pid_file)), signal.SIGKILL)
        return "Valkey killed"

    def kill_store(self) -> str:
        """Kill the server of the bucket, which comes back with what it had."""
        if self.store is None:
            raise AssertionError("There is no server of a bucket.")
        self.store.die(BUCKET, lambda: time.sleep(FROZEN_SECONDS))
        return f"the bucket's server killed, away for {FROZEN_SECONDS:.0f} s"

    def kill_worker(self) -> str:
        """Kill whatever works on the job."""
        ((worker,),) = self.ask(f"SELECT worker FROM jobs_job WHERE id = '{self._job}'")
        pid = worker.rpartition(":")[2]
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return "the process at work killed"

    def fill_the_disk(self) -> str:
        """Leave no byte free until the job is told so or the database is away, then make room."""
        ballast = self.var / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024**2))
        with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"0")
        seen = time.monotonic()
        while time.monotonic() - seen < 2 * FROZEN_SECONDS:
            time.sleep(LOOK_SECONDS)
        status = self.run("manage.py", "status")
        said = " ".join((status.stdout + status.stderr).split())
        if status.returncode not in (0, 1) or "Traceback" in said:
            raise AssertionError(said)
        if status.returncode and not {"full", "answer", "space"} & set(said.lower().split()):
            raise AssertionError(f"With a full disk status says: {said}")
        ballast.unlink()
        return f"the disk full (status ends with {status.returncode})"

    # --- The day ---------------------------------------------------------------------------------

    def strike(self, strike: Callable[[], str]) -> None:
        """Strike while the job is under way, and wait until it has gone on."""
        _, before = self._look()
        at, lines = time.monotonic(), self._words()
        what = strike()
        said: list[str] = []
        while True:
            state, done = self._look()
            said = self._words()[len(lines) :]
            if done > before:
                break
            if state == "succeeded":
                raise AssertionError(f"The job was over before {strike.__name__}: make it longer")
            self.tend()
            time.sleep(LOOK_SECONDS)
        self.moments.append(
            Moment(at - self._begun, what, before, time.monotonic() - at, " ".join(said))
        )

    def _generate(self) -> None:
        words = ("--count", str(self.events), "--seed", "11", "--allow-repeats", "--detach")
        self._job = self.told("generate_events", *words)["job"]

    def _wait(self) -> None:
        while self._look()[0] != "succeeded":
            self.tend()
            time.sleep(LOOK_SECONDS)

    def _look(self) -> tuple[str, int]:
        """Return the state, which may be no failure, and how many chunks are done."""
        ((state, error),) = self.ask(f"SELECT state, error FROM jobs_job WHERE id = '{self._job}'")
        if state not in ("queued", "running", "succeeded"):
            raise AssertionError(f"The job is {state}: {error}")
        steps = self.ask(f"SELECT count(*) FROM jobs_jobstep WHERE job_id = '{self._job}'")
        return state, steps[0][0]

    def _words(self) -> list[str]:
        lines = self.ask(
            f"SELECT message FROM jobs_joblogline WHERE job_id = '{self._job}' "
            "AND level = 'warning' ORDER BY id"
        )
        return [message for (message,) in lines]

    def live_through(self, strikes: list[Callable[[], str]]) -> dict[str, Any]:
        """Generate in bad weather and on a calm day; return what to compare."""
        self.run("-m", "tests.chaos.populated")
        self.tend()
        self._generate()
        for strike in strikes:
            while (found := self._look())[1] < 1 and found[0] != "succeeded":
                self.tend()
                time.sleep(LOOK_SECONDS)
            self.strike(strike)
        self._wait()
        took = time.monotonic() - self._begun
        schedule = self.ask(
            "SELECT missed_runs, last_run_at IS NOT NULL, next_run_at <= now() + interval '61 s' "
            "FROM jobs_schedule"
        )[0]
        calm = time.monotonic()
        self._generate()
        self._wait()
        columns = "id & 4294967295, user_id, target_id, outcome, occurred_at, budget_score"
        rows = self.ask(
            f"SELECT count(*), sum(hashtextextended(({columns})::text, 0)::numeric) "
            "FROM matching_matchevent GROUP BY id >> 32 ORDER BY id >> 32"
        )
        return {
            "rows": rows,
            "schedule": schedule,
            "seconds": took,
            "calm_seconds": time.monotonic() - calm,
        }


def _there(pid: int | None) -> int:
    if pid is None:
        raise AssertionError("The server has no process.")
    return pid


def _children_of(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in listed.split()]


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def small_disk(folder: Path, events: int) -> Iterator[tuple[Path, bool]]:
    """Give a folder for an installation, on a disk of its own where one can be mounted."""
    var = folder / "var"
    var.mkdir()
    size = ROOM_BYTES + events * BYTES_AN_EVENT
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(var)],
        capture_output=True,
        check=False,
    )
    is_mounted = bool(done) and done.returncode == 0  # type: ignore[union-attr]
    try:
        yield var, is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(var)], check=True)


def go_through(folder: Path, events: int, cuts: int) -> tuple[Weather, dict[str, Any]]:
    """Live through a day of bad weather in a folder; return what happened and what is left."""
    with small_disk(folder, events) as (var, is_small):
        weather = Weather(var, events)
        try:
            rest = [
                weather.kill_postgres,
                *([weather.fill_the_disk] if is_small else []),
                *([weather.kill_store] if weather.store is not None else []),
                weather.kill_worker,
                weather.freeze_postgres,
                weather.kill_valkey,
            ]
            strikes: list[Callable[[], str]] = []
            for number in range(max(cuts, len(rest))):
                strikes += [weather.cut] if number < cuts else []
                strikes += [rest[number]] if number < len(rest) else []
            return weather, weather.live_through(strikes)
        finally:
            weather.end()


def table_of(weather: Weather, found: dict[str, Any]) -> Table:
    """Lay out a day."""
    table = Table("at, s", "what happened", "chunks done", "went on after, s", "what the job said")
    for one in weather.moments:
        table.add_row(
            f"{one.at:.0f}", one.what, str(one.done), f"{one.went_on_after:.1f}", one.said[:SHOWN]
        )
    counts = " and ".join(f"{count:,}" for count, _ in found["rows"])
    same = "the same" if len(set(found["rows"])) == 1 else "NOT the same"
    table.caption = (
        f"{counts} rows in bad and in calm weather, {same}; {found['seconds']:.0f} s and "
        f"{found['calm_seconds']:.0f} s. A schedule of every minute missed "
        f"{found['schedule'][0]} runs by a scheduler whose clock is "
        f"{AHEAD if FAKETIME else 'right (no libfaketime here)'}."
    )
    return table


def main(given: list[str]) -> int:
    """Run the whole day and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.weather", description=__doc__)
    parser.add_argument("--events", type=int, default=4_000_000, help="to generate (4,000,000)")
    parser.add_argument("--cuts", type=int, default=10, help="times all sessions are cut (10)")
    options = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as folder:
        weather, found = go_through(Path(folder), options.events, options.cuts)
    Console().print(table_of(weather, found))
    return int(len(set(found["rows"])) != 1)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    sys.exit(main(sys.argv[1:]))
