"""Which sources a question is about: by name, or by whether people left their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from django.utils import timezone

from feedback.models import FeedbackSource, model_of
from project.refusal import Refusal

Origin = Literal["", "real", "synthetic", "combined"]
ORIGINS = ("real", "synthetic", "combined")
SYNTHETIC_LABEL = "Synthetic: these rows were generated; nobody left them."
COMBINED_LABEL = "Combined: real and generated rows together, because it was asked for."
REAL_LABEL = "Real: what people left."


class ScopeFields(TypedDict):
    """Which rows a report is about, in words; every report carries this."""

    origin: str
    label: str
    sources: list[str]
    days: int | None
    since: str | None


@dataclass(frozen=True)
class Scope:
    """Which rows a report is about."""

    origin: str
    sources: tuple[FeedbackSource, ...]
    days: int | None = None
    since: datetime | None = None

    def as_dict(self) -> ScopeFields:
        """Say it in words."""
        labels = {"synthetic": SYNTHETIC_LABEL, "combined": COMBINED_LABEL, "real": REAL_LABEL}
        return {
            "origin": self.origin,
            "label": labels[self.origin],
            "sources": [source.name for source in self.sources],
            "days": self.days,
            "since": None if self.since is None else self.since.isoformat(),
        }


def sources_named(names: Sequence[str]) -> list[FeedbackSource]:
    """Return sources by name, in that order; refuses unknown ones."""
    found = {source.name: source for source in FeedbackSource.objects.filter(name__in=names)}
    unknown = [name for name in names if name not in found]
    if unknown:
        known = ", ".join(FeedbackSource.objects.values_list("name", flat=True)) or "none"
        raise Refusal(
            f"There is no source {', '.join(unknown)}; there are: {known}.",
            remedy="Give the name of a source, or add it in the admin.",
        )
    return [found[name] for name in names]


def choose_scope(source: str = "", *, days: int | None = None) -> Scope:
    """Choose rows by origin or by a source's name; real ones wherever a real source is set up.

    Generated rows stand in only while there is no real source, and are mixed in only for
    `combined`.
    """
    since = None if days is None else timezone.now() - timedelta(days=days)
    if source and source not in ORIGINS:
        named = sources_named([source])
        return Scope(origin_of(named), tuple(named), days, since)
    every = list(FeedbackSource.objects.all())
    origin = source or ("synthetic" if origin_of(every) in ("", "synthetic") else "real")
    return Scope(origin, tuple(_of_origin(every, origin)), days, since)


def choose_sources(table: str, origin: Origin = "") -> list[FeedbackSource]:
    """Return the sources with rows in a table: real ones, or generated where no real one is set up.

    Both together only for `combined`: generated feedback is never mixed with real unless asked, and
    does not take the place of a real source that has no rows yet.
    """
    # DISTINCT over one small integer column; the planner reads the table once.
    used = set(model_of(table).objects.order_by().values_list("source_id", flat=True).distinct())
    if not origin:
        origin = "real" if FeedbackSource.objects.real().exists() else "synthetic"
    return _of_origin(list(FeedbackSource.objects.filter(pk__in=used)), origin)


def origin_of(sources: Sequence[FeedbackSource]) -> str:
    """Say whether sources are real, synthetic or combined; empty for none."""
    kinds = {source.is_synthetic for source in sources}
    if not kinds:
        return ""
    return "combined" if len(kinds) == 2 else "synthetic" if kinds.pop() else "real"


def _of_origin(sources: Sequence[FeedbackSource], origin: str) -> list[FeedbackSource]:
    if origin == "combined":
        return list(sources)
    return [source for source in sources if source.is_synthetic == (origin == "synthetic")]
