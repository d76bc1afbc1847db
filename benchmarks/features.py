"""Features in memory: NumPy over rows against one pair at a time in plain Python."""

import statistics
from datetime import date
from typing import Any

import numpy as np

from benchmarks.figures import Figure
from benchmarks.measure import alternate, rate, ratio
from benchmarks.naive_features import smooth_features, tiered_features
from matching.domain.features.compute import compute_features
from matching.domain.travellers import Travellers
from tests.matching.drawn import draw_travellers

TARGET_RATIO = 100.0
TRAVELLERS = 2_000
NAIVE_SHARE = 200  # the peer needs as long for a 200th of the pairs as NumPy for all


def run(pairs: int, runs: int) -> list[Figure]:
    """Return rows a second of each feature set, and their ratio to the peer's."""
    frame, _ = draw_travellers(TRAVELLERS, seed=7, today=date(2026, 1, 1))
    travellers = Travellers.from_frame(frame)
    records = frame.to_dict("records")
    places = np.random.default_rng(7).integers(0, len(travellers), size=(2, pairs))
    naive_pairs = max(pairs // NAIVE_SHARE, 100)
    figures = []
    for feature_set, naive in (("smooth-1", smooth_features), ("tiered-1", tiered_features)):

        def vectorised(feature_set: str = feature_set) -> float:
            return rate(
                pairs,
                lambda: compute_features(
                    travellers,
                    travellers,
                    feature_set,
                    "user_user",
                    left_index=places[0],
                    right_index=places[1],
                ),
            )

        def one_by_one(naive: Any = naive) -> float:
            return rate(
                naive_pairs,
                lambda: [
                    naive(records[left], records[right], "user_user")
                    for left, right in places[:, :naive_pairs].T
                ],
            )

        vectorised(), one_by_one()  # the first call of each pays for memory that later ones reuse
        ours, theirs = alternate(runs, vectorised, one_by_one)
        figures += [
            Figure(
                f"features {feature_set}, rows/s",
                statistics.median(ours),
                pairs,
                note=f"plain Python {statistics.median(theirs):,.0f}",
                runs=ours,
            ),
            Figure(
                f"features {feature_set}, times plain Python",
                ratio(ours, theirs),
                pairs,
                TARGET_RATIO,
                at_least=True,
                runs=[mine / other for mine, other in zip(ours, theirs, strict=True)],
            ),
        ]
    return figures
