"""Feedback at a glance, for a page that is looked at often: one query while nothing new came in."""

from collections.abc import Iterable
from typing import Final, TypedDict

from django.core.cache import cache
from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from feedback.domain.requirements import MINIMUM_SAMPLES
from feedback.models import CollectionRun, FeedbackSource, RejectedRecord, model_of
from feedback.queries.reports.csat import Satisfaction, satisfaction
from feedback.queries.reports.rows import ratings_of
from feedback.queries.sources import Scope
from feedback.queries.status import SAMPLES, KindSamples, kind_samples
from project.origin import ROW_ORIGINS, Origin

CACHE_KEY: Final = "seedbed:feedback"
KEPT_SECONDS: Final = 300  # at most: rows may go by other ways than a run


class Figures(TypedDict):
    """What is computed from rows: the ratings of the standing origin, and what kinds can learn
    from."""

    csat: Satisfaction
    samples: list[KindSamples]


class Glance(Figures):
    """Feedback at a glance; real rows stand for themselves, generated ones only without them."""

    origin: str
    sources: int
    failing: list[str]
    waiting: int


def feedback_at_a_glance() -> Glance:
    """Return what there is of feedback; what rows say is kept until a run changes them."""
    sources = list(_sources())
    is_real = any(source.is_set_up for source in sources)  # type: ignore[attr-defined]
    origin = Origin.REAL if is_real else Origin.SYNTHETIC
    stamp = [(s.pk, s.newest_run, s.landed) for s in sources]  # type: ignore[attr-defined]
    kept = cache.get(CACHE_KEY)
    if kept is None or kept[0] != stamp:
        kept = stamp, _figures(sources, origin)
        cache.set(CACHE_KEY, kept, KEPT_SECONDS)
    figures: Figures = kept[1]
    return {
        "csat": figures["csat"],
        "samples": figures["samples"],
        "origin": origin.value,
        "sources": len(sources),
        "failing": [s.name for s in sources if s.failures and s.origin is Origin.REAL],
        "waiting": sum(source.waiting for source in sources),  # type: ignore[attr-defined]
    }


def _sources() -> QuerySet[FeedbackSource]:
    """Return every source with what tells that its rows changed, and its rows that wait."""
    ended = CollectionRun.objects.exclude(state=CollectionRun.State.RUNNING)
    runs = ended.filter(source=OuterRef("pk")).order_by().values("source")
    moved = Sum("new") + Sum("changed") + Sum("gone") + Sum("known")
    refused = RejectedRecord.objects.open().filter(source=OuterRef("pk")).order_by()
    waiting = refused.values("source").annotate(n=Count("pk")).values("n")
    return FeedbackSource.objects.annotate(
        is_set_up=Exists(FeedbackSource.objects.set_up().filter(pk=OuterRef("pk"))),
        newest_run=Subquery(runs.annotate(n=Max("pk")).values("n")),
        landed=Subquery(runs.annotate(n=moved).values("n")),
        waiting=Coalesce(Subquery(waiting), Value(0)),
    )


def _figures(sources: list[FeedbackSource], origin: Origin) -> Figures:
    of_source = {source.pk: source.origin for source in sources}
    samples = {kind: {one.value: 0 for one in ROW_ORIGINS} for kind in MINIMUM_SAMPLES}
    for kind, pk, count in _samples():
        if pk in of_source:
            samples[kind][of_source[pk].value] += count
    scope = Scope(origin, tuple(source for source in sources if source.origin is origin))
    return {
        "csat": satisfaction(ratings_of(scope)),
        "samples": kind_samples(samples, origin),
    }


def _samples() -> Iterable[tuple[str, int, int]]:
    """Return kind, source and rows that the kind can learn from, in one query."""
    first, *others = (
        model_of(table)
        .objects.filter(where, gone_at__isnull=True, also_in__isnull=True)
        .order_by()
        .values("source_id")
        .annotate(kind=Value(kind), n=Count("pk"))
        .values_list("kind", "source_id", "n")
        for kind, (table, where) in SAMPLES.items()
    )
    found: Iterable[tuple[str, int, int]] = first.union(*others, all=True)
    return found
