"""What people do to batches of events."""

from django.db import transaction

from matching.models import EventBatch, MatchEvent
from project.jobs.models import Job, JobStep
from project.refusal import Refusal


def users_of(batch: EventBatch) -> list[str]:
    """Name what still needs the batch: records made from it, and jobs that are writing it."""
    named = []
    for relation in EventBatch._meta.related_objects:
        if relation.many_to_many:  # apps above this one keep their lineage in such relations
            records = getattr(batch, str(relation.get_accessor_name())).all()
            named += [f"{relation.related_model._meta.verbose_name} {one}" for one in records]
    writing = JobStep.objects.filter(job__state__in=Job.ACTIVE, result__batch=batch.pk)
    named += [f"job {step.job}" for step in writing.select_related("job")]
    return named


@transaction.atomic
def delete_batch(batch: EventBatch) -> int:
    """Delete a batch with its events and rejected lines; returns how many events there were.

    Refuses while something was made from it or a job writes it.
    """
    needed = users_of(batch)
    if needed:
        raise Refusal(
            f"Batch {batch.pk} is needed by {', '.join(needed)}.",
            remedy="Delete that first, or keep the batch.",
        )
    deleted, _ = MatchEvent.objects.of_batch(batch).delete()
    batch.delete()
    return deleted


def abandon_batch(batch: EventBatch) -> None:
    """Remove what a stopped job had made of a batch; the batch stays, and says so."""
    MatchEvent.objects.of_batch(batch).delete()
    batch.rejected.all().delete()
    batch.state = EventBatch.State.ABANDONED
    batch.save(update_fields=["state"])
