"""The servers and the population of a benchmark: its own, under var/bench, and nobody else's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "bench"
# What whole runs leave behind; what hangs on it goes with it.
EMPTIED = ("matching_matchevent", "matching_eventbatch", "training_dataset", "jobs_job")


def use_own() -> None:
    """Point this process and those it starts at var/bench; before Django is imported."""
    os.environ.update(
        SEEDBED_VAR=str(VAR),
        SEEDBED_ENV="development",
        SEEDBED_LOG_LEVEL="WARNING",
        DATABASE_URL="",  # servers named in .env are never touched
        REDIS_URL="",
        DJANGO_SETTINGS_MODULE="project.settings",
    )


def prepare(users: int) -> None:
    """Start from an empty folder: servers, tables, a population and its sessions."""
    remove()
    for command in (
        ["migrate", "--verbosity=0"],
        ["seed_users", "--count", str(users), "--now", "--json"],
        ["create_sessions", "--now", "--json"],
    ):
        # Commands of this repository, with numbers of our own.
        subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )


def connect() -> None:
    """Make Django ready in this process, with everything loaded that a worker has loaded.

    Models and services are imported after this, inside the functions that a fresh process calls.
    """
    import django

    django.setup()
    import sklearn.ensemble  # noqa: F401 - preloaded by the worker before it forks

    from project.bootstrap import start_servers

    start_servers()


def clean() -> None:
    """Forget every event, dataset, model and job; the population stays."""
    from django.conf import settings
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(EMPTIED)} CASCADE")
        # What earlier runs wrote is on the disk before the next one starts its clock.
        cursor.execute("CHECKPOINT")
    # Not the id beside them: the database has the same one.
    for kept in ("datasets", "models", "blobs"):
        shutil.rmtree(Path(settings.ARTIFACT_ROOT) / kept, ignore_errors=True)


def remove() -> None:
    """Stop the servers and remove everything that was measured with."""
    if VAR.exists():
        subprocess.run(
            [sys.executable, "manage.py", "services", "stop"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.rmtree(VAR)
