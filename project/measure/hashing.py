"""Sixty-four bit fingerprints of rows, so that copies are found by one sort."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

UInt64Array = npt.NDArray[np.uint64]

# Rows a chunk: the intermediate arrays (128 KiB each) stay in the second-level cache.
CHUNK_ROWS = 16_384
# Multipliers of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
# 2014).
MIX_FIRST = np.uint64(0xBF58476D1CE4E5B9)
MIX_SECOND = np.uint64(0x94D049BB133111EB)
GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def mix(values: UInt64Array) -> UInt64Array:
    """The finaliser of splitmix64: a bijection of 64 bits; each input bit moves all others."""
    mixed = (values ^ (values >> np.uint64(30))) * MIX_FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * MIX_SECOND
    return mixed ^ (mixed >> np.uint64(31))


def column_bits(column: Any) -> npt.NDArray[Any]:
    """Unsigned integers that are equal exactly where the values of a column are equal.

    Parameters
    ----------
    column : Series or array of shape (n_rows,)
        Floats are compared as float32, with -0.0 equal to 0.0 and NaN equal to NaN; integers and
        booleans as they are; anything else (text, categories, timestamps) by value, all missing
        values being equal.

    Returns
    -------
    array of shape (n_rows,), uint32 for floats, else uint64. Codes of text are comparable within
    this one column only.
    """
    series = column if isinstance(column, pd.Series) else pd.Series(column)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "f":
        # Adding +0.0 turns -0.0 into 0.0 and copies, so that the caller's column stays as it was.
        values = series.to_numpy(dtype=np.float32) + np.float32(0)
        values[np.isnan(values)] = np.float32(np.nan)
        return values.view(np.uint32)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iub":
        return series.to_numpy().astype(np.uint64)
    codes, _ = pd.factorize(series, use_na_sentinel=True)
    return codes.astype(np.int64).view(np.uint64)


def hash_rows(columns: Sequence[Any]) -> UInt64Array:
    """Fingerprint of every row over the given columns.

    Parameters
    ----------
    columns : Series or arrays of shape (n_rows,), at least one; see `column_bits` for equality.

    Returns
    -------
    array of shape (n_rows,), uint64
        Equal rows have equal fingerprints. Different rows share one with a chance of about
        n_rows^2 / 2^65: 3e-8 for a million rows.

    Raises
    ------
    ValueError
        If no column is given.
    """
    if not columns:
        raise ValueError("Expected at least one column to fingerprint, got none.")
    bits = [column_bits(column) for column in columns]
    n_rows = len(bits[0])
    hashes = np.empty(n_rows, dtype=np.uint64)
    for start in range(0, n_rows, CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        state = np.zeros(len(bits[0][part]), dtype=np.uint64)
        for column in bits:
            state = (state + GOLDEN_GAMMA) ^ column[part]
            state *= MIX_FIRST
            state ^= state >> np.uint64(32)
        hashes[part] = mix(state)
    return hashes


def hash_sets(columns: Sequence[Any]) -> UInt64Array:
    """Fingerprint of the unordered values of every row: (A, B) and (B, A) are the same pair.

    Parameters
    ----------
    columns : Series or arrays of shape (n_rows,) that hold identifiers of one common space.

    Returns
    -------
    array of shape (n_rows,), uint64.
    """
    if len(columns) == 1:
        return hash_rows(columns)
    stacked = pd.concat([pd.Series(column) for column in columns], ignore_index=True)
    mixed = mix(column_bits(stacked).astype(np.uint64) + GOLDEN_GAMMA)
    n_rows = len(mixed) // len(columns)
    # A sum does not depend on the order of its terms; mixing each term first keeps it injective
    # for all practical purposes.
    return mix(mixed.reshape(len(columns), n_rows).sum(axis=0, dtype=np.uint64))
