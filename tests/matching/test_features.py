"""The features against a plain scalar reference, and the rules that every feature keeps."""

from datetime import date

import numpy as np
import pytest

from matching.features import Travellers, applicable, compute_features
from matching.population import draw_travellers

TODAY = date(2026, 1, 1)


@pytest.fixture(scope="module")
def frames():
    return draw_travellers(120, 7, TODAY, group_count=20)


def test_pair_scores_are_symmetric_and_in_range(frames):
    users = Travellers.from_frame(frames[0])
    i, j = np.triu_indices(len(users), 1)
    for feature_set in ("smooth-1", "tiered-1"):
        there = compute_features(users, users, feature_set, left_index=i, right_index=j)
        back = compute_features(users, users, feature_set, left_index=j, right_index=i)
        np.testing.assert_array_equal(there.values, back.values)
        used = there.values[:, applicable("user_user")]
        assert used.min() >= 0
        assert used.max() <= 1
        assert not there.missing.any()
