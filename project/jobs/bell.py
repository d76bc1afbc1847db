"""The bell: tells an RQ worker that a row of the ledger is due. Losing a ring costs seconds."""

import logging
from uuid import UUID

import django_rq
from redis.exceptions import RedisError

QUEUE = "default"
logger = logging.getLogger(__name__)


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
                "project.jobs.runner.run_job",
                args=(str(job_id),),
                job_id=bell_id,
                timeout=-1,
                result_ttl=0,
                failure_ttl=24 * 3600,
            )
    except RedisError as error:
        logger.warning("The queue does not answer, job %s waits: %s", job_id, error)
        return False
    return True
