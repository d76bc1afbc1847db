"""The same seed gives the same events and dataset as ever, where no definition was corrected.

The digests are those of the first edition, and so are the people: a batch keeps those that it was
made of, so these stay whatever people are drawn today. A digest that changes means a new revision
of its feature set, and a line in CHANGELOG.md that says what was corrected.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import Generation, Population, Specification
from matching.domain.words import revision_of
from tests.training.batches import make_generated_batch
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.queries.preparing import prepare_dataset
from training.services.datasets import write_dataset

TODAY = date(2026, 3, 1)
# The population of each seed as a batch of the first edition has it in its column.
POPULATIONS = Path(__file__).resolve().parent / "populations"
EVENTS = (
    *("row", "occurred_at", "user_id", "target_id", "group_id", "outcome"),
    *("true_probability", "feature_probability"),
)
# Seed -> match types, events. They have 300 users; 400 with 80 groups; 260 with 60 groups.
BATCHES = {
    3: (("user_user",), 1200),
    7: (("user_user", "user_group"), 3000),
    11: (("user_group",), 800),
}
# What revision 2 corrected in rows of complete, drawn people.
CORRECTED = {"smooth-1": (), "tiered-1": ("lifestyle_score",)}


def plan(seed: int, feature_set: str) -> Generation:
    match_types, events = BATCHES[seed]
    stored = (POPULATIONS / f"first-edition-{seed}.parquet").read_bytes()
    return Generation(
        Specification(
            count=events,
            match_types=match_types,
            preset="balanced",
            seed=seed,
            feature_set=feature_set,
            allow_repeats=True,
            as_of=TODAY,
            feature_revision=revision_of(feature_set),
        ),
        Population.from_parquet(stored),
    )


def digest(generation: Generation, names: Sequence[str]) -> str:
    chunks = [generation.make_chunk(number) for number in range(generation.chunk_count)]
    sha256 = hashlib.sha256()
    for name in names:
        sha256.update(np.concatenate([chunk[name] for chunk in chunks]).tobytes())
    return sha256.hexdigest()[:16]


@pytest.mark.parametrize(
    ("seed", "feature_set", "features", "events"),
    [
        (3, "smooth-1", "1e280aee47f50068", "9e02bdd059236d6e"),
        (3, "tiered-1", "37e851c1441b89b4", "9e02bdd059236d6e"),
        (7, "smooth-1", "a0bae5b8b32f4618", "9ebf7971aa724095"),
        (7, "tiered-1", "8c532fce0b12444c", "9ebf7971aa724095"),
        (11, "smooth-1", "1e82f3e27d6bafa9", "bd3e0d9c8178c6bb"),
        (11, "tiered-1", "174c3a10249099f2", "bd3e0d9c8178c6bb"),
    ],
)
def test_generated_events_are_those_of_the_first_edition(seed, feature_set, features, events):
    generation = plan(seed, feature_set)
    kept = [name for name in FEATURE_NAMES if name not in CORRECTED[feature_set]]
    assert digest(generation, kept) == features
    assert digest(generation, EVENTS) == events


@pytest.mark.parametrize(
    ("split", "train", "val"),
    [
        ("time", "46459b6e60c525aa", "a908066290244139"),
        ("user", "34e90276ec1d5815", "5a21d85d4db88a5f"),
    ],
)
def test_a_smooth_dataset_is_byte_for_byte_that_of_the_first_edition(db, split, train, val):
    batch = make_generated_batch(plan(7, "smooth-1"), pk=1003)  # the id is part of each row
    recipe = Recipe(batches=(batch.pk,), split=split, seed=5)
    files = write_dataset(prepare_dataset(get_kind(DEFAULT_KIND), recipe)).files
    found = {name: files[name]["sha256"][:16] for name in ("train.csv", "val.csv")}
    assert found == {"train.csv": train, "val.csv": val}
