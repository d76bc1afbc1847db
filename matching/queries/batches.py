"""What still needs a batch."""

from matching.models import EventBatch
from project.jobs.models import Job, JobStep


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
