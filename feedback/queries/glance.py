"""Feedback at a glance, for a page that is looked at often: from what was counted before."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from feedback.models import FeedbackSource, RejectedRecord
from feedback.queries.reports.csat import Satisfaction
from feedback.queries.sources import Scope
from feedback.queries.status import Counts, KindSamples, samples_of
from project.origin import Origin


class Glance(TypedDict):
    """Feedback at a glance; real rows stand for themselves, generated ones only without them.

    `csat` is None and `samples` is empty while they were never counted; not `is_current` where
    newer rows are still to be counted.
    """

    csat: Satisfaction | None
    samples: list[KindSamples]
    as_of: datetime | None
    is_current: bool
    origin: str
    sources: int
    failing: list[str]
    waiting: int


def glance_of(
    sources: Sequence[FeedbackSource],
    scope: Scope,
    csat: Satisfaction | None,
    counts: Counts | None,
    *,
    as_of: datetime | None,
    is_current: bool,
) -> Glance:
    """Say what there is of feedback, from what was counted of the rows of a scope."""
    origins = {source.pk: source.origin for source in sources}
    return {
        "csat": csat,
        "samples": [] if counts is None else samples_of(counts, origins, scope.origin),
        "as_of": as_of,
        "is_current": is_current,
        "origin": scope.origin.value,
        "sources": len(sources),
        "failing": [s.name for s in sources if s.failures and s.origin is Origin.REAL],
        "waiting": sum(source.waiting for source in sources),  # type: ignore[attr-defined]
    }


def standing_scope(sources: Sequence[FeedbackSource]) -> Scope:
    """Return the scope that stands while nobody asks for another, of `sources_at_a_glance`."""
    is_real = any(source.is_set_up for source in sources)  # type: ignore[attr-defined]
    origin = Origin.REAL if is_real else Origin.SYNTHETIC
    return Scope(origin, tuple(source for source in sources if source.origin is origin))


def sources_at_a_glance() -> QuerySet[FeedbackSource]:
    """Return every source with whether it is real and set up, and its rows that wait."""
    refused = RejectedRecord.objects.open().filter(source=OuterRef("pk")).order_by()
    waiting = refused.values("source").annotate(n=Count("pk")).values("n")
    return FeedbackSource.objects.annotate(
        is_set_up=Exists(FeedbackSource.objects.set_up().filter(pk=OuterRef("pk"))),
        waiting=Coalesce(Subquery(waiting), Value(0)),
    )
