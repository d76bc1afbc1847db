"""The base of commands whose work is a job: enqueue, follow, report."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from project.command import SeedbedCommand
from project.jobs.bell import has_worker
from project.jobs.kinds import get_kind
from project.jobs.models import Job
from project.jobs.reconciler import tick
from project.jobs.runner import run_job
from project.jobs.services import enqueue

POLL_SECONDS = 0.2
WORKER_PATIENCE_SECONDS = 2.0  # how long a waiting job may have no worker before we work here


class JobCommand(SeedbedCommand):
    """A command that enqueues a job of `kind` and follows it to its end.

    A subclass names the kind and turns options into the job's arguments in `job_arguments`.
    """

    kind = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Add the options that every job command has."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--detach", action="store_true", help="return at once; `jobs show ID` tells the rest"
        )
        how.add_argument(
            "--now", action="store_true", help="work in this process instead of a worker"
        )
        return parser

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        """Return the JSON arguments of the job; raises CommandError or Refusal for bad options."""
        return {}

    def run(self, **options: Any) -> dict[str, Any]:
        job = enqueue(self.kind, ring_bell=not options["now"], **self.job_arguments(**options))
        if options["detach"]:
            return {"job": str(job.pk), "state": job.state}
        if options["now"]:
            _work_here(job)
        return self._outcome(self._follow(job))

    def render(self, result: dict[str, Any], console: Console) -> None:
        """Show the job's id of a detached job, else the result."""
        if result.keys() == {"job", "state"}:
            console.print(f"Job {result['job']} is queued; see `manage.py jobs show`.")
        else:
            self.render_result(result, console)

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        """Show the result of a finished job to people."""
        super().render(result, console)

    def _follow(self, job: Job) -> Job:
        started = time.monotonic()
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=self.as_json,
        ) as progress:
            task = progress.add_task(get_kind(self.kind).title, total=None)
            while True:
                job.refresh_from_db()
                progress.update(
                    task,
                    completed=job.progress_done,
                    total=job.progress_total,
                    description=job.progress_message or get_kind(self.kind).title,
                )
                if job.is_finished:
                    return job
                waited = time.monotonic() - started
                if waited > WORKER_PATIENCE_SECONDS and job.state == Job.State.QUEUED:
                    if has_worker():
                        tick()
                    else:
                        progress.console.print("No worker is running: working here.")
                        _work_here(job)
                time.sleep(POLL_SECONDS)

    def _outcome(self, job: Job) -> dict[str, Any]:
        result: dict[str, Any] = job.result or {}
        if job.state == Job.State.SUCCEEDED:
            return {"job": str(job.pk), **result}
        if job.state == Job.State.REFUSED:
            self.finish_refused(result["refused"])
        raise CommandError(
            f"The job {job.state}: {job.error} See `manage.py jobs show {job.short_id}`."
        )


def _work_here(job: Job) -> None:
    try:
        run_job(str(job.pk))
    except Exception as error:
        # The ledger has recorded it with its traceback, and the caller reports from the ledger.
        # Only what kept it from recording anything has to be raised here.
        job.refresh_from_db()
        if not job.is_finished:
            raise CommandError(f"The job could not be run: {error}") from error
