"""Counts the reports of many rows, where rows land and where somebody asks."""

from collections.abc import Iterable
from typing import Any, Final

from feedback.domain.words import FACTORS, PLANNED_SESSIONS, QUALITY_EDGES, REPORT_KINDS
from feedback.jobs.arguments import CountReports
from feedback.models import FeedbackSource
from feedback.queries.reports import read_edges
from feedback.queries.reports.kept import COUNTS, Asked, counts_asked, rows_now
from feedback.queries.runs import CountedReports
from feedback.queries.schedule import COLLECT_KIND
from feedback.queries.sources import Scope, choose_scope
from feedback.services.reports import AT_ONCE_ROWS, count_report, is_counted
from project.jobs.contract import Run
from project.jobs.models import Job
from project.jobs.services import NotPermitted, enqueue

COUNT_KIND: Final = "feedback.count_reports"
IMPORT_KIND: Final = "feedback.import_feedback"


def count_reports(run: Run, asked: CountReports) -> CountedReports:
    """Count what was asked for, what is counted already aside."""
    scope = choose_scope(source=asked.source, origin=asked.origin, days=asked.days)
    kinds = (*REPORT_KINDS, COUNTS) if asked.report == "all" else (asked.report,)
    return _count(
        run,
        [
            _asked_of(kind, scope, asked)
            if kind != COUNTS
            else counts_asked(FeedbackSource.objects.all())
            for kind in kinds
        ],
    )


def count_landed(run: Run | None) -> None:
    """Have the reports that stand while nobody asks for others counted, once rows have landed:
    few at once, many by a job of their own.

    Who lands rows need not be somebody who may read reports: then who may presses "Count now".
    """
    if run is None:
        return
    scope = choose_scope()
    if rows_now(scope.sources).rows <= AT_ONCE_ROWS:
        for asked in (Asked("csat", scope), counts_asked(FeedbackSource.objects.all())):
            count_report(asked)  # what the front page shows; it asks again and again
        return
    arguments = CountReports().model_dump()
    with run.transaction():
        if Job.objects.filter(kind=COUNT_KIND, arguments=arguments, state="queued").exists():
            return  # it has not begun to read: these rows are in it
        try:
            job = enqueue(COUNT_KIND, by=run.by, **arguments)
        except NotPermitted:
            return
    run.add_record(job)


def count_under_way(asked: Asked, *, source: str = "") -> Job | None:
    """Return the job that counts a report, or is to; None where nobody asked for it.

    A job that reads rows asks for their count when they are there.
    """
    active = Job.objects.active().order_by("-created_at")
    own = active.filter(kind=COUNT_KIND, arguments=_arguments_of(asked, source))
    return own.first() or active.filter(kind__in=(COLLECT_KIND, IMPORT_KIND)).first()


def ask_for_count(asked: Asked, *, source: str = "", by: Any) -> Job:
    """Have a report of many rows counted, once at a time; returns the job that does it."""
    under_way = count_under_way(asked, source=source)
    return under_way or enqueue(COUNT_KIND, by=by, **_arguments_of(asked, source))


def _count(run: Run, wanted: Iterable[Asked]) -> CountedReports:
    counted: list[str] = []
    wanted = list(wanted)
    for number, one in enumerate(wanted):
        run.report(number, len(wanted), f"Counting {one.kind}")
        run.check()
        if not is_counted(one):
            count_report(one)
            counted.append(one.kind)
    run.report(len(wanted), len(wanted), "Counted")
    rows = rows_now(wanted[0].scope.sources).rows if wanted else 0
    return {"counted": counted, "reports": len(wanted), "rows": rows}


def _asked_of(kind: str, scope: Scope, asked: CountReports) -> Asked:
    return Asked(
        kind,
        scope,
        edges=read_edges(asked.edges) if asked.edges else QUALITY_EDGES,
        levels={name: told for name in FACTORS if (told := getattr(asked, name))},
        planned_sessions=asked.planned_sessions,
    )


def _arguments_of(asked: Asked, source: str) -> dict[str, Any]:
    """Say in arguments of the job what a page was asked.

    What stands while nobody asks for other rows is counted together: the front page has it too.
    """
    if asked.kind == COUNTS or asked == Asked(asked.kind, choose_scope()):
        return CountReports().model_dump()
    return CountReports(
        report=asked.kind,  # type: ignore[arg-type]
        source=source,
        origin=asked.scope.origin.value if not source else "",  # type: ignore[arg-type]
        days=asked.scope.days,
        edges=", ".join(str(edge) for edge in asked.edges)
        if tuple(asked.edges) != QUALITY_EDGES
        else "",
        planned_sessions=asked.planned_sessions or PLANNED_SESSIONS,
        **asked.levels,
    ).model_dump()
