"""RQ's worker, taught to live with the ledger."""

import logging
import os
import signal
import time
from typing import Any

from django.db import Error, connections
from django.db.models.functions import Now
from redis.exceptions import ResponseError
from rq import Worker, worker_registration

from project import clock
from project.jobs.bell import Bell
from project.jobs.models import Job, JobLogLine, Process
from project.jobs.processes import beat, child_name, leave
from project.jobs.reconciler import ring_due_jobs
from project.jobs.run import shutdown
from project.jobs.runner import run_job

logger = logging.getLogger(__name__)

# What RQ's client raises for names that are no text, and for values of another type.
UNREADABLE = (ValueError, ResponseError)
UNREADABLE_PAUSE_SECONDS = 1.0  # the queue itself may be what cannot be read
BEAT_SECONDS = 5  # a quarter of Process.SILENCE_SECONDS


class AnsweredBell(Bell):
    """A bell where a worker is: it runs the ledger's one function, whatever the queue names."""

    def _execute(self) -> None:
        run_job(self.args[0])


class LedgerWorker(Worker):  # type: ignore[misc]  # rq has no types here
    """A worker that shows it is alive, gives its job back when it ends, and rings for lost bells.

    RQ waits for the job when it is asked to end, notices a flush of Valkey never, and leaves a job
    whose process was killed to a timer.
    """

    max_connection_wait_time = 5.0  # seconds between tries to reach Valkey

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # RQ waits for the queue 15 seconds less than the time to live, and beats after each wait.
        kwargs["worker_ttl"] = BEAT_SECONDS + 15
        kwargs["job_monitoring_interval"] = BEAT_SECONDS
        kwargs["job_class"] = AnsweredBell
        super().__init__(*args, **kwargs)

    def subscribe(self) -> None:
        """Listen to nobody: RQ takes orders to end, or to kill its job, from a channel of Valkey.

        A job is stopped in the ledger, and a worker by a signal.
        """

    def check_for_suspension(self, burst: bool) -> None:
        """Go on: a key in Valkey would hold up every worker until somebody removed it."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Beat in the ledger and in Valkey, which may have been flushed since."""
        super().heartbeat(timeout, pipeline)
        if os.getpid() != self.pid:  # the process that works on a job is no worker of its own
            return
        if pipeline is None and not self.connection.hexists(self.key, "birth"):
            self.connection.hset(self.key, mapping=self.serialize())
            worker_registration.register(self)
        try:
            self._beat()
            ring_due_jobs()
        except Error as error:
            logger.warning("The database does not answer: %s", error)
            connections.close_all()

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> Any:
        """Wait for a bell; an entry of the queue that cannot be read ends no worker."""
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            except UNREADABLE as error:
                logger.error("Dropped an entry of the queue that cannot be read: %s", error)
                time.sleep(UNREADABLE_PAUSE_SECONDS)

    def run_maintenance_tasks(self) -> None:
        """Clean RQ's registries, whatever somebody else has put there."""
        try:
            super().run_maintenance_tasks()
        except UNREADABLE as error:
            logger.error("RQ's registries cannot be cleaned: %s", error)

    def fork_work_horse(self, job: Any, queue: Any) -> None:
        """Fork without a database connection: two processes cannot share one."""
        connections.close_all()
        super().fork_work_horse(job, queue)
        try:
            self._beat()  # says at once who works for it
        except Error as error:
            logger.warning("The database does not answer: %s", error)
            connections.close_all()

    def setup_work_horse_signals(self) -> None:
        """Make SIGTERM end the job at the end of its chunk, in the process that works on it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, shutdown.ask)

    def handle_warm_shutdown_request(self) -> None:
        """Pass the request on to the process that works."""
        super().handle_warm_shutdown_request()
        self._end_horse()

    def maintain_heartbeats(self, job: Any) -> None:
        """Beat, and repeat a request to end that came while the process was being forked."""
        super().maintain_heartbeats(job)
        if self._stop_requested:
            self._end_horse()

    def handle_work_horse_killed(self, job: Any, retpid: int, ret_val: int, rusage: Any) -> None:
        """End the lease of a process that was killed, so that nobody waits for it to run out."""
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)
        why = _how_it_ended(ret_val)
        theirs = Job.objects.filter(
            pk=job.args[0], state=Job.State.RUNNING, worker=child_name(retpid)
        )
        try:
            if theirs.update(lease_until=Now(), rung_at=None, trouble=why):
                JobLogLine.objects.create(
                    job_id=job.args[0],
                    level=JobLogLine.Level.WARNING,
                    message=f"{why}; another run goes on after the last finished step.",
                )
        except Error as error:
            logger.warning("The lease of job %s has to run out: %s", job.args[0], error)

    def teardown(self) -> None:
        """Sign off from the ledger as well."""
        # A request to end may have come in the middle of a statement, whose connection takes no
        # other.
        connections.close_all()
        try:
            leave()
        except Error as error:
            logger.warning("The database does not answer: %s", error)
        super().teardown()

    def _beat(self) -> None:
        clock.measure()
        beat(Process.Role.WORKER, works_as=child_name(self.horse_pid) if self.horse_pid else "")

    def _end_horse(self) -> None:
        if self.horse_pid:
            try:
                os.kill(self.horse_pid, signal.SIGTERM)
            except ProcessLookupError:
                logger.debug("The job's process has ended already")


def _how_it_ended(status: int) -> str:
    """Say how a process ended, by what `waitpid` tells of it."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"Its process ended with exit code {code}"
    said = f"Its process was ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})"
    if -code == signal.SIGKILL:
        return f"{said}, which the system sends where memory runs out"
    return said
