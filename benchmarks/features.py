"""Features in memory: NumPy over rows against one pair at a time in plain Python."""

import statistics
from datetime import date
from typing import Any

import numpy as np

from benchmarks.measure import alternate, rate, ratio
from benchmarks.naive_features import smooth_features, tiered_features
from matching.features import Travellers, compute_features
from matching.population import draw_travellers

TRAVELLERS = 2_000
PAIRS = 1_000_000
NAIVE_PAIRS = 5_000  # the peer needs as long for these as NumPy for a million
RUNS = 5


def run() -> list[dict[str, Any]]:
    """Return one row for each feature set: rows a second of both, and their ratio."""
    frame, _ = draw_travellers(TRAVELLERS, seed=7, today=date(2026, 1, 1))
    travellers = Travellers.from_frame(frame)
    records = frame.to_dict("records")
    pairs = np.random.default_rng(7).integers(0, len(travellers), size=(2, PAIRS))
    rows = []
    for feature_set, naive in (("smooth-1", smooth_features), ("tiered-1", tiered_features)):

        def vectorised(feature_set: str = feature_set) -> float:
            return rate(
                PAIRS,
                lambda: compute_features(
                    travellers,
                    travellers,
                    feature_set,
                    "user_user",
                    left_index=pairs[0],
                    right_index=pairs[1],
                ),
            )

        def one_by_one(naive: Any = naive) -> float:
            return rate(
                NAIVE_PAIRS,
                lambda: [
                    naive(records[left], records[right], "user_user")
                    for left, right in pairs[:, :NAIVE_PAIRS].T
                ],
            )

        ours, theirs = alternate(RUNS, vectorised, one_by_one)
        rows.append(
            {
                "name": f"features {feature_set}, rows/s",
                "ours": statistics.median(ours),
                "peer": statistics.median(theirs),
                "ratio": ratio(ours, theirs),
                "target": "ratio >= 100",
                "met": ratio(ours, theirs) >= 100,
            }
        )
    return rows
