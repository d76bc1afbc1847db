"""The bell: tells an RQ worker that a row of the ledger is due. Losing a ring costs seconds.

Whoever can write to Valkey can put anything there, and RQ runs whatever function a queued job
names, as the job, its callbacks or on its failure. So nothing of a queued job is believed but the
id of a ledger job: `Bell` reads that and nothing else, and what is not such a bell is dropped.
"""

import json
import logging
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from uuid import UUID

import django_rq
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from rq.job import Job as QueuedJob
from rq.job import JobStatus
from rq.utils import decode_redis_hash, now

QUEUE = "default"
FUNCTION: Final = "project.jobs.runner.run_job"  # the name in the queue; nobody imports it
KEEP_FAILED_SECONDS = 24 * 3600
_BELL_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-[0-9]{1,10}")
MAX_BYTES = 500  # of what a bell says; more is not unpacked
# What RQ runs or calls beside the function: a bell has none of it.
FOREIGN_FIELDS = (
    *("success_callback_name", "failure_callback_name", "stopped_callback_name", "webhooks"),
    *("dependency_ids", "dependency_id", "group_id", "repeats_left", "retries_left"),
)
logger = logging.getLogger(__name__)


class Bell(QueuedJob):  # type: ignore[misc]  # rq has no types here
    """A queued job that can say one thing: work on the ledger's job of this id."""

    def restore(self, raw_data: Any) -> None:
        """Read which ledger job it rings for; NoSuchJobError, in the log as well, for all else."""
        try:
            fields = decode_redis_hash(raw_data)
        except UnicodeDecodeError:
            self._drop("a field whose name is no text")
        if why := fault_of(self.id, fields):
            self._drop(why)
        self.data = json.dumps(_says(self.id.rpartition("-")[0])).encode()
        self.timeout, self.result_ttl, self.failure_ttl = -1, 0, KEEP_FAILED_SECONDS
        self.origin = QUEUE
        self.created_at = self.enqueued_at = now()
        self.meta: dict[str, Any] = {}
        self._status = JobStatus(fields.get("status", b"queued").decode())

    def _execute(self) -> Any:
        """Nothing is run where no worker is."""
        raise RuntimeError("A bell is answered by `manage.py worker` alone.")

    def _drop(self, why: str) -> NoReturn:
        logger.error("Dropped a queued job that is no bell of the ledger (%s): %.80r", why, self.id)
        raise NoSuchJobError("This queued job is no bell of the ledger.")


def disarm() -> None:
    """Take from RQ's own class of jobs what runs code by its name.

    The commands of django-rq read with that class: the registries that `rqstats` counts would call
    what an abandoned job names as its failure callback.
    """
    for name in ("success_callback", "failure_callback", "stopped_callback"):
        setattr(QueuedJob, name, None)
    QueuedJob._execute = Bell._execute


def fault_of(bell_id: str, fields: Mapping[str, bytes]) -> str:
    """Return why a queued job is no bell of the ledger, by its id and what it says; "" if it is."""
    named = _BELL_ID.fullmatch(bell_id)
    foreign = [name for name in FOREIGN_FIELDS if fields.get(name) not in (None, b"", b"[]")]
    if named is None or foreign or _said(fields.get("data", b"")) != _says(named[1]):
        return ", ".join(foreign) or "another function, arguments or id"
    try:
        JobStatus(fields.get("status", b"queued").decode())
    except ValueError:
        return "a state that there is none of"
    return ""


def _says(job_id: str) -> list[Any]:
    return [FUNCTION, None, [job_id], {}]


def _said(data: bytes) -> Any:
    try:
        text = zlib.decompressobj().decompress(data, MAX_BYTES)
        return json.loads(text)
    except (zlib.error, ValueError, RecursionError):
        return None


def ring(job_id: UUID, fence: int = 0) -> bool:
    """Put the job's id on the queue unless it is there; False when the queue cannot be reached.

    An unreachable queue is no failure of the caller: the row is committed and the reconciler
    rings again. With the fence in RQ's id, a run that lost its job cannot end the bell of the next.
    """
    bell_id = f"{job_id}-{fence}"
    try:
        queue = django_rq.get_queue(QUEUE)
        if queue.get_job_position(bell_id) is None:
            queue.enqueue_call(
                FUNCTION,
                args=(str(job_id),),
                job_id=bell_id,
                timeout=-1,
                result_ttl=0,
                failure_ttl=KEEP_FAILED_SECONDS,
            )
    except RedisError as error:
        logger.warning("The queue does not answer, job %s waits: %s", job_id, error)
        return False
    return True
