"""Counts the reports of many rows, where rows land and where somebody asks."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

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
from project.jobs.services import enqueue

COUNT_KIND: Final = "feedback.count_reports"
IMPORT_KIND: Final = "feedback.import_feedback"
ASKED_AGAIN: Final = timedelta(minutes=10)  # after a count that failed


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
    """Count the reports that stand while nobody asks for others, after rows landed; few rows are
    counted where they are looked at."""
    scope = choose_scope()
    if run is None or rows_now(scope.sources).rows <= AT_ONCE_ROWS:
        return
    reports = [Asked(kind, scope) for kind in REPORT_KINDS]
    _count(run, [*reports, counts_asked(FeedbackSource.objects.all())])


def ask_for_count(asked: Asked, *, source: str = "", by: Any) -> Job:
    """Have a report of many rows counted, once at a time; returns the job that will have done it.

    A job that reads rows counts them when they are there, so nothing is asked for beside it.
    """
    arguments = _arguments_of(asked, source)
    jobs = Job.objects.order_by("-created_at")
    own = jobs.filter(kind=COUNT_KIND, arguments=arguments)
    under_way = own.active().first() or (
        jobs.active().filter(kind__in=(COLLECT_KIND, IMPORT_KIND)).first()
    )
    if under_way is not None:
        return under_way
    failed = own.filter(state=Job.State.FAILED, created_at__gte=timezone.now() - ASKED_AGAIN)
    return failed.first() or enqueue(COUNT_KIND, by=by, **arguments)


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
