"""Counts reports and keeps them, so that a page need not read the rows; a look keeps nothing."""

import json
from collections.abc import Sequence

from django.core.cache import cache
from django.db import connection, transaction

from feedback.models import KeptReport, RowsState
from feedback.queries.glance import Glance, glance_of, sources_at_a_glance, standing_scope
from feedback.queries.reports.kept import (
    COUNTS,
    Answer,
    Asked,
    RowsNow,
    answer_of,
    counts_asked,
    rows_now,
    rows_of,
    with_scope,
)
from project import clock

AT_ONCE_ROWS = 20_000  # in all three tables: within a second on one core
REMEMBERED_SECONDS = 3600  # in this process, of few rows that nobody has had counted and kept
KEPT_REPORTS = 500  # the newest; whoever asks for another has it counted


def count_report(asked: Asked) -> Answer:
    """Count a report from its rows and keep it; a newer one that another kept stays."""
    now = rows_now(asked.scope.sources)
    counted = _counted(asked, now)
    _keep(counted)
    return answer_of(asked, counted, now)


def is_counted(asked: Asked) -> bool:
    """Tell whether a report is kept as the rows of now are."""
    now = rows_now(asked.scope.sources)
    kept = KeptReport.objects.filter(key=asked.key).first()
    return answer_of(asked, kept, now).is_current


def kept_answer(asked: Asked) -> Answer:
    """Return a report as it was counted last; one of few rows is counted now where it has to be.

    Nothing is written: whoever looks may do no more than that.
    """
    answer = kept_answers([asked])[0]
    return answer if asked.kind == COUNTS else with_scope(answer, asked.scope)


def kept_answers(asked: Sequence[Asked]) -> list[Answer]:
    """Return reports as `kept_answer` does, with two queries where nothing has to be counted."""
    states = list(RowsState.objects.all())
    kept = {one.key: one for one in KeptReport.objects.filter(key__in=[one.key for one in asked])}
    found = []
    for one in asked:
        now = rows_of(one.scope.sources, states)
        is_small = now.rows <= AT_ONCE_ROWS
        answer = answer_of(one, kept.get(one.key), now)
        if is_small and one.scope.days is not None:  # of a period, up to this moment
            answer = answer_of(one, _counted(one, now), now)
        elif is_small and not answer.is_current:
            answer = answer_of(one, _remembered(one, now), now)
        found.append(answer)
    return found


def feedback_at_a_glance() -> Glance:
    """Return what there is of feedback."""
    sources = list(sources_at_a_glance())
    scope = standing_scope(sources)
    csat, counts = kept_answers([Asked("csat", scope), counts_asked(sources)])
    return glance_of(
        sources,
        scope,
        csat.content,
        counts.content,
        as_of=csat.as_of,
        is_current=csat.is_current and counts.is_current,
    )


def _remembered(asked: Asked, now: RowsNow) -> KeptReport:
    """Return what this process has counted of these very rows, else count them: pages renew
    themselves, and each would count again."""
    key = f"seedbed:report:{asked.key}"
    found: KeptReport | None = cache.get(key)
    if found is None or found.state != now.state:
        found = _counted(asked, now)
        cache.set(key, found, REMEMBERED_SECONDS)
    return found


def _counted(asked: Asked, now: RowsNow) -> KeptReport:
    # The state is read before the rows: what lands between is counted, and counted again later.
    as_of = clock.now()
    content = json.dumps(asked.count(), allow_nan=False).encode()
    return KeptReport(key=asked.key, kind=asked.kind, state=now.state, as_of=as_of, content=content)


@transaction.atomic
def _keep(report: KeptReport) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO feedback_keptreport AS kept (key, kind, state, as_of, content) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (key) DO UPDATE SET state = EXCLUDED.state, "
            "as_of = EXCLUDED.as_of, content = EXCLUDED.content WHERE kept.as_of < EXCLUDED.as_of",
            [report.key, report.kind, report.state, report.as_of, bytes(report.content)],
        )
    old = KeptReport.objects.order_by("-as_of").values("pk")[KEPT_REPORTS:]
    KeptReport.objects.filter(pk__in=old).delete()
