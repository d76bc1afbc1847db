"""Works on queued jobs."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import django_rq
from django.core.management.base import CommandParser
from django.db import connections

from project.command import SeedbedCommand
from project.jobs.bell import QUEUE
from project.jobs.contract import all_kinds
from project.jobs.reconciler import tick
from project.jobs.worker import LedgerWorker

# Imported before the fork, with the work of every kind: each job then starts in 0.2 s instead of
# 4-7 s. What merely enqueues or lists does without.
PRELOADED = (
    "pandas",
    "pyarrow",
    "pyarrow.csv",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.isotonic",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "project.jobs.runner",
)
DOORS = frozenset({"admin", "management", "migrations", "apps"})


def preload() -> None:
    """Import what jobs compute with, and all but the doors of each app that declares kinds."""
    for name in PRELOADED:
        import_module(name)
    for declaring in {kind.work.__module__ for kind in all_kinds()}:
        if declaring.endswith(".jobs"):
            _import_below(import_module(declaring.removesuffix(".jobs")))


def _import_below(package: ModuleType) -> None:
    for found in iter_modules(package.__path__, f"{package.__name__}."):
        if found.name.rpartition(".")[2] not in DOORS:
            module = import_module(found.name)
            if found.ispkg:
                _import_below(module)


class Command(SeedbedCommand):
    """Run jobs until stopped, each in a process of its own."""

    help = "Run queued jobs, each in a process of its own, until stopped by Ctrl-C or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--burst", action="store_true", help="end when the queue is empty (default: go on)"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        preload()
        tick()
        worker = django_rq.get_worker(
            QUEUE, worker_class=LedgerWorker, serializer="rq.serializers.JSONSerializer"
        )
        connections.close_all()  # a forked child must not share our connection
        worker.work(
            burst=options["burst"],
            logging_level="DEBUG" if options["verbosity"] > 1 else "WARNING",
        )
        return {"worker": worker.name}

    def render(self, result: dict[str, Any], console: Any) -> None:
        console.print(f"Worker {result['worker']} ended.")
