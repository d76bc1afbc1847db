"""Works on queued jobs."""

import sys
from importlib import import_module
from pkgutil import iter_modules
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
)


def preload() -> None:
    """Import what jobs compute with, and the modules beside each declaration of a kind."""
    for name in PRELOADED:
        import_module(name)
    for package in {kind.work.__module__ for kind in all_kinds()}:
        # A kind that is declared in a plain module has its work there.
        folders = getattr(sys.modules[package], "__path__", ())
        for module in iter_modules(folders, f"{package}."):
            import_module(module.name)


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
