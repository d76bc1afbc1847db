"""The work of the job that collects from sources."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from feedback.models import CollectionRun, FeedbackSource
from feedback.services.collection import collect, interrupt_stale_runs
from feedback.services.imports import fill_synthetic
from feedback.services.sources import SYNTHETIC_NAME, sources_named
from project.jobs.contract import Run


def interrupt_runs(run: Run) -> None:
    """Say of the runs of a stopped job that nobody works on them; what they landed stays."""
    for source in FeedbackSource.objects.filter(runs__job=run.job_id).distinct():
        interrupt_stale_runs(source, run.job_id)


def collect_feedback(run: Run) -> dict[str, Any]:
    """Collect from the sources of the arguments, one after the other; one that fails fails alone."""
    arguments = run.arguments
    start, end = _moment(arguments.get("start")), _moment(arguments.get("end"))
    if arguments.get("days"):
        start = run.asked_at - timedelta(days=arguments["days"])
    if arguments.get("sources"):
        sources = sources_named(arguments["sources"])
    elif run.is_scheduled:
        sources = list(FeedbackSource.objects.due())
    else:
        sources = list(FeedbackSource.objects.collectable())
    collected = []
    is_standing_in = not FeedbackSource.objects.real().exists()
    if is_standing_in:
        # Nobody is kept from seeing how things look because no database is at hand.
        collected.append(run.result_of("collect_source") or _generate(run))
    for source in sources:
        done = run.result_of("collect_source", source.pk)
        if done is None:
            runs = collect(
                source,
                limit=arguments.get("limit"),
                start=start,
                end=end,
                job_id=run.job_id,
                transaction=run.transaction,
                progress=run.report,
            )
            with run.transaction("collect_source", source.pk) as done:
                done.update(source=source.name, tables=[describe_run(one) for one in runs])
            for one in runs:
                run.add_record(one)
                if one.error:
                    run.log(f"{source.name} {one.table}: {one.error}", level="warning")
        collected.append(done)
    waiting = FeedbackSource.objects.collectable().exclude(pk__in=[s.pk for s in sources])
    return {
        "sources": collected,
        "synthetic": is_standing_in,
        "failed": [
            one["source"]
            for one in collected
            if any(table["state"] == CollectionRun.State.FAILED for table in one["tables"])
        ],
        "waiting": [] if arguments.get("sources") else [source.name for source in waiting],
        "new": sum(table["new"] for one in collected for table in one["tables"]),
    }


def _generate(run: Run) -> dict[str, Any]:
    runs = fill_synthetic(job_id=run.job_id, transaction=run.transaction)
    with run.transaction("collect_source") as done:
        done.update(source=SYNTHETIC_NAME, tables=[describe_run(one) for one in runs])
    return done


def describe_run(run: CollectionRun) -> dict[str, Any]:
    """Return what a run found, as JSON."""
    return {
        "run": run.pk,
        "table": run.table,
        "state": run.state,
        "found": run.found,
        "new": run.new,
        "known": run.known,
        "changed": run.changed,
        "rejected": run.rejected,
        "source_count": run.source_count,
        "remaining": run.remaining,
        "reconciled": run.is_reconciled,
        "reasons": run.reasons,
        "missing": run.missing,
        "notes": run.notes,
        "error": run.error,
        "seconds": run.duration_seconds,
    }


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else timezone.make_aware(moment)
