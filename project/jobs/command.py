"""The base of commands whose work is a job: enqueue, follow, report."""

import logging
import threading
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error, connection
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from project.command import SeedbedCommand
from project.jobs.contract import UnusableArguments, get_kind, title_of
from project.jobs.models import Job
from project.jobs.options import add_options, answers
from project.jobs.processes import has_worker
from project.jobs.questions import Question
from project.jobs.reconciler import ring_due_jobs
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.outside import one_line
from project.terminal import Console

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
WORKER_PATIENCE_SECONDS = 2.0  # between two looks whether a waiting job has a worker


class JobCommand(SeedbedCommand):
    """A command that enqueues a job of `kind` and follows it to its end.

    Its options are what the kind asks, but for the fields `asked_here`, which the subclass asks
    itself and gives in `job_arguments`.
    """

    kind = ""
    asked_here: tuple[str, ...] = ()

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

    def add_arguments(self, parser: CommandParser) -> None:
        """Add an option for each question of the kind."""
        add_options(parser, self._questions())

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        """Return the JSON arguments of the job; raises CommandError or Refusal for bad options."""
        return answers(self._questions(), options)

    def refusal_of(self, refused: dict[str, Any]) -> dict[str, Any]:
        """Return what a refused job says, as this command shows it."""
        return refused

    def _questions(self) -> list[Question]:
        return [
            question
            for question in get_kind(self.kind).questions
            if question.ask.is_asked
            and not question.asks_upload
            and question.name not in self.asked_here
        ]

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            job = enqueue(self.kind, ring_bell=not options["now"], **self.job_arguments(**options))
        except UnusableArguments as error:
            raise CommandError(str(error)) from error
        if options["detach"]:
            return {"job": str(job.pk), "state": job.state}
        try:
            return self._outcome(self._follow(job, works_here=options["now"]))
        except KeyboardInterrupt:
            raise CommandError(
                f"Not followed any more; `manage.py jobs show {job.short_id}` tells how the job "
                f"goes on, `manage.py jobs stop {job.short_id}` stops it."
            ) from None

    def render(self, result: Any, console: Console) -> None:
        """Show the job's id of a detached job, else the result."""
        if result.keys() == {"job", "state"}:
            console.print(f"Job {result['job']} is queued; see `manage.py jobs show`.")
        else:
            self.render_result(result, console)

    def render_result(self, result: Any, console: Console) -> None:
        """Show the result of a finished job to people."""
        super().render(result, console)

    def _follow(self, job: Job, *, works_here: bool) -> Job:
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=self.as_json,
        ) as progress:
            bar = _Bar(progress, job)
            if works_here:
                bar.work_here()
            look_again = time.monotonic()
            while not bar.refresh():
                if time.monotonic() > look_again:
                    look_again = time.monotonic() + WORKER_PATIENCE_SECONDS
                    # Due: it waits for a worker, or the one it had is gone.
                    if Job.objects.due().filter(pk=job.pk).exists():
                        if has_worker():
                            ring_due_jobs()
                        else:
                            progress.console.print("No worker is running: working here.")
                            bar.work_here()
                time.sleep(POLL_SECONDS)
            return job

    def _outcome(self, job: Job) -> dict[str, Any]:
        result: dict[str, Any] = job.result or {}
        if job.state == Job.State.SUCCEEDED:
            return {"job": str(job.pk), **result}
        if job.state == Job.State.REFUSED:
            self.finish_refused(self.refusal_of(result["refused"]))
        raise CommandError(
            f"The job {job.state}: {job.error} See `manage.py jobs show {job.short_id}`."
        )


class _Bar:
    """The progress of one job on the terminal."""

    def __init__(self, progress: Progress, job: Job) -> None:
        self._progress, self._job = progress, job
        self._title = title_of(job.kind)
        self._task = progress.add_task(self._title, total=None)

    def refresh(self) -> bool:
        """Show what the ledger says; True when the job has ended."""
        self._job.refresh_from_db()
        self._progress.update(
            self._task,
            completed=self._job.progress_done,
            total=self._job.progress_total,
            description=one_line(self._job.progress_message or self._title),
        )
        return self._job.is_finished

    def work_here(self) -> None:
        """Run the job in this process, watched by a second thread."""
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=[ended], daemon=True)
        if not connection.in_atomic_block:  # a second connection could not see the job
            watch.start()
        try:
            run_job(str(self._job.pk))
        except Exception as error:
            # The ledger has recorded it with its traceback, and the caller reports from the
            # ledger. Only what kept it from recording anything has to be raised here.
            self._job.refresh_from_db()
            if not self._job.is_finished:
                raise CommandError(f"The job could not be run: {error}") from error
        finally:
            ended.set()
            if watch.is_alive():
                watch.join()

    def _watch(self, ended: threading.Event) -> None:
        try:
            while not ended.wait(POLL_SECONDS):
                self.refresh()
        except Error:
            logger.debug("The progress cannot be shown", exc_info=True)
        finally:
            connection.close()
