"""Which sources a question is about: by name, or by whether people left their rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from feedback.models import FeedbackSource, model_of
from feedback.queries.caveats import caveats_of
from project import clock
from project.origin import Origin
from project.refusal import Refusal

SYNTHETIC_LABEL = "Synthetic: these rows were generated; nobody left them."
LABELS = {
    Origin.REAL: "Real: what people left.",
    Origin.SYNTHETIC: SYNTHETIC_LABEL,
    Origin.COMBINED: "Combined: real and generated rows together, because it was asked for.",
}


class ScopeFields(TypedDict):
    """Which rows a report is about, in words; every report carries this."""

    origin: str
    label: str
    sources: list[str]
    days: int | None
    since: str | None
    caveats: list[str]


@dataclass(frozen=True)
class Scope:
    """Which rows a report is about."""

    origin: Origin
    sources: tuple[FeedbackSource, ...]
    days: int | None = None
    since: datetime | None = None

    def as_dict(self) -> ScopeFields:
        """Say it in words."""
        return {
            "origin": self.origin.value,
            "label": LABELS[self.origin],
            "sources": [source.name for source in self.sources],
            "days": self.days,
            "since": None if self.since is None else self.since.isoformat(),
            "caveats": caveats_of(self.sources),
        }


def sources_named(names: Sequence[str]) -> list[FeedbackSource]:
    """Return sources by name, in that order; refuses unknown ones."""
    found = {source.name: source for source in FeedbackSource.objects.filter(name__in=names)}
    unknown = [name for name in names if name not in found]
    if unknown:
        known = ", ".join(FeedbackSource.objects.values_list("name", flat=True)) or "none"
        raise Refusal(
            f"There is no source {', '.join(unknown)}; there are: {known}.",
            remedy="Give the name of a source, or add it in the admin; real, synthetic and "
            "combined are origins: --origin.",
        )
    return [found[name] for name in names]


def choose_scope(*, source: str = "", origin: str = "", days: int | None = None) -> Scope:
    """Choose rows by a source's name or by origin; real ones wherever a real source is set up.

    Generated rows stand in only while there is no real source, and are mixed in only for
    `combined`.
    """
    since = None if days is None else clock.now() - timedelta(days=days)
    if source:
        (named,) = sources_named([source])
        if origin and named.origin not in Origin(origin).parts:
            raise Refusal(
                f"The rows of {source} are {named.origin}, and --origin says {origin}.",
                remedy="Leave --origin out, or name another source.",
            )
        return Scope(named.origin, (named,), days, since)
    chosen = Origin(origin) if origin else standing_origin()
    return Scope(chosen, tuple(_of_origin(FeedbackSource.objects.all(), chosen)), days, since)


def choose_sources(table: str, origin: Origin | None = None) -> list[FeedbackSource]:
    """Return the sources with rows in a table: real ones, or generated where no real one is set up.

    Both together only for `combined`: generated feedback is never mixed with real unless asked, and
    does not take the place of a real source that has no rows yet.
    """
    # DISTINCT over one small integer column; the planner reads the table once.
    used = set(model_of(table).objects.order_by().values_list("source_id", flat=True).distinct())
    return _of_origin(FeedbackSource.objects.filter(pk__in=used), origin or standing_origin())


def standing_origin() -> Origin:
    """Return whose rows stand while nobody asks for others: real ones once a real source is set
    up."""
    return Origin.REAL if FeedbackSource.objects.set_up().exists() else Origin.SYNTHETIC


def origin_of(sources: Iterable[FeedbackSource]) -> Origin:
    """Say whether the rows of these sources, at least one, are real, synthetic or combined."""
    return Origin.of(source.origin for source in sources)


def _of_origin(sources: Iterable[FeedbackSource], origin: Origin) -> list[FeedbackSource]:
    return [source for source in sources if source.origin in origin.parts]
