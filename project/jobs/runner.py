"""Runs one job of the ledger: claim, heartbeat, and how it ended."""

import logging
import threading
import traceback
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from project.acting import acting
from project.jobs.bell import ring
from project.jobs.contract import (
    Arguments,
    JobKind,
    UnusableArguments,
    get_kind,
    read_arguments,
)
from project.jobs.models import Job, JobStep
from project.jobs.processes import process_name
from project.jobs.run import JobInterrupted, JobRun, JobStopped, LostLease, lease, storable
from project.refusal import Refusal
from project.storage.failures import StoreAway

logger = logging.getLogger(__name__)

HEARTBEATS_PER_LEASE = 4  # three may be lost before another worker may take the job
# SQLSTATE classes after which the same statements may well succeed: connection lost, rolled back
# by a deadlock, server shutting down.
TRANSIENT_SQLSTATES = ("08", "40", "57P")


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
                    if not owned.update(lease_until=Now() + lease()):
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
    fence = Job.objects.claim(identifier, lease=lease(), worker=process_name())
    if fence is None:
        return
    try:
        _name_session(session_name(identifier, fence))
        run = JobRun(Job.objects.select_related("user").get(pk=identifier), fence)
        with _Heartbeat(identifier, fence), acting(run.job.by):
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
            kind, asked = _what_is_asked(job)
            run.check()
            result = dict(kind.work(run, asked))
            _finish(run, Job.State.SUCCEEDED, result=result, said=_say(kind, result))
        except JobStopped:
            _cancel(run, "Stopped on request")
        except KeyboardInterrupt:
            _cancel(run, "Stopped by Ctrl-C")
            raise
        except StoreAway as away:
            _wait_for_store(run, away)
        except Refusal as refusal:
            _finish(
                run,
                Job.State.REFUSED,
                error=storable(str(refusal)),
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
            error=storable(f"{type(error).__name__}: {error}")[:2000],
            traceback=storable("".join(traceback.format_exception(error)))[-20_000:],
        )
        raise


def _what_is_asked(job: Job) -> tuple[JobKind, Arguments]:
    """Return the kind and the checked arguments; the row may be older than this version."""
    kind = get_kind(job.kind)
    try:
        return kind, read_arguments(kind, job.arguments)
    except UnusableArguments as error:
        raise Refusal(
            f"This job was asked for in words that this version does not know. {error}",
            remedy="Start it anew.",
        ) from error


def _say(kind: JobKind, result: dict[str, Any]) -> dict[str, Any]:
    """Let the kind say its result; work that is done does not fail for want of words."""
    try:
        return kind.says(result).as_dict()
    except Exception:
        logger.exception("The kind %s could not say its result", kind.name)
        return {}


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
    run.write(
        state=Job.State.QUEUED,
        attempts=F("attempts") - 1,
        lease_until=None,
        worker="",
        rung_at=Now(),
    )
    ring(run.job.pk, run.fence)


def _wait_for_store(run: JobRun, away: StoreAway) -> None:
    """Give the job back without a bell: who ticks rings again in some seconds. Nothing is wrong
    with the job, so that the run was no failed attempt."""
    logger.warning("Job %s waits for the store: %s", run.job.pk, away)
    run.write(
        state=Job.State.QUEUED,
        attempts=F("attempts") - 1,
        lease_until=None,
        worker="",
        rung_at=Now(),
        progress_message=storable(f"Waits for the store: {away.message}")[:200],
    )


def _finish(run: JobRun, state: str, **fields: Any) -> None:
    stages = [
        {**stage, "state": state} if stage["state"] == "running" else stage
        for stage in run.job.stages
    ]
    run.write(state=state, stages=stages, finished_at=Now(), lease_until=None, **fields)
