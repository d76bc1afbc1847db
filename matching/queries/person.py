"""What the newest events say of one person."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q

from matching.models import EventBatch, MatchEvent
from matching.models.events import MatchEventQuerySet

LOOKED_AT: Final = 250_000  # events; people have no index among them, which would slow each load


@dataclass(frozen=True)
class PersonEvents:
    """How often somebody decided and was decided about, in the newest events.

    Attributes
    ----------
    looked_at : events that were looked at, the newest; `is_all` : whether these are all.
    asked, accepted : events in which the person decides, and of these with label 1.
    met, wanted : events about the person, and of these with label 1.
    """

    looked_at: int
    is_all: bool
    asked: int
    accepted: int
    met: int
    wanted: int


def newest_events() -> tuple[MatchEventQuerySet, int, bool]:
    """Return the events of the newest batches, how many that are, and whether these are all."""
    looked_at, first = 0, None
    batches = EventBatch.objects.complete().order_by("-pk").values_list("pk", "made")
    is_all = True
    for batch, made in batches.iterator(chunk_size=100):
        if first is not None and looked_at + made > LOOKED_AT:
            is_all = False
            break
        looked_at, first = looked_at + made, batch
    events = MatchEvent.objects.filter(pk__gte=(first or 0) << EventBatch.ROW_BITS)
    return events, looked_at, is_all


def events_of(numbers: Collection[int]) -> PersonEvents:
    """Count the events of one person in the newest complete batches, in bounded time.

    `numbers` are the person's own and those of records that were merged into it.
    """
    events, looked_at, is_all = newest_events()
    decides, is_met = Q(user_id__in=numbers), Q(target_id__in=numbers)
    counts = events.filter(decides | is_met).aggregate(
        asked=Count("pk", filter=decides),
        accepted=Count("pk", filter=decides & Q(label=True)),
        met=Count("pk", filter=is_met),
        wanted=Count("pk", filter=is_met & Q(label=True)),
    )
    return PersonEvents(looked_at, is_all, **counts)
