"""Runs real workers, kills them while they work, and flushes Valkey under them."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import redis
from django.conf import settings
from django.db import connection

from project.jobs import reconciler
from project.jobs.models import Job
from project.jobs.reconciler import tick
from tests.chaos.failpoints import POINTS, STRIKES

LEASE_SECONDS = 1.0
PAUSE = 0.02  # seconds between two looks
LOOKS_PER_TENDING = 10
LOOKS_FOR_A_HIT = 250  # at an armed point, until it is given up


class Chaos:
    """A few workers on the test database, and the means to make their lives hard.

    Use it as a context: on leaving, every process that it started is gone. All that it decides
    comes from the seed, so that a failing run can be repeated (the timing of processes cannot).

        with Chaos(tmp_path, seed=1) as chaos:
            job = enqueue("feedback.collect_feedback", ...)
            chaos.rage(kills=5, submit=lambda number: job)
            chaos.wait([job])
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        workers: int = 2,
        flush_share: float = 0.25,
        environment: dict[str, str] | None = None,
        code: Path | None = None,
    ) -> None:
        """Take what decides; the workers are of `code`, another version's folder, where given."""
        self._code = code or settings.BASE_DIR
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.hits: Counter[str] = Counter()
        self.missed = 0
        self.flushes = 0
        self._count = workers
        self._flush_share = flush_share
        self._log = (folder / "workers.log").open("ab")
        self._points = folder / "failpoints"
        self._points.mkdir()
        self.workers: list[subprocess.Popen[bytes]] = []
        self._paused: set[int] = set()
        self._patch = mock.patch.object(reconciler, "RING_AGAIN_SECONDS", 1)
        self._environment = {
            **os.environ,
            "SEEDBED_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
            "SEEDBED_JOB_MAX_ATTEMPTS": "1000",
            "SEEDBED_CHAOS_DATABASE": str(connection.settings_dict["NAME"]),
            "SEEDBED_CHAOS_ARTIFACTS": str(settings.ARTIFACT_ROOT),
            "SEEDBED_CHAOS_FAILPOINTS": str(self._points),
            "SEEDBED_CHAOS_CHUNK_SECONDS": "0.03",
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }

    def __enter__(self) -> "Chaos":
        self._patch.start()
        self.tend()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()
        for worker in self.workers:
            # The session holds the worker, the processes it forked, and orphans of either.
            for pid in _session_of(worker.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            worker.wait()
        self._log.close()

    # --- Workers ---------------------------------------------------------------------------------

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start one more worker in a session of its own."""
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.worker"],
            cwd=self._code,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self.workers.append(worker)
        return worker

    def tend(self) -> None:
        """Do what `serve` and the scheduler would do: replace dead workers, tick."""
        alive = sum(worker.poll() is None for worker in self.workers)
        for _ in range(self._count - alive):
            self.start_worker()
        tick()

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Tend until the condition holds, and return what it gave."""
        looks = 0
        try:
            while not (found := condition()):
                if looks % LOOKS_PER_TENDING == 0:
                    self.tend()
                looks += 1
                time.sleep(PAUSE)
        except BaseException:
            # pytest-timeout, which ends a wait for what never comes, knows nothing of these.
            print(f"Waited for {what}; {self}")  # noqa: T201 - shown with the failure
            raise
        return found

    def wait(self, jobs: list[Job]) -> None:
        """Wait until all the jobs have ended."""
        keys = [job.pk for job in jobs]
        self.until(lambda: not Job.objects.active().filter(pk__in=keys).exists(), "the jobs to end")

    # --- Strikes ---------------------------------------------------------------------------------

    def flush(self) -> None:
        """Empty Valkey: every bell, every sign of a worker."""
        with contextlib.closing(redis.Redis.from_url(settings.REDIS_URL)) as client:
            client.flushdb()
        self.flushes += 1

    def kill(self, strike: str, point: str | None = None) -> bool:
        """Strike whichever run is at work, at a named point or now; True when it hit."""
        hit = self._strike_now(strike) if point is None else self._strike_at(strike, point)
        if hit is None:
            self.missed += 1
            return False
        job_id, fence, pid = hit
        if strike == "pause":
            self._outlive(job_id, fence, pid)
        self.hits[f"{strike} {'at random' if point is None else point}"] += 1
        return True

    def rage(self, *, kills: int, submit: Callable[[int], Job]) -> list[Job]:
        """Strike until `kills` have hit, with two jobs at a time to work on; return the jobs."""
        jobs: list[Job] = []
        while self.hits.total() < kills:
            for job in Job.objects.finished().exclude(state=Job.State.SUCCEEDED):
                raise AssertionError(f"{job} has {job.state}: {job.error} {job.traceback} ({self})")
            active = Job.objects.active().filter(pk__in=[job.pk for job in jobs]).count()
            for _ in range(2 - active):
                jobs.append(submit(len(jobs)))
            # Drawn in one go, and in a fixed order, so that waiting does not shift the sequence.
            strike, point = self.random.choice(STRIKES), self.random.choice((None, *POINTS))
            delay, flushes = self.random.uniform(0, 0.3), self.random.random() < self._flush_share
            self.until(self._running, "a job to run")
            time.sleep(delay)
            if flushes:
                self.flush()
            self.kill(strike, point)
        self.wait(jobs)
        return jobs

    def _running(self) -> list[Job]:
        return list(Job.objects.filter(state=Job.State.RUNNING).exclude(worker="").order_by("pk"))

    def _strike_now(self, strike: str) -> tuple[str, int, int] | None:
        running = [(job, pid) for job in self._running() if (pid := self._pid_of(job)) is not None]
        if not running:
            return None
        job, pid = self.random.choice(running)
        parent = _parent_of(pid)
        is_parent_ours = parent in {worker.pid for worker in self.workers}
        if strike in ("parent", "both") and not is_parent_ours:
            if strike == "parent":
                return None
            strike = "child"
        with contextlib.suppress(ProcessLookupError):
            if strike in ("parent", "both"):
                os.kill(parent, signal.SIGKILL)
            if strike in ("child", "both"):
                os.kill(pid, signal.SIGKILL)
            if strike == "pause":
                os.kill(pid, signal.SIGSTOP)
        now = Job.objects.get(pk=job.pk)
        if now.state != Job.State.RUNNING or now.fence != job.fence:
            if strike == "pause":  # too late: it had ended, or lost the job to another run
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            return None
        return str(job.pk), job.fence, pid

    def _strike_at(self, strike: str, point: str) -> tuple[str, int, int] | None:
        armed = self._points / f"{point}.new"
        armed.write_text(strike)
        armed.rename(self._points / point)
        hit = self._points / f"hit-{point}"
        looks = 0
        while not hit.exists():
            self.tend()
            looks += 1
            if looks > LOOKS_FOR_A_HIT or not self._running():
                # Nobody comes by: the jobs have ended meanwhile. Disarm, unless one just did.
                with contextlib.suppress(FileNotFoundError):
                    (self._points / point).unlink()
                    return None
            time.sleep(PAUSE)
        job_id, fence, pid = hit.read_text().split()
        hit.unlink()
        return job_id, int(fence), int(pid)

    def _outlive(self, job_id: str, fence: int, pid: int) -> None:
        """Let a stopped run's lease pass, and another run begin, before it goes on."""
        try:
            self.until(
                lambda: Job.objects.filter(pk=job_id, fence__gt=fence).exists(),
                "another worker to take the job of a stopped one",
            )
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _pid_of(self, job: Job) -> int | None:
        pid = int(job.worker.rpartition(":")[2])
        sessions = {worker.pid for worker in self.workers}
        with contextlib.suppress(ProcessLookupError):
            return pid if os.getsid(pid) in sessions else None
        return None

    def __str__(self) -> str:
        hits = ", ".join(f"{name}: {count}" for name, count in sorted(self.hits.items()))
        return (
            f"chaos seed {self.seed}: {self.hits.total()} hits ({hits}), {self.missed} missed, "
            f"{self.flushes} flushes, {len(self.workers)} workers"
        )


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in brackets may hold anything: read what follows it.
                told = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), told


def _session_of(leader: int) -> list[int]:
    return [pid for pid, told in _processes() if int(told[3]) == leader]


def _parent_of(pid: int) -> int | None:
    return next((int(told[1]) for other, told in _processes() if other == pid), None)
