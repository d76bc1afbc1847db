"""Generating a batch of synthetic match events from live sessions."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import zip_longest
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import Columns, Generation, Population, Specification
from matching.domain.summaries import add_summaries, summarise_events
from matching.domain.words import MATCH_TYPES, revision_of
from matching.models import EventBatch, MatchEvent, Preset, Source, TravelSession
from matching.queries.travellers import LoadedTravellers, load_travellers
from project.bulk import copy_rows
from project.jobs.contract import Run
from project.refusal import Refusal

MATCH_TYPES_ASKED = {
    "solo": ("user_user",),
    "group": ("user_group",),
    "both": ("user_user", "user_group"),
}
DEFAULT_COUNT = 1000  # events
DEFAULT_SEED = 7
MAX_COUNT = 100_000_000  # a typing error, not a batch


def generate(
    run: Run,
    *,
    count: int = DEFAULT_COUNT,
    match_type: str = "solo",
    preset: str = Preset.BALANCED.label,
    seed: int = DEFAULT_SEED,
    feature_set: str = "smooth-1",
    allow_repeats: bool = False,
) -> dict[str, Any]:
    """Generate one batch chunk by chunk; it can be read once all of it is there.

    Refuses, before any event is made, when nobody can be matched or the population cannot give
    the count without repeats.
    """
    prepared = run.result_of("generate.prepare")
    if prepared is None:
        specification, loaded = _specify(
            count=count,
            match_type=match_type,
            preset=preset,
            seed=seed,
            feature_set=feature_set,
            allow_repeats=allow_repeats,
        )
        generation = Generation(specification, _population(loaded))
        expected = _expect(generation, loaded)
        with run.transaction("generate.prepare") as prepared:
            batch = _open_batch(run, generation, loaded)
            prepared.update(batch=batch.pk, **expected)
            run.add_record(batch)
    else:
        batch = EventBatch.objects.get(pk=prepared["batch"])
        generation = load_generation(batch)
        _require_same_formulas(generation)
    missing = [
        number
        for number in range(generation.chunk_count)
        if run.result_of("generate.chunk", number) is None
    ]
    for number, columns in _made_ahead(generation, missing):
        with run.transaction("generate.chunk", number) as result:
            result["rows"] = copy_rows(
                connection, MatchEvent._meta.db_table, as_rows(columns, batch)
            )
            result["summary"] = summarise_events(
                columns["outcome"], [columns[name] for name in FEATURE_NAMES]
            )
        done = min((number + 1) * -(-count // generation.chunk_count), count)
        run.report(done, count, f"Generating events, {done:,} of {count:,}")
    chunks = [
        run.result_of("generate.chunk", number) or {} for number in range(generation.chunk_count)
    ]
    return run.once("generate.complete", lambda: _complete(batch, prepared, chunks))


def preview(
    *,
    count: int,
    match_type: str,
    preset: str = Preset.BALANCED.label,
    seed: int = DEFAULT_SEED,
    feature_set: str = "smooth-1",
    allow_repeats: bool = False,
) -> dict[str, Any]:
    """Say what a generation would find and what is to be expected of it, without making anything."""
    specification, loaded = _specify(
        count=count,
        match_type=match_type,
        preset=preset,
        seed=seed,
        feature_set=feature_set,
        allow_repeats=allow_repeats,
    )
    generation = Generation(specification, _population(loaded))
    return {**_forecast(generation), "skipped": loaded.skipped()}


def _made_ahead(generation: Generation, numbers: Sequence[int]) -> Iterator[tuple[int, Columns]]:
    """Yield chunks; the next one is made while the server stores the one before."""
    with ThreadPoolExecutor(1, thread_name_prefix="next-chunk") as maker:
        made = [maker.submit(generation.make_chunk, number) for number in numbers[:1]]
        for number, following in zip_longest(numbers, numbers[1:]):
            columns = made.pop().result()
            if following is not None:
                made.append(maker.submit(generation.make_chunk, following))
            yield number, columns


def load_generation(batch: EventBatch) -> Generation:
    """Return the generation behind a batch; any chunk of it can be made again."""
    if batch.population is None:
        raise ValueError(f"{batch} was imported: there is nothing to make its events from.")
    return Generation(
        Specification.from_dict(batch.parameters), Population.from_parquet(bytes(batch.population))
    )


def as_rows(columns: Columns, batch: EventBatch) -> dict[str, Any]:
    """Return a chunk's columns as the table takes them: with ids, and NULL for nobody."""
    rows: dict[str, Any] = {"id": columns["row"] + batch.first_event_id}
    for name, values in columns.items():
        if name in ("user_id", "target_id", "group_id"):
            rows[name] = np.ma.masked_equal(values, -1)
        elif name != "row":
            rows[name] = values
    return rows


def discard_generation(run: Run) -> None:
    """Remove the events of a generation that was stopped; its batch stays, marked abandoned."""
    prepared = run.result_of("generate.prepare")
    if prepared is None or run.result_of("generate.complete") is not None:
        return
    batch = EventBatch.objects.get(pk=prepared["batch"])
    MatchEvent.objects.of_batch(batch).delete()
    batch.state = EventBatch.State.ABANDONED
    batch.save(update_fields=["state"])


def _specify(
    *,
    count: int,
    match_type: str,
    preset: str,
    seed: int,
    feature_set: str,
    allow_repeats: bool,
) -> tuple[Specification, LoadedTravellers]:
    if match_type not in MATCH_TYPES_ASKED:
        raise ValueError(f"Expected one of {', '.join(MATCH_TYPES_ASKED)}; got {match_type!r}.")
    if not 1 <= count <= MAX_COUNT:
        raise ValueError(f"Expected 1 to {MAX_COUNT:,} events; got {count:,}.")
    match_types = MATCH_TYPES_ASKED[match_type]
    loaded = load_travellers(match_types[-1])
    _require_travellers(loaded, match_types)
    return (
        Specification(
            count,
            match_types,
            preset,
            seed,
            feature_set,
            allow_repeats,
            _as_of(),
            revision_of(feature_set),
        ),
        loaded,
    )


def _require_same_formulas(generation: Generation) -> None:
    """Refuse to go on with a batch whose first chunks were made by formulas that were corrected."""
    begun = generation.specification
    if begun.feature_revision != revision_of(begun.feature_set):
        raise Refusal(
            f"This batch was begun with revision {begun.feature_revision} of {begun.feature_set}; "
            f"now it is revision {revision_of(begun.feature_set)}.",
            remedy="Generate anew.",
        )


def _require_travellers(loaded: LoadedTravellers, match_types: tuple[str, ...]) -> None:
    details = {"skipped": loaded.skipped()}
    if len(loaded.users) < (2 if "user_user" in match_types else 1):
        raise Refusal(
            f"Matches need complete users with live sessions; there are {len(loaded.users)}.",
            remedy="Run `manage.py seed_users`, `manage.py check_profiles` and "
            "`manage.py create_sessions`, then generate again.",
            details=details,
        )
    if loaded.groups is not None and loaded.groups.empty:
        raise Refusal(
            "Matches with groups need groups with live sessions; there are none.",
            remedy="Run `manage.py seed_users` and `manage.py create_sessions`, or choose "
            "--match-type solo.",
            details=details,
        )


def _as_of() -> date:
    """Return the day the newest session was planned: events are older than that."""
    newest = TravelSession.objects.live().aggregate(newest=Max("created_at"))["newest"]
    return timezone.localdate(newest, timezone=timezone.get_default_timezone())


def _population(loaded: LoadedTravellers) -> Population:
    groups = loaded.users.iloc[:0] if loaded.groups is None else loaded.groups
    return Population(loaded.users, groups)


def _forecast(generation: Generation) -> dict[str, Any]:
    diversity = generation.diversity()
    asked = generation.specification.count
    copies = sum(each.expected_duplicate_share * each.asked for each in diversity.values())
    return {
        "distinct_pairs": {name: each.distinct_pairs for name, each in diversity.items()},
        "expected_duplicate_share": round(copies / asked, 4),
        "met": all(each.met for each in diversity.values()),
        "remedy": " ".join(each.remedy for each in diversity.values() if each.remedy),
    }


def _expect(generation: Generation, loaded: LoadedTravellers) -> dict[str, Any]:
    """Return the forecast of a batch; refuse one that cannot be met."""
    forecast = _forecast(generation)
    if not forecast["met"]:
        pairs = ", ".join(
            f"{number:,} {name}" for name, number in forecast["distinct_pairs"].items()
        )
        raise Refusal(
            f"{generation.specification.count:,} events were asked for; there are {pairs} distinct "
            f"pairs, and {forecast['expected_duplicate_share']:.1%} of the feature vectors would "
            "be copies.",
            remedy=forecast["remedy"],
            details={**forecast, "skipped": loaded.skipped()},
        )
    return {key: forecast[key] for key in ("distinct_pairs", "expected_duplicate_share", "remedy")}


def _open_batch(run: Run, generation: Generation, loaded: LoadedTravellers) -> EventBatch:
    specification = generation.specification
    return EventBatch.objects.create(
        uid=generation.uid,
        origin=EventBatch.Origin.GENERATED,
        source=Source.SYNTHETIC,
        feature_set=specification.feature_set,
        feature_revision=specification.feature_revision,
        parameters=specification.as_dict(),
        seed=specification.seed,
        asked=specification.count,
        skipped=loaded.skipped(),
        population=generation.population.to_parquet(),
        population_sha256=generation.population.digest.hex(),
        created_by=run.user,
    )


def _complete(
    batch: EventBatch, prepared: dict[str, Any], chunks: list[dict[str, Any]]
) -> dict[str, Any]:
    batch.made = sum(chunk["rows"] for chunk in chunks)
    batch.summary = add_summaries(chunk["summary"] for chunk in chunks)
    batch.state = EventBatch.State.COMPLETE
    batch.completed_at = timezone.now()
    batch.save(update_fields=["made", "summary", "state", "completed_at"])
    return {
        "batch": batch.pk,
        "uid": str(batch.uid),
        "asked": batch.asked,
        "made": batch.made,
        "label_share": round(batch.label_share or 0.0, 4),
        "match_types": [name for name in MATCH_TYPES if name in prepared["distinct_pairs"]],
        "preset": batch.parameters["preset"],
        "seed": batch.seed,
        "feature_set": batch.feature_set,
        "source": "synthetic",
        "distinct_pairs": prepared["distinct_pairs"],
        "expected_duplicate_share": prepared["expected_duplicate_share"],
        "remedy": prepared["remedy"],
        "skipped": batch.skipped,
    }
