"""Batches of match events for tests, made by the pure modules and written with COPY."""

import json
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from matching.domain.features.compute import compute_features
from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import CEILING_REVISION, Generation
from matching.domain.outcomes import draw_outcomes, personal_effects
from matching.domain.pairing import find_candidates, sample_pairs
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import FeatureSet, MatchType, revision_of
from matching.models import EventBatch, MatchEvent
from matching.queries.words import taught_lexicon
from matching.services.generation import as_rows
from project.bulk import copy_rows
from project.jobs.models import Job
from project.jobs.run import JobRun
from project.origin import Origin
from tests.matching.drawn import draw_travellers
from training.jobs.models import fit_and_measure
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.models import Dataset, ModelVersion
from training.queries.preparing import prepare_dataset
from training.services.datasets import write_dataset
from training.services.models import TrainedModel, write_model

FIRST_MOMENT = np.datetime64("2026-01-01T00:00:00", "us")


def draw_events(count: int, *, seed: int = 1, users: int = 400) -> pd.DataFrame:
    """Draw events between users, as columns of the table."""
    people, _ = draw_travellers(users, seed, date(2026, 1, 1))
    travellers = Travellers.from_frame(people, Vocabulary.of(people))
    candidates = find_candidates(travellers)
    pairs = sample_pairs(candidates, count, seed, 0, chunk_rows=count)
    values = compute_features(
        travellers, travellers, left_index=pairs.left, right_index=pairs.right
    ).values
    user_id = travellers.user_id[pairs.left] + 1
    outcomes = draw_outcomes(
        values,
        "user_user",
        "balanced",
        personal_effects(seed, user_id),
        np.random.default_rng(seed),
    )
    frame = pd.DataFrame(values, columns=list(FEATURE_NAMES))
    return frame.assign(
        match_type=np.full(count, MatchType.USER_USER.code, np.int16),
        origin=np.full(count, Origin.SYNTHETIC.code, np.int16),
        outcome=outcomes.outcome.astype(np.int16),
        label=outcomes.label.astype(bool),
        occurred_at=FIRST_MOMENT + np.arange(count) * np.timedelta64(60, "s"),
        user_id=user_id,
        target_id=travellers.user_id[pairs.right] + 1,
        true_probability=outcomes.true_probability,
        feature_probability=outcomes.feature_probability,
    )


def make_generated_batch(generation: Generation, **fields: Any) -> EventBatch:
    """Write the whole batch of a generation, as its job would."""
    specification = generation.specification
    batch = EventBatch.objects.create(
        uid=generation.uid,
        method=EventBatch.Method.GENERATED,
        origin=Origin.SYNTHETIC.code,
        state=EventBatch.State.COMPLETE,
        feature_set=specification.feature_set,
        feature_revision=specification.feature_revision,
        parameters=specification.as_dict(),
        seed=specification.seed,
        asked=specification.count,
        made=specification.count,
        population=generation.population.to_parquet(),
        completed_at=timezone.now(),
        **fields,
    )
    for number in range(generation.chunk_count):
        rows = as_rows(generation.make_chunk(number), batch)
        copy_rows(connection, MatchEvent._meta.db_table, rows)
    return batch


def make_batch(
    events: pd.DataFrame,
    *,
    method: str = EventBatch.Method.GENERATED,
    origin: Origin = Origin.SYNTHETIC,
    feature_set: str = FeatureSet.SMOOTH,
    **fields: Any,
) -> EventBatch:
    """Write a complete batch of these events."""
    batch = EventBatch.objects.create(
        uid=uuid4(),
        method=method,
        origin=origin.code,
        state=EventBatch.State.COMPLETE,
        feature_set=feature_set,
        asked=len(events),
        made=len(events),
        completed_at=timezone.now(),
        **{
            "feature_revision": revision_of(feature_set),
            "parameters": {
                "ceiling_revision": CEILING_REVISION,
                "vocabulary": taught_lexicon().as_dict(),
            },
            **fields,
        },
    )
    ids = batch.first_event_id + np.arange(len(events))
    columns = {name: events[name].to_numpy() for name in events if name != "origin"}
    columns["origin"] = np.full(len(events), origin.code, np.int16)
    copy_rows(connection, MatchEvent._meta.db_table, {"id": ids, **columns})
    return batch


def make_good_batch(count: int = 1_000, *, seed: int = 1) -> EventBatch:
    """Write a batch that passes the dataset gate and gives a model that passes its own."""
    return make_batch(draw_events(count, seed=seed, users=max(200, count // 3)))


def make_dataset(*batches: EventBatch | None, **recipe: Any) -> Dataset:
    """Build a dataset of batches, of a good one unless one is given."""
    named = tuple(batch.pk for batch in batches if batch) or (make_good_batch().pk,)
    kind = get_kind(DEFAULT_KIND)
    return write_dataset(prepare_dataset(kind, Recipe(batches=named, **recipe)))


def make_model(dataset: Dataset | None = None, *, seed: int = 0) -> ModelVersion:
    """Write a model of a dataset, a good one unless one is given.

    Datasets of the same rows share one fit: every test would fit the same model again.
    """
    dataset = dataset or make_dataset()
    key = (json.dumps(dataset.report), dataset.split, seed)
    if key not in _fits:
        run = claimed_run("training.train_model")
        _fits[key] = fit_and_measure(run, dataset, seed=seed, override=None)
    return write_model(replace(_fits[key], dataset=dataset))


_fits: dict[tuple[str, str, int], TrainedModel] = {}


def claimed_run(kind: str, user: User | None = None, **arguments: Any) -> JobRun:
    """Give a run of a job as a worker that has claimed it would have it."""
    job = Job.objects.create(
        kind=kind,
        arguments=arguments,
        actor=user.get_username() if user else "somebody at the command line",
        user=user,
        is_by_operator=user is None,
        state="running",
        fence=1,
    )
    return JobRun(job, 1)
