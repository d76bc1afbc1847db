"""Summaries of batches: every value is in one bin, and parts add up to the whole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.summaries import BINS, add_summaries, summarise_events


def draw(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.random((13, count), dtype=np.float32)
    features[rng.random((13, count)) < 0.2] = np.nan
    return rng.integers(1, 5, count), features


def test_every_value_is_counted_once() -> None:
    outcome, features = draw(1000)
    summary = summarise_events(outcome, features)
    assert sum(summary["outcomes"].values()) == 1000
    for name, values in zip(FEATURE_NAMES, features, strict=True):
        column = summary["features"][name]
        assert column["missing"] == np.isnan(values).sum()
        assert column["counts"] == np.histogram(values, BINS, (0, 1))[0].tolist()


def test_the_ends_fall_into_the_first_and_the_last_bin() -> None:
    features = np.tile(np.array([0.0, 1.0], np.float32), (13, 1))
    counts = summarise_events(np.array([1, 4]), features)["features"]["age_score"]["counts"]
    assert (counts[0], counts[-1], sum(counts)) == (1, 1, 2)


@given(st.lists(st.integers(0, 300), max_size=3))
def test_chunks_add_up_to_the_whole(cuts: list[int]) -> None:
    outcome, features = draw(300)
    parts = zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True)
    chunks = [summarise_events(outcome[a:b], features[:, a:b]) for a, b in parts]
    assert add_summaries(chunks) == summarise_events(outcome, features)


def test_nothing_adds_up_to_zeros() -> None:
    assert sum(add_summaries([])["outcomes"].values()) == 0
