"""Fingerprints of rows agree with comparing the rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.measure.hashing import CHUNK_ROWS, hash_rows, hash_sets

VALUES = st.sampled_from([0.0, -0.0, 0.5, 1.0, float("nan"), 1e-40])


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=40))
def test_equal_fingerprints_are_equal_rows(rows):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"], dtype=np.float32)
    hashes = hash_rows([frame[name] for name in frame])
    by_value = (frame + 0.0).duplicated()
    assert pd.Series(hashes).duplicated().tolist() == by_value.tolist()


def test_fingerprints_agree_with_pandas_beyond_one_chunk():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.integers(0, 25, (2 * CHUNK_ROWS + 7, 3)) / 25, dtype=np.float32)
    hashes = hash_rows([frame[name] for name in frame])
    assert (pd.Series(hashes).duplicated() == frame.duplicated()).all()


def test_order_of_columns_matters():
    a, b = np.array([1.0]), np.array([2.0])
    assert hash_rows([a, b])[0] != hash_rows([b, a])[0]


def test_text_and_missing_text_compare_by_value():
    hashes = hash_rows([pd.Series(["x", None, "y", "x", None])])
    assert hashes[0] == hashes[3]
    assert hashes[1] == hashes[4]
    assert len(set(hashes)) == 3


def test_pair_is_the_same_in_either_order():
    left, right = pd.Series(["anna", "ben", "anna"]), pd.Series(["ben", "anna", "cleo"])
    hashes = hash_sets([left, right])
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_no_column_is_refused():
    with pytest.raises(ValueError, match="at least one column"):
        hash_rows([])


def test_no_row_gives_no_fingerprint():
    assert len(hash_rows([np.empty(0)])) == 0
