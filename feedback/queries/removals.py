"""What stands on runs, sources and refused rows, for whoever is about to remove some."""

from typing import Any

from feedback.models import (
    CollectionRun,
    FeedbackChange,
    FeedbackSource,
    RejectedRecord,
)
from feedback.models.records import MODELS
from project import words
from project.jobs.models import Job, Schedule
from project.removal.contract import Lead, Plan, leads_to, standing_on


def plan_of_run(run: CollectionRun) -> Plan:
    """Say what goes with a run: the rows that it wrote as they stand."""
    standing = standing_on(run)
    model = MODELS.get(run.table)
    changes = FeedbackChange.objects.filter(run=run.pk)
    blocked, remedy, leads = _being_read(CollectionRun.objects.filter(pk=run.pk))
    stays, stale = list(standing.stays), list(standing.stale)
    later = FeedbackChange.objects.filter(first_run=run.pk).exclude(run=run.pk)
    later = later.filter(action=FeedbackChange.Action.REPLACED)
    if count := later.values("uid").distinct().count():
        stays.append(
            f"{words.counted(count, 'row')} that it landed and a later run changed: they say what "
            "the later one read."
        )
    if count := changes.filter(action=FeedbackChange.Action.REPLACED).count():
        stale.append(
            f"{words.counted(count, 'row')} were there before it, and it changed them: they go too "
            "and come back with the next reading of the source."
        )
    if count := changes.filter(action=FeedbackChange.Action.GONE).count():
        stays.append(
            f"{words.counted(count, 'row')} that it did not find at the source any more: they "
            "count again."
        )
    if run.source.kind == FeedbackSource.Kind.POSTGRES and run.table:
        stale.append(
            f"The next collection of {run.source.name} reads this table again from where the run "
            "began, so that rows which are still there land anew; switch the source off where "
            "they must not."
        )
    return Plan(
        title=f"Run {run.pk}",
        goes={
            "run": 1,
            "record": 0 if model is None else model.objects.filter(run=run.pk).count(),
            "rejected row": RejectedRecord.objects.filter(run=run.pk).count(),
            "kept change": changes.count(),
        },
        stale=tuple(stale),
        stays=tuple(stays),
        blocked=(*blocked, *standing.blocked),
        remedy=" ".join(one for one in (remedy, standing.remedy) if one),
        leads=(*leads, *standing.leads),
        touches=((run.source._meta.label_lower, run.source_id),),
    )


def plan_of_source(source: FeedbackSource) -> Plan:
    """Say what goes with a source: all that was ever read from it."""
    standing = standing_on(source)
    runs = CollectionRun.objects.filter(source=source.pk)
    blocked, remedy, leads = _being_read(runs)
    stale = list(standing.stale)
    for schedule in Schedule.objects.filter(arguments__sources__contains=[source.name]):
        stale.append(f"Schedule {schedule.name} names it and will be refused.")
    return Plan(
        title=f"Source {source.pk}",
        goes={
            "source": 1,
            "record": sum(
                model.objects.filter(source=source.pk).count() for model in MODELS.values()
            ),
            "rejected row": RejectedRecord.objects.filter(source=source.pk).count(),
            "kept change": FeedbackChange.objects.filter(source=source.pk).count(),
            "run": runs.count(),
        },
        stale=tuple(stale),
        stays=(
            *standing.stays,
            "Rows that another source holds too: they count there from now on.",
        ),
        blocked=(*blocked, *standing.blocked),
        remedy=" ".join(one for one in (remedy, standing.remedy) if one),
        leads=(*leads, *standing.leads),
        touches=((source._meta.label_lower, source.pk),),
    )


def plan_of_rejected(run: CollectionRun) -> Plan:
    """Say what goes with the refused rows of a run."""
    rejected: Any = RejectedRecord.objects.filter(run=run.pk)
    return Plan(
        title=f"Rejected rows of run {run.pk}",
        goes={"rejected row": rejected.count()},
        stays=("The rows of the run that landed.",),
    )


def _being_read(runs: Any) -> tuple[tuple[str, ...], str, tuple[Lead, ...]]:
    active = runs.filter(
        state=CollectionRun.State.RUNNING, job__state__in=Job.ACTIVE
    ).select_related("job")
    blocked = tuple(f"Job {run.job.short_id} is reading it." for run in active)
    leads = leads_to(run.job for run in active)
    return blocked, "Wait for the job, or stop it." if blocked else "", leads
