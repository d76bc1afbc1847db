"""The rows of the kind that learns from match events: read, what they must be, scored by rules."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.features.columns import fill_products
from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY, PRODUCTS, TIERED_DEFAULT
from matching.domain.features.rules import rule_score
from matching.domain.generation import Population, recompute_features
from matching.domain.words import revision_of
from matching.models import EventBatch, FeatureSet, Source
from project.refusal import Refusal
from training.domain.kind import LoadedRows, Recipe
from training.domain.match_quality import TIERED_HALVES
from training.kinds.rows.events import load_match_events


def load(recipe: Recipe) -> LoadedRows:
    """Read the events of the recipe's batches, with one set of feature formulas for all rows."""
    batches = choose_batches(recipe)
    feature_set = _choose_feature_set(recipe.feature_set, batches)
    frame = load_match_events(batches)
    now = (feature_set, revision_of(feature_set))
    for batch in batches:
        is_generated = batch.origin == EventBatch.Origin.GENERATED
        if is_generated and (batch.feature_set, batch.feature_revision) != now:
            _compute_anew(frame, batch, feature_set)
    defaulted = _write_defaults(frame, batches, feature_set)
    fill_products(frame)
    source = _source_of(batches)
    return LoadedRows(
        frame=frame,
        recipe=replace(
            recipe,
            source=source,
            batches=tuple(int(batch.pk) for batch in batches),
            feature_set=feature_set,
        ),
        lineage=tuple(_lineage(batch) for batch in batches),
        batches=tuple(int(batch.pk) for batch in batches),
        defaulted=defaulted,
    )


def choose_batches(recipe: Recipe) -> list[EventBatch]:
    """Return the batches of a recipe: those named, else the newest complete one of the source.

    Only the newest, because two batches of one population repeat each other's pairs; combining is
    naming several. `combined` without names takes the newest of each source.
    """
    complete = EventBatch.objects.complete().defer("population")
    if recipe.batches:
        found = {int(batch.pk): batch for batch in complete.filter(pk__in=recipe.batches)}
        absent = [number for number in recipe.batches if number not in found]
        if absent:
            raise Refusal(
                f"There is no complete batch {', '.join(map(str, absent))}.",
                remedy="`manage.py status` and the admin list the batches; wait for those that "
                "are still being made.",
            )
        batches = [found[number] for number in sorted(set(recipe.batches))]
        wanted = recipe.source
        if wanted and wanted != _source_of(batches):
            raise Refusal(
                f"The batches named are {_source_of(batches)}, and --source says {wanted}.",
                remedy="Leave --source out, or name other batches.",
            )
        return batches
    sources: dict[str, list[Source | None]] = {
        "": [None],
        "real": [Source.REAL],
        "synthetic": [Source.SYNTHETIC],
        "combined": [Source.REAL, Source.SYNTHETIC],
    }
    if recipe.source not in sources:
        raise Refusal(
            f"There is no source {recipe.source!r}.",
            remedy="Choose real, synthetic or combined.",
        )
    batches = []
    for source in sources[recipe.source]:
        chosen = complete.filter(made__gt=0)
        if source is not None:
            chosen = chosen.filter(source=source)
        newest = chosen.order_by("-pk").first()
        if newest is None:
            named = "" if source is None else f"{Source(source).label} "
            raise Refusal(
                f"There is no complete batch of {named}events yet.",
                remedy="Run `manage.py generate_events --count 1000`, or import a log with "
                "`manage.py import_events FILE`.",
            )
        batches.append(newest)
    return sorted(batches, key=lambda batch: int(batch.pk))


def _choose_feature_set(asked: str, batches: Sequence[EventBatch]) -> str:
    """Return the one feature set of all rows; logged features cannot be turned into another."""
    present = sorted({batch.feature_set for batch in batches})
    if asked and asked not in FeatureSet.values:
        raise Refusal(
            f"There is no feature set {asked!r}.",
            remedy=f"Choose one of {', '.join(FeatureSet.values)}.",
        )
    wanted = asked or (present[0] if len(present) == 1 else FeatureSet.SMOOTH.value)
    fixed = [
        batch
        for batch in batches
        if batch.feature_set != wanted and batch.origin != EventBatch.Origin.GENERATED
    ]
    if fixed:
        named = ", ".join(f"{batch.pk} ({batch.feature_set})" for batch in fixed)
        raise Refusal(
            f"The rows of batch {named} keep the features that were logged; the people behind "
            f"them are not known here, so {wanted} cannot be computed for them.",
            remedy="Choose the feature set of the log, or batches that share one feature set.",
        )
    return wanted


def _compute_anew(frame: pd.DataFrame, batch: EventBatch, feature_set: str) -> None:
    """Replace the features of a generated batch by those of a set as it is now.

    They come from the batch's own population: who the people were then, by the formulas of today.
    """
    rows = np.flatnonzero(frame["batch_id"].to_numpy() == batch.pk)
    partner = frame["partner_id"].to_numpy()[rows]
    events = pd.DataFrame(
        {
            "match_type": frame["match_type"].to_numpy()[rows],
            "user_id": frame["user_id"].to_numpy()[rows],
            "target_id": partner,
            "group_id": -partner - 1,
        }
    )
    population = Population.from_parquet(bytes(batch.population or b""))
    population = population.as_stored_now(batch.feature_revision)
    block = recompute_features(events, population, feature_set)
    values = np.where(block.missing, np.float32(np.nan), block.values)
    for place, name in enumerate(FEATURE_NAMES):
        column = frame[name].to_numpy(copy=True)
        column[rows] = values[:, place]
        frame[name] = column


def _write_defaults(
    frame: pd.DataFrame, batches: Sequence[EventBatch], feature_set: str
) -> dict[str, npt.NDArray[np.bool_]] | None:
    """Write the tiered default where an input was missing, and return where that was.

    Products are left open: they are those of the scores that then stand there, as in serving.
    """
    generated = [int(b.pk) for b in batches if b.origin == EventBatch.Origin.GENERATED]
    if feature_set != FeatureSet.TIERED or not generated:
        return None
    ours = frame["batch_id"].isin(generated).to_numpy()
    is_pair = (frame["match_type"] == "user_user").to_numpy()
    defaulted = {}
    for name in FEATURE_NAMES:
        values = frame[name].to_numpy()
        missing = ours & np.isnan(values)
        if name in GROUP_ONLY:
            missing &= ~is_pair
        logged = ~ours & (values == TIERED_DEFAULT) & (name not in TIERED_HALVES)
        if missing.any() and name not in PRODUCTS:
            frame[name] = np.where(missing, np.float32(TIERED_DEFAULT), values)
        defaulted[name] = missing | logged
    return defaulted


def _source_of(batches: Sequence[EventBatch]) -> str:
    sources = {batch.source for batch in batches}
    return "combined" if len(sources) > 1 else str(Source(sources.pop()).label)


def _lineage(batch: EventBatch) -> dict[str, Any]:
    return {
        "model": "matching.eventbatch",
        "id": batch.pk,
        "uid": str(batch.uid),
        "title": str(batch),
        "origin": batch.origin,
        "source": Source(batch.source).label,
        "feature_set": batch.feature_set,
        "feature_revision": batch.feature_revision,
        "is_as_logged": batch.origin != EventBatch.Origin.GENERATED,
        "events": batch.made,
        "seed": batch.seed,
        "file_sha256": batch.file_sha256,
        "population_sha256": batch.population_sha256,
    }


def baselines(rows: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Score rows by the production rules."""
    values = rows.reindex(columns=list(FEATURE_NAMES)).to_numpy(dtype=np.float64)
    kinds = (
        rows["match_type"].astype(str).to_numpy()
        if "match_type" in rows
        else np.full(len(rows), "user_user")
    )
    return {"rule_score": np.asarray(rule_score(values, kinds), dtype=np.float64)}
