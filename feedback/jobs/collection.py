"""Collects the feedback of sources: every row once, every row accounted for."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import cast

from feedback.domain.changes import OnChange
from feedback.domain.tables import TABLES, MissingColumn, source_table
from feedback.jobs.arguments import CollectFeedback
from feedback.jobs.counting import count_landed
from feedback.jobs.reading import TableReading
from feedback.jobs.source_mapping import ColumnsRefused, HowAsked
from feedback.jobs.synthetic import fill_synthetic
from feedback.models import CollectionRun, FeedbackSource, Table
from feedback.queries.remote import SourceDown, SourceUnreachable, TableMissing, open_source
from feedback.queries.runs import (
    Collected,
    CollectedSource,
    HandedOut,
    add_collected,
    describe_run,
)
from feedback.queries.schedule import COLLECT_KIND
from feedback.queries.sources import sources_named
from feedback.services.runs import (
    begin_run,
    finish_run,
    interrupt_stale_runs,
    remember_outcome,
)
from feedback.services.sources import SYNTHETIC_NAME
from project.jobs.contract import Result, Run, stored_arguments
from project.jobs.models import Job
from project.jobs.services import enqueue
from project.refusal import Refusal

AS_CONFIRMED = HowAsked()


def collect_sources(
    sources: Iterable[FeedbackSource],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    on_change: str = OnChange.REPLACE,
    is_full: bool = False,
    how: HowAsked = AS_CONFIRMED,
    run: Run | None = None,
) -> dict[FeedbackSource, list[CollectionRun]]:
    """Collect from each source; one that fails does not keep the others from being read."""
    return {
        source: collect(source, since=since, until=until, limit=limit, on_change=on_change, run=run)
        for source in sources
    }


def collect(
    source: FeedbackSource,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    tables: Sequence[str] = tuple(Table.values),
    on_change: str = OnChange.REPLACE,
    is_full: bool = False,
    how: HowAsked = AS_CONFIRMED,
    run: Run | None = None,
) -> list[CollectionRun]:
    """Read what is new at a database and keep it; returns one run for each table.

    Without `since` a table is read from where the last collection came to, less the overlap; with
    `is_full` from the beginning. Known rows of what is read that are not there any more are marked.
    `limit` is the most rows of each table to go forward; the next collection goes on there. A table
    or source that cannot be read gives a run that failed, and the others go on. Of a job, `run` is
    its hold on it: rows land only while it has it.

    Raises
    ------
    Refusal
        When the source is not a database, or the window is empty.
    """
    if source.kind != FeedbackSource.Kind.POSTGRES:
        raise Refusal(
            f"{source.name} is of kind {source.kind}; only databases are collected from.",
            remedy="Give a PostgreSQL source, or import files with `manage.py import_feedback`.",
        )
    if since is not None and until is not None and since >= until:
        raise Refusal(
            f"The window from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} is empty.",
            remedy="Give a beginning before the end.",
        )
    job_id = None if run is None else run.job_id
    interrupt_stale_runs(source, job_id)
    readings = []
    for table in tables:
        if not source_table(TABLES[table], source.mapping):
            continue
        reading = begin_run(
            source,
            table,
            job_id=job_id,
            row_limit=limit,
            window_start=since,
            window_end=until,
        )
        readings.append(reading)
        try:
            with open_source(source) as remote:
                TableReading(
                    remote, reading, run, on_change=on_change, is_full=is_full, how=how
                ).read()
        except ColumnsRefused as refused:
            finish_run(reading, CollectionRun.State.REFUSED, error=str(refused))
        except (SourceUnreachable, TableMissing, MissingColumn) as error:
            finish_run(reading, CollectionRun.State.FAILED, error=str(error))
            if isinstance(error, SourceDown):
                break
        else:
            states = CollectionRun.State
            finish_run(reading, states.INCOMPLETE if reading.hidden_by else states.COMPLETE)
    remember_outcome(source, readings)
    return readings


def interrupt_runs(run: Run) -> None:
    """Say of the runs of a stopped job that nobody works on them; what they landed stays."""
    for source in FeedbackSource.objects.filter(runs__job=run.job_id).distinct():
        interrupt_stale_runs(source, run.job_id)


def collect_feedback(run: Run, asked: CollectFeedback) -> Collected:
    """Collect from the sources of the arguments; several are handed out, each to its own job."""
    if asked.sources:
        sources = sources_named(asked.sources)
    elif run.is_scheduled:
        sources = list(FeedbackSource.objects.due())
    else:
        sources = list(FeedbackSource.objects.collectable())
    waiting = FeedbackSource.objects.collectable().exclude(pk__in=[s.pk for s in sources])
    collected: Collected = {
        "sources": [],
        "jobs": [],
        "synthetic": not FeedbackSource.objects.set_up().exists(),
        "failed": [],
        "incomplete": [],
        "waiting": [] if asked.sources else [source.name for source in waiting],
        "busy": [],
        "new": 0,
    }
    if collected["synthetic"]:
        # Nobody is kept from seeing how things look because no database is at hand.
        done = run.result_of("collect_source")
        if done is None:
            done = _remember(run, SYNTHETIC_NAME, 0, fill_synthetic(run=run))
        add_collected(collected, cast(CollectedSource, done))
        count_landed(run)
    if len(sources) > 1:
        done = run.result_of("hand_out") or _hand_out(run, asked, sources)
        collected["jobs"], collected["busy"] = done["jobs"], done["busy"]
    else:
        for source in sources:
            done = run.result_of("collect_source", source.pk)
            if done is None:
                done = _collect_one(run, asked, source)
            add_collected(collected, cast(CollectedSource, done))
            count_landed(run)
            _require_readable(cast(CollectedSource, done), collected)
    return collected


def _require_readable(found: CollectedSource, collected: Collected) -> None:
    """Let the job of a source end refused where values of a table could not be taken as they are.

    What other tables brought stays.
    """
    refused = [one for one in found["tables"] if one["state"] == CollectionRun.State.REFUSED]
    if refused:
        raise Refusal(
            " ".join(f"{found['source']} {one['table']}: {one['error']}" for one in refused),
            remedy=f"Look at the mapping, and collect {found['source']} again.",
            details=dict(collected),
        )


def _collect_one(run: Run, asked: CollectFeedback, source: FeedbackSource) -> Result:
    readings = collect(
        source,
        since=run.asked_at - timedelta(days=asked.days) if asked.days else asked.start,
        until=asked.end,
        limit=asked.limit,
        on_change=asked.on_change,
        is_full=asked.full,
        how=HowAsked(asked.mapping, asked.accept_partial, run.add_record),
        run=run,
    )
    done = _remember(run, source.name, source.pk, readings)
    for one in readings:
        run.add_record(one)
        if one.error or one.hidden_by:
            told = one.error or one.hidden_by
            run.log(f"{source.name} {one.table}: {told}", level="warning")
    return done


def _hand_out(run: Run, asked: CollectFeedback, sources: Sequence[FeedbackSource]) -> Result:
    """Ask for a job for each source, so that one that hangs does not hold the others.

    A schedule leaves out sources whose job of an earlier hour still goes on.
    """
    own = Job.objects.active().filter(kind=COLLECT_KIND).exclude(pk=run.job_id)
    with run.transaction("hand_out") as done:
        jobs: list[HandedOut] = []
        busy = []
        for source in sources:
            if run.is_scheduled and own.filter(arguments__sources=[source.name]).exists():
                busy.append(source.name)
                continue
            arguments = {**stored_arguments(asked), "sources": [source.name]}
            job = enqueue(COLLECT_KIND, by=run.by, **arguments)
            jobs.append({"source": source.name, "job": str(job.pk)})
        done.update(jobs=jobs, busy=busy)
    for job in Job.objects.filter(pk__in=[one["job"] for one in jobs]):
        run.add_record(job)
    return done


def _remember(run: Run, name: str, number: int, readings: Sequence[CollectionRun]) -> Result:
    """Keep what was found at a source as a finished step."""
    with run.transaction("collect_source", number) as done:
        done.update(source=name, tables=[describe_run(one) for one in readings])
    return done
