"""Runs one job of the ledger: claim, heartbeat, fenced writes, and how it ended."""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from project.jobs.bell import ring
from project.jobs.contract import get_kind
from project.jobs.models import Job, JobLogLine, JobStep
from project.jobs.processes import process_name
from project.refusal import Refusal

logger = logging.getLogger(__name__)

HEARTBEATS_PER_LEASE = 4  # three may be lost before another worker may take the job
# SQLSTATE classes after which the same statements may well succeed: connection lost, rolled back
# by a deadlock, server shutting down.
TRANSIENT_SQLSTATES = ("08", "40", "57P")

# Set by the signal that ends a worker: its job is left at the end of the chunk for another one.
shutdown = threading.Event()


class LostLease(Exception):
    """Another worker owns the job now: stop, write nothing."""


class JobStopped(Exception):
    """Somebody asked the job to stop."""


class JobInterrupted(Exception):
    """This worker is shutting down: leave the job for another one."""


class JobRun:
    """A run's hold on its job: every write repeats the fence that its claim was given.

    A kind's work gets one of these. Work that must not happen twice goes through `once` or
    `transaction` and is remembered as a step, so that any other worker can go on from there.
    """

    def __init__(self, job: Job, fence: int) -> None:
        self.job = job
        self.fence = fence
        self.arguments: dict[str, Any] = job.arguments
        self._held: dict[str, Any] | None = None  # what waits for the end of the transaction
        self._steps = {(step.name, step.number): step.result for step in job.steps.all()}

    @property
    def user(self) -> Any:
        """Who asked for the job, or None for a schedule or command."""
        return self.job.user

    def result_of(self, name: str, number: int = 0) -> dict[str, Any] | None:
        """Return the result of a step that this or an earlier run finished, else None."""
        return self._steps.get((name, number))

    @contextmanager
    def transaction(self, name: str | None = None, number: int = 0) -> Iterator[dict[str, Any]]:
        """Open a transaction that commits only while this run owns the job.

        With a name, the dict that it yields is stored as the result of that step in the same
        transaction: rows and step are there together or not at all.

        Raises
        ------
        LostLease
            When another worker owns the job; everything written inside is rolled back.
        """
        result: dict[str, Any] = {}
        self._held = {}
        try:
            with transaction.atomic():
                yield result
                if name is not None:
                    JobStep.objects.create(job=self.job, name=name, number=number, result=result)
                # Last, because this locks the row against a claim until the commit.
                held, self._held = self._held, None
                self._update(lease_until=Now() + _lease(), **held)
        finally:
            self._held = None
        if name is not None:
            self._steps[name, number] = result
        self.check()

    def once(
        self, name: str, work: Callable[[], dict[str, Any]], number: int = 0
    ) -> dict[str, Any]:
        """Return the step's result, doing its work in one fenced transaction if it is missing."""
        done = self.result_of(name, number)
        if done is not None:
            return done
        with self.transaction(name, number) as result:
            result.update(work())
        return result

    def forget(self, name: str) -> None:
        """Drop the steps of that name; for work whose rows were removed."""
        JobStep.objects.filter(job=self.job, name=name).delete()
        self._steps = {key: value for key, value in self._steps.items() if key[0] != name}

    def check(self) -> None:
        """Raise when this run has to end: JobStopped, JobInterrupted or LostLease."""
        stop_requested = (
            Job.objects.owned(self.job.pk, self.fence).values_list("stop_requested", flat=True)
        ).first()
        if stop_requested is None:
            raise LostLease(str(self.job))
        if stop_requested:
            raise JobStopped(str(self.job))
        if shutdown.is_set():
            raise JobInterrupted(str(self.job))

    def report(self, done: int, total: int | None = None, message: str = "") -> None:
        """Show how far the work is, in the units of `total`."""
        self._update(
            progress_done=done, progress_total=total, progress_message=_storable(message)[:200]
        )

    def log(self, message: str, level: str = JobLogLine.Level.INFO) -> None:
        """Keep a line for people."""
        with transaction.atomic():
            self._update(lease_until=Now() + _lease())
            JobLogLine.objects.create(job=self.job, level=level, message=_storable(message))

    def add_record(self, record: models.Model) -> None:
        """Link a record that the job made."""
        key = record.pk if isinstance(record.pk, int) else str(record.pk)
        entry = {"model": record._meta.label_lower, "id": key, "title": _storable(str(record))}
        if entry not in self.job.records:
            self._update(records=[*self.job.records, entry])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show a named stage as running, then as done; where a job ends early, as its state."""
        started = timezone.now()
        stages = [stage for stage in self.job.stages if stage["name"] != name]
        self._update(stages=[*stages, {"name": name, "state": "running"}])
        yield
        seconds = round((timezone.now() - started).total_seconds(), 2)
        self._update(stages=[*stages, {"name": name, "state": "done", "seconds": seconds}])

    def _update(self, **fields: Any) -> None:
        """Write to the job while this run owns it, else raise LostLease."""
        if self._held is not None:
            # Nobody sees it before the commit anyway, and the lock on the row would until then
            # hold up the heartbeat and whoever asks to stop.
            self._held.update(fields)
        elif not Job.objects.owned(self.job.pk, self.fence).update(**fields):
            raise LostLease(str(self.job))
        for field, value in fields.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self.job, field, value)


class _Heartbeat:
    """Renews the lease from a second thread and connection while the work computes."""

    def __init__(self, job_id: UUID, fence: int) -> None:
        self._job_id, self._fence = job_id, fence
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="job-heartbeat", daemon=True)

    def __enter__(self) -> None:
        # Inside a caller's transaction a second connection could not see the job at all.
        if not connection.in_atomic_block:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._ended.wait(settings.JOB_LEASE_SECONDS / HEARTBEATS_PER_LEASE):
                try:
                    owned = Job.objects.owned(self._job_id, self._fence)
                    if not owned.update(lease_until=Now() + _lease()):
                        return
                except Exception:
                    # The next beat tries again on a new connection; three may be lost.
                    logger.warning("A heartbeat of job %s failed", self._job_id, exc_info=True)
                    connection.close()
        finally:
            connection.close()


def run_job(job_id: str) -> None:
    """Run a job if it is due; a job that another worker owns or that ended is left alone.

    This is what RQ calls. An unexpected exception is recorded with the job and raised again.
    """
    identifier = UUID(job_id)
    fence = Job.objects.claim(identifier, lease=_lease(), worker=process_name())
    if fence is None:
        return
    try:
        _name_session(session_name(identifier, fence))
        run = JobRun(Job.objects.select_related("user").get(pk=identifier), fence)
        with _Heartbeat(identifier, fence):
            _run_claimed(run)
    except LostLease:
        logger.warning("Job %s was taken by another worker; this run wrote nothing more", job_id)
    except (OperationalError, InterfaceError) as error:
        if not _is_transient(error):
            raise
        logger.warning("Job %s lost the database and waits for another try: %s", job_id, error)
    finally:
        _name_session("")


def session_name(job_id: UUID | str, fence: int) -> str:
    """Return the name under which PostgreSQL lists the session of one run of a job."""
    return f"job {job_id} {fence}"


def _name_session(name: str) -> None:
    # By it the reconciler finds the session of a run that hangs with its locks held.
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', %s, false)", [name])
    except Error:
        # Broken connections end their session, and what they hold, by themselves.
        logger.debug("The session could not be named", exc_info=True)


def _is_transient(error: Exception) -> bool:
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return sqlstate is None or sqlstate.startswith(TRANSIENT_SQLSTATES)


def _run_claimed(run: JobRun) -> None:
    job = run.job
    if job.attempts > settings.JOB_MAX_ATTEMPTS:
        _finish(
            run,
            Job.State.FAILED,
            error=(
                f"Its worker died {job.attempts - 1} times, the limit is "
                f"{settings.JOB_MAX_ATTEMPTS}. Look at the log of the worker, then retry."
            ),
        )
        return
    try:
        try:
            kind = get_kind(job.kind)
            run.check()
            _finish(run, Job.State.SUCCEEDED, result=kind.work(run))
        except JobStopped:
            _cancel(run, "Stopped on request")
        except KeyboardInterrupt:
            _cancel(run, "Stopped by Ctrl-C")
            raise
        except Refusal as refusal:
            _finish(
                run,
                Job.State.REFUSED,
                error=_storable(str(refusal)),
                result={"refused": refusal.as_dict()},
            )
    except LostLease:
        raise
    except JobInterrupted:
        _leave(run)
    except Exception as error:
        if isinstance(error, OperationalError | InterfaceError) and _is_transient(error):
            raise
        _finish(
            run,
            Job.State.FAILED,
            error=_storable(f"{type(error).__name__}: {error}")[:2000],
            traceback=_storable("".join(traceback.format_exception(error)))[-20_000:],
        )
        raise


def _cancel(run: JobRun, why: str) -> None:
    cleanup = get_kind(run.job.kind).cleanup
    if cleanup is None:
        _finish(run, Job.State.CANCELLED, error=f"{why}; a retry goes on from there.")
        return
    with transaction.atomic():
        cleanup(run)
        JobStep.objects.filter(job=run.job).delete()
        _finish(run, Job.State.CANCELLED, error=f"{why}; nothing half-made was kept.", records=[])


def _leave(run: JobRun) -> None:
    """Give the job back at once; the run was no failed attempt."""
    run._update(
        state=Job.State.QUEUED,
        attempts=F("attempts") - 1,
        lease_until=None,
        worker="",
        rung_at=Now(),
    )
    ring(run.job.pk, run.fence)


def _finish(run: JobRun, state: str, **fields: Any) -> None:
    stages = [
        {**stage, "state": state} if stage["state"] == "running" else stage
        for stage in run.job.stages
    ]
    run._update(state=state, stages=stages, finished_at=Now(), lease_until=None, **fields)


def _lease() -> timedelta:
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _storable(text: str) -> str:
    """Return text that PostgreSQL takes: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
