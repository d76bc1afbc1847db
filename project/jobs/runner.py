"""Runs one job of the ledger: claim, heartbeat, and how it ended."""

import logging
import threading
import time
import traceback
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from project.acting import acting
from project.jobs.bell import ring
from project.jobs.contract import (
    Arguments,
    JobKind,
    UnusableArguments,
    get_kind,
    is_known,
    read_arguments,
)
from project.jobs.models import Job, JobLogLine, JobStep
from project.jobs.processes import process_name
from project.jobs.run import JobInterrupted, JobRun, JobStopped, LostLease, lease, storable
from project.machine import said_of_file
from project.refusal import Refusal
from project.storage.failures import StoreAway

logger = logging.getLogger(__name__)

HEARTBEATS_PER_LEASE = 4  # three may be lost before another worker may take the job
# SQLSTATE classes after which the same statements may well succeed: connection lost, rolled back
# by a deadlock, server shutting down, no room left on its disk or in its memory.
TRANSIENT_SQLSTATES = ("08", "40", "57P", "53")
FULL = "53"
LONGEST_PAUSE_SECONDS = 60  # until a job is tried again whose database has no room left
MOST_LOSSES = 25  # of the database in a row: then the job itself may be what ends it
RECONNECT_SECONDS = 0.25  # between two tries to give back the job of a run that lost the database
SEEN_LENGTH = 200  # characters of what is kept of a trouble


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

    This is what RQ calls. An unexpected exception is recorded with the job and raised again. A job
    of a kind that this version does not know is left to a newer worker.
    """
    identifier = UUID(job_id)
    kind = Job.objects.filter(pk=identifier).values_list("kind", flat=True).first()
    if kind is not None and not is_known(kind):
        logger.warning("Job %s waits for a newer worker: the kind %s is not known", job_id, kind)
        return
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
        _give_back(identifier, fence, error)
    finally:
        _name_session("")


def _give_back(job_id: UUID, fence: int, error: Exception) -> None:
    """Give a job back as soon as the database answers again, so that nobody waits for the lease to
    run out; the run was no failed attempt."""
    why = storable(" ".join(str(error).split()))[:SEEN_LENGTH]
    logger.warning("Job %s lost the database: %s", job_id, why)
    until = time.monotonic() + settings.JOB_LEASE_SECONDS  # then another worker may take it
    is_full = (getattr(error.__cause__, "sqlstate", None) or "").startswith(FULL)
    while time.monotonic() < until:
        try:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            with transaction.atomic():
                # Room does not come back by trying: the bell rings after a pause that grows.
                losses = Job.objects.filter(pk=job_id).values_list("losses", flat=True).first() or 0
                pause = min(2**losses, LONGEST_PAUSE_SECONDS) if is_full else 0
                given = Job.objects.owned(job_id, fence).update(
                    state=Job.State.QUEUED,
                    attempts=Greatest(F("attempts") - 1, 0),
                    losses=F("losses") + 1,
                    trouble=why,
                    lease_until=None,
                    worker="",
                    rung_at=Now() + timedelta(seconds=pause),
                )
                if given:
                    when = f"in {pause} s " if pause else ""
                    JobLogLine.objects.create(
                        job_id=job_id,
                        level=JobLogLine.Level.WARNING,
                        message=f"The database did not do its part ({why}); {when}another run goes "
                        "on after the last finished step.",
                    )
        except (OperationalError, InterfaceError):
            time.sleep(RECONNECT_SECONDS)
            continue
        if given and not pause:
            ring(job_id, fence)
        return


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
    if poison := _poison(job):
        _finish(run, Job.State.FAILED, error=poison)
        return
    if job.trouble:
        run.write(trouble="")
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
        said = said_of_file(error)
        said = f"{said} Then retry: what is finished stays." if said else ""
        _finish(
            run,
            Job.State.FAILED,
            error=storable(said or f"{type(error).__name__}: {error}")[:2000],
            traceback=storable("".join(traceback.format_exception(error)))[-20_000:],
        )
        raise


def _poison(job: Job) -> str:
    """Why no run of a job is begun any more; empty where one is."""
    if job.attempts > settings.JOB_MAX_ATTEMPTS:
        seen = job.trouble or (
            "None gave a sign of life until its lease ran out: it, or its machine, was killed or "
            "cut off"
        )
        return (
            f"Its worker died {job.attempts - 1} times in a row before it finished a step, the "
            f"limit is {settings.JOB_MAX_ATTEMPTS}. {seen}. Look at the log of the worker, then "
            "retry."
        )
    if job.losses >= MOST_LOSSES:
        return (
            f"The database was lost {job.losses} times in a row before it finished a step, at last "
            f"with: {job.trouble}. See whether PostgreSQL runs, and its log, then retry."
        )
    return ""


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
        attempts=Greatest(F("attempts") - 1, 0),
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
        attempts=Greatest(F("attempts") - 1, 0),
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
