"""What stands on batches and refused rows, for whoever is about to remove some."""

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from matching.models import (
    EventBatch,
    EventChange,
    MatchEvent,
    ProfileImport,
    RefusedProfile,
    SeedUser,
    TravelGroup,
    TravelSession,
)
from project import words
from project.jobs.models import Job, JobStep
from project.removal.contract import Plan, Standing, leads_to, standing_on


def plan_of_batch(batch: EventBatch) -> Plan:
    """Say what goes with a batch.

    What was made of it keeps its own rows and goes stale; what serves now, and a job that is
    writing it, hold it.
    """
    standing: Standing = standing_on(batch)
    writing = JobStep.objects.filter(job__state__in=Job.ACTIVE, result__batch=batch.pk)
    jobs = [step.job for step in writing.select_related("job")]
    blocked = [f"Job {job.short_id} is writing it." for job in jobs]
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
    if batch.is_sent:
        stays.append("What applications still have: an event that is sent again lands as new.")
    elif batch.file_name:
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
        leads=(*leads_to(jobs), *standing.leads),
        digests=_known(
            log=batch.file_sha256, people=batch.population_sha256, file=batch.population_file
        ),
    )


def plan_of_rejected(batch: EventBatch) -> Plan:
    """Say what goes with the refused lines of a batch."""
    return Plan(
        title=f"Rejected lines of batch {batch.pk}",
        goes={"rejected line": batch.rejected.count()},
        stays=(
            f"Batch {batch.pk} with {words.tally(batch.made, 'event')}, which were not among them.",
        ),
        digests=_known(log=batch.file_sha256),
    )


def plan_of_profiles(source: ProfileImport) -> Plan:
    """Say what goes with the refused rows of a file of people, groups or trips."""
    rows: Any = source.refused
    return Plan(
        title=f"Rejected rows of import {source.pk}",
        goes={"rejected row": rows.count()},
        stays=("The rows of the file that landed: they are people, groups or trips now.",),
    )


# What a file holds, in the singular.
NOUNS: Final[Mapping[str, str]] = {
    ProfileImport.Holds.PEOPLE: "person",
    ProfileImport.Holds.GROUPS: "group",
    ProfileImport.Holds.TRIPS: "trip",
}
_MODELS: Final[Mapping[str, Any]] = {
    ProfileImport.Holds.PEOPLE: SeedUser,
    ProfileImport.Holds.GROUPS: TravelGroup,
    ProfileImport.Holds.TRIPS: TravelSession,
}


def made_by(source: ProfileImport) -> QuerySet[Any]:
    """Return what a file has made and is still there: people, groups or trips."""
    made: QuerySet[Any] = _MODELS[source.holds]._default_manager.filter(imported_in=source.upload)
    return made


def with_made(sources: QuerySet[ProfileImport]) -> QuerySet[Any]:
    """Give each import `made`, how many of its records are here still, and `refused_rows`."""
    counts = [
        Subquery(
            model._default_manager.filter(imported_in=OuterRef("upload"))
            .order_by()
            .values("imported_in")
            .annotate(count=Count("pk"))
            .values("count"),
            output_field=IntegerField(),
        )
        for model in _MODELS.values()
    ]
    refused = (
        RefusedProfile.objects.filter(source=OuterRef("pk"))
        .order_by()
        .values("source")
        .annotate(count=Count("pk"))
        .values("count")
    )
    return sources.annotate(
        made=Coalesce(*counts, 0),  # an upload makes records of one kind
        refused_rows=Coalesce(Subquery(refused, output_field=IntegerField()), 0),
    )


def plan_of_import(source: ProfileImport) -> Plan:
    """Say what goes with an import: what it made, with what belongs to that."""
    made, rows = made_by(source), source.refused.all()
    noun = NOUNS[source.holds]
    goes = {"import": 1, noun: made.count(), "rejected row": rows.count()}
    if source.holds != ProfileImport.Holds.TRIPS:
        owner = "user" if source.holds == ProfileImport.Holds.PEOPLE else "group"
        goes["trip"] = TravelSession.objects.filter(**{f"{owner}__in": made.values("pk")}).count()
    stale, stays = [], []
    history = made.model.history.filter(id__in=made.values("pk"), history_type="~")
    if edited := history.values("id").distinct().count():
        told = words.counted(edited, noun, "people" if noun == "person" else "")
        stale.append(f"{told} of it {'was' if edited == 1 else 'were'} changed since; they go too.")
    if source.holds == ProfileImport.Holds.PEOPLE:
        stays.append(
            "Match events, feedback and scores that name them: what is of one person everywhere "
            "is erased person by person."
        )
        people = made.values("pk")
        groups = TravelGroup.objects.filter(members__in=people).distinct().count()
        if groups:
            stale.append(f"{words.counted(groups, 'group')} would lose members.")
    stays.append(
        "Records that were there before, also where it changed them: their history has what they "
        "said."
    )
    return Plan(title=f"Import {source.pk}", goes=goes, stale=tuple(stale), stays=tuple(stays))


def _known(**digests: str) -> dict[str, str]:
    return {name: digest for name, digest in digests.items() if digest}
