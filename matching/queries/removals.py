"""What stands on batches and refused rows, for whoever is about to remove some."""

from typing import Any

from matching.models import EventBatch, EventChange, MatchEvent, ProfileImport
from project import words
from project.jobs.models import Job, JobStep
from project.removal.contract import Plan, Standing, standing_on


def plan_of_batch(batch: EventBatch) -> Plan:
    """Say what goes with a batch.

    What was made of it keeps its own rows and goes stale; what serves now, and a job that is
    writing it, hold it.
    """
    standing: Standing = standing_on(batch)
    writing = JobStep.objects.filter(job__state__in=Job.ACTIVE, result__batch=batch.pk)
    blocked = [f"Job {step.job.short_id} is writing it." for step in writing.select_related("job")]
    remedies = ["Wait for the job, or stop it."] if blocked else []
    blocked += standing.blocked
    remedies += [standing.remedy] if standing.blocked else []
    stays = list(standing.stays)
    brought = batch.changes.exclude(
        event_id__range=(batch.first_event_id, batch.last_event_id)
    ).filter(state=EventChange.State.REPLACED)
    if count := brought.count():
        stays.append(
            f"{words.counted(count, 'change')} of events of other batches that its log brought: "
            "what stood there before is kept with each."
        )
    if batch.file_name:
        stays.append("Its file: a log that is imported again lands as new.")
    return Plan(
        title=f"Batch {batch.pk}",
        goes={
            "batch": 1,
            "match event": MatchEvent.objects.of_batch(batch).count(),
            "rejected line": batch.rejected.count(),
            "kept change": EventChange.objects.to_batch(batch).count(),
        },
        stale=standing.stale,
        stays=tuple(stays),
        blocked=tuple(blocked),
        remedy=" ".join(remedies),
        digests=_known(
            log=batch.file_sha256, people=batch.population_sha256, file=batch.population_file
        ),
    )


def plan_of_rejected(batch: EventBatch) -> Plan:
    """Say what goes with the refused lines of a batch."""
    return Plan(
        title=f"Rejected lines of batch {batch.pk}",
        goes={"rejected line": batch.rejected.count()},
        stays=(f"Batch {batch.pk} and its {batch.made:,} events: they were never among them.",),
        digests=_known(log=batch.file_sha256),
    )


def plan_of_profiles(source: ProfileImport) -> Plan:
    """Say what goes with the refused rows of a file of people, groups or trips."""
    rows: Any = source.refused
    return Plan(
        title=f"Rejected rows of import {source.pk}",
        goes={"import": 1, "rejected row": rows.count()},
        stays=("The rows of the file that landed: they are people, groups or trips now.",),
    )


def _known(**digests: str) -> dict[str, str]:
    return {name: digest for name, digest in digests.items() if digest}
