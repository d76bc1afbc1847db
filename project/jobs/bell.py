"""The bell: tells an RQ worker that a row of the ledger is due. Losing a ring costs seconds."""

import logging
from uuid import UUID

import django_rq
from redis.exceptions import RedisError
from rq import Worker

QUEUE = "default"
logger = logging.getLogger(__name__)


def ring(job_id: UUID) -> bool:
    """Put the job's id on the queue unless it is there; False when the queue cannot be reached.

    An unreachable queue is no failure of the caller: the row is committed and the reconciler
    rings again.
    """
    try:
        queue = django_rq.get_queue(QUEUE)
        if queue.get_job_position(str(job_id)) is None:
            queue.enqueue_call(
                "project.jobs.runner.run_job",
                args=(str(job_id),),
                job_id=str(job_id),
                timeout=-1,
                result_ttl=0,
                failure_ttl=24 * 3600,
            )
    except RedisError as error:
        logger.warning("The queue does not answer, job %s waits: %s", job_id, error)
        return False
    return True


def has_worker() -> bool:
    """Whether a worker listens on the queue right now."""
    try:
        return bool(Worker.count(queue=django_rq.get_queue(QUEUE)))
    except RedisError:
        return False
