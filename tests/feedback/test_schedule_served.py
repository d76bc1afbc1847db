"""The hourly collection under a live `manage.py serve` that is stopped and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from project import embedded
from tests.project.test_serve import free_port
from tests.waiting import until

JOBS = "SELECT state FROM jobs_job WHERE kind = 'feedback.collect_feedback'"
ACTIVE = {"queued", "running", "stopping"}


def started(var: Path, *words: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "SEEDBED_VAR": str(var),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", *words, "--json"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@contextlib.contextmanager
def served(var: Path) -> Iterator[None]:
    """Keep `serve` running, from when it says its address until it has ended whole."""
    with started(var, "serve", "--port", str(free_port())) as process:
        try:
            assert process.stdout is not None
            assert "address" in process.stdout.readline()
            yield
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture
def var() -> Iterator[Path]:
    """Give servers of their own, and end them."""
    # A short path: that of a socket must not be long.
    with tempfile.TemporaryDirectory(prefix="seedbed-") as folder:
        yield Path(folder)
        embedded.stop(Path(folder))


@pytest.mark.slow
@pytest.mark.xdist_group("serve")  # for its port
def test_schedule_goes_on_after_a_restart_and_missed_runs_become_one(var: Path) -> None:
    at = embedded.postgres_location(var)

    def ask(statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(
            host=at["HOST"], port=at["PORT"], user=at["USER"], dbname=at["NAME"]
        ) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def finished(count: int) -> bool:
        states = [str(state) for (state,) in ask(JOBS)]
        assert sum(state in ACTIVE for state in states) <= 1
        return sum(state == "succeeded" for state in states) >= count

    with served(var):  # which makes an account: with its rights the schedule runs
        with started(var, "auto_collect", "on") as switched:
            assert switched.wait() == 0
        until(lambda: finished(1))
    # As after five hours and a half in which nothing ran.
    embedded.ensure_postgres(var)
    ask("UPDATE jobs_schedule SET next_run_at = now() - interval '330 minutes'")
    with served(var):
        until(lambda: finished(2))
    embedded.ensure_postgres(var)
    assert ask(JOBS) == [("succeeded",), ("succeeded",)]
    assert ask("SELECT missed_runs, next_run_at > now() FROM jobs_schedule") == [(5, True)]
