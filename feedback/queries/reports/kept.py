"""Reports as they were counted: what was asked, from which rows, and whether those still stand."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from feedback.domain.words import FACTORS, PLANNED_SESSIONS, QUALITY_EDGES
from feedback.models import FeedbackSource, KeptReport, RowsState
from feedback.queries.reports import build_report
from feedback.queries.sources import Scope
from feedback.queries.status import count_tables
from project import clock
from project.origin import Origin

# Raised when a report says something else of the same rows: those that were kept are counted anew.
FORMULAS: Final = 1
COUNTS: Final = "counts"  # of all tables by source: what the status page and samples are made of
# The end of a period moves with the clock; a kept report of many rows may be as old as that.
PERIOD_KEPT: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Asked:
    """What a report is asked; `kind` is that of a report, or `COUNTS`."""

    kind: str
    scope: Scope
    edges: Sequence[float] = QUALITY_EDGES
    levels: Mapping[str, str] = field(default_factory=dict)
    planned_sessions: int = PLANNED_SESSIONS

    @property
    def key(self) -> str:
        """A digest of what decides the answer beside the rows."""
        scope = self.scope
        said = [
            self.kind,
            scope.origin.value,
            sorted(source.pk for source in scope.sources),
            scope.days,
            [float(edge) for edge in self.edges] if self.kind == "csat" else [],
            [self.levels.get(name, "") for name in FACTORS] if self.kind == "baselines" else [],
            self.planned_sessions if self.kind == "experiments" else 0,
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def count(self) -> Mapping[str, Any]:
        """Count the answer from the rows; JSON-serialisable."""
        if self.kind == COUNTS:
            return count_tables()
        if self.scope.days is not None:
            since = clock.now() - timedelta(days=self.scope.days)
            scope = replace(self.scope, since=since)
        else:
            scope = self.scope
        return build_report(
            self.kind,
            scope,
            edges=self.edges,
            levels=self.levels,
            planned_sessions=self.planned_sessions,
        )


@dataclass(frozen=True)
class Answer:
    """A report as it was counted.

    Attributes
    ----------
    content : None where it was never counted.
    as_of : when counting began.
    is_current : whether it is what the rows of now say.
    rows : stored rows that it is to be counted from.
    """

    content: Any
    as_of: datetime | None
    is_current: bool
    rows: int


@dataclass(frozen=True)
class RowsNow:
    """The rows of some sources: a text that is another one whenever they are, and how many."""

    state: str
    rows: int


def counts_asked(sources: Iterable[FeedbackSource]) -> Asked:
    """Ask for the counts of all tables; `sources` are all there are."""
    return Asked(COUNTS, Scope(Origin.COMBINED, tuple(sources)))


def rows_now(sources: Sequence[FeedbackSource]) -> RowsNow:
    """Return the state of the rows of these sources."""
    return rows_of(sources, RowsState.objects.all())


def rows_of(sources: Iterable[FeedbackSource], states: Iterable[RowsState]) -> RowsNow:
    """Return the state of the rows of these sources, of states of all."""
    keys = {source.pk for source in sources}
    own = sorted(
        (one for one in states if one.source_id in keys), key=lambda one: (one.source_id, one.table)
    )
    told = ",".join(f"{one.source_id}:{one.table}:{one.revision}" for one in own)
    # Days are those of the zone that is set.
    state = f"{FORMULAS} {timezone.get_current_timezone_name()} {told}"
    return RowsNow(state, sum(one.rows for one in own))


def answer_of(asked: Asked, kept: KeptReport | None, now: RowsNow) -> Answer:
    """Return what was kept, and whether it is what the rows of now say."""
    if kept is None:
        return Answer(None, None, False, now.rows)
    is_current = kept.state == now.state and (
        asked.scope.days is None or clock.now() - kept.as_of < PERIOD_KEPT
    )
    return Answer(json.loads(bytes(kept.content)), kept.as_of, is_current, now.rows)


def with_scope(answer: Answer, scope: Scope) -> Answer:
    """Name sources and caveats as they are now; a period is that which was counted."""
    if answer.content is None:
        return answer
    said = {**scope.as_dict(), "since": answer.content["scope"]["since"]}
    return replace(answer, content={**answer.content, "scope": said})
