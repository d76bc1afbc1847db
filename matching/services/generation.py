"""Writing a batch of synthetic match events."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import Columns, Generation
from matching.domain.summaries import (
    Destinations,
    Summary,
    add_summaries,
    count_destinations,
    summarise_events,
)
from matching.domain.words import MatchType
from matching.models import EventBatch, MatchEvent
from matching.queries.frozen import frozen_population
from matching.queries.generations import Expected
from matching.queries.travellers import LoadedTravellers, ReasonCount
from project import clock
from project.bulk import copy_rows
from project.origin import Origin
from project.storage.artifacts import require_own_folder
from project.storage.blobs import keep_bytes


class LandedChunk(TypedDict):
    """What was written of one chunk."""

    rows: int
    summary: Summary


class GeneratedBatch(TypedDict):
    """A batch that is complete, with what was expected of it."""

    batch: int
    uid: str
    asked: int
    made: int
    label_share: float
    match_types: list[MatchType]
    preset: str
    seed: int | None
    feature_set: str
    origin: str
    distinct_pairs: dict[str, int]
    expected_duplicate_share: float
    remedy: str
    skipped: dict[str, ReasonCount]


def open_batch(generation: Generation, loaded: LoadedTravellers, *, by: User | None) -> EventBatch:
    """Open the batch of a generation, with the population that its chunks are drawn from."""
    require_own_folder()
    specification = generation.specification
    return EventBatch.objects.create(
        uid=generation.uid,
        method=EventBatch.Method.GENERATED,
        origin=Origin.SYNTHETIC.code,
        feature_set=specification.feature_set,
        feature_revision=specification.feature_revision,
        parameters=specification.as_dict(),
        seed=specification.seed,
        asked=specification.count,
        skipped=loaded.skipped(),
        population_file=keep_bytes(generation.population.to_parquet()),
        population_sha256=generation.population.digest.hex(),
        created_by=by,
    )


def land_chunk(batch: EventBatch, columns: Columns) -> LandedChunk:
    """Write the events of one chunk; returns how many, and their summary."""
    return {
        "rows": copy_rows(connection, MatchEvent._meta.db_table, as_rows(columns, batch)),
        "summary": summarise_events(columns["outcome"], [columns[name] for name in FEATURE_NAMES]),
    }


def as_rows(columns: Columns, batch: EventBatch) -> dict[str, Any]:
    """Return a chunk's columns as the table takes them: with ids, and NULL for nobody."""
    rows: dict[str, Any] = {"id": columns["row"] + batch.first_event_id}
    for name, values in columns.items():
        if name in ("user_id", "target_id", "group_id"):
            rows[name] = np.ma.masked_equal(values, -1)
        elif name != "row":
            rows[name] = values
    return rows


def complete_batch(
    batch: EventBatch, expected: Expected, chunks: Sequence[LandedChunk]
) -> GeneratedBatch:
    """Open a batch to readers, all of whose chunks are there."""
    batch.made = sum(chunk["rows"] for chunk in chunks)
    batch.summary = add_summaries(chunk["summary"] for chunk in chunks)
    batch.summary["destinations"] = _destinations(batch)
    batch.state = EventBatch.State.COMPLETE
    batch.completed_at = clock.now()
    batch.save(update_fields=["made", "summary", "state", "completed_at"])
    return {
        "batch": batch.pk,
        "uid": str(batch.uid),
        "asked": batch.asked,
        "made": batch.made,
        "label_share": round(batch.label_share or 0.0, 4),
        "match_types": [name for name in MatchType if name in expected["distinct_pairs"]],
        "preset": batch.parameters["preset"],
        "seed": batch.seed,
        "feature_set": batch.feature_set,
        "origin": Origin.SYNTHETIC.value,
        "distinct_pairs": expected["distinct_pairs"],
        "expected_duplicate_share": expected["expected_duplicate_share"],
        "remedy": expected["remedy"],
        "skipped": batch.skipped,
    }


def _destinations(batch: EventBatch) -> Destinations:
    """Count the events of a batch by the trip of who was asked, as its population has it."""
    population = frozen_population(batch)
    if population is None:
        return count_destinations({}, {})
    users = population.users
    events = MatchEvent.objects.filter(
        pk__range=(batch.first_event_id, batch.last_event_id), user_id__isnull=False
    )
    counted = events.order_by().values_list("user_id").annotate(n=Count("pk"))
    places = users["destination_name"].fillna("").astype(str)
    place_of = dict(zip(users["user_id"].astype(int), places, strict=True))
    return count_destinations(dict(counted), place_of)
