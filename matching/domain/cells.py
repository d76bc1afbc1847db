"""The cells of a travellers frame as arrays: numbers, days, words; NaN or nothing where unknown."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]


def read_objects(frame: pd.DataFrame, column: str) -> npt.NDArray[np.object_]:
    """The values of a column as they are: object array of shape (n,), None for an absent column."""
    if column not in frame:
        return np.full(len(frame), None, object)
    return frame[column].to_numpy(object)


def read_numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    """The numbers of a column: float64 array of shape (n,), NaN where unknown."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[column]).to_numpy(np.float64, na_value=np.nan)


def read_days(frame: pd.DataFrame, column: str) -> FloatArray:
    """Whole days since 1970-01-01 of dates, timestamps or ISO text: float64 (n,), NaN unknown."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    days = pd.to_datetime(frame[column]).to_numpy("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(np.float64))


def items_of(value: Any) -> list[Any]:
    """The items of a list-like cell; a text is one item, an empty cell has none."""
    if isinstance(value, str):
        return [value]
    return [] if pd.api.types.is_scalar(value) else list(value)


def words_of(value: Any) -> list[str]:
    """The words of a cell, stripped, in lower case, without blanks."""
    words = (str(word).strip().lower() for word in items_of(value) if word is not None)
    return [word for word in words if word]


def distinct_words(frame: pd.DataFrame, column: str) -> set[str]:
    """The words of a column, each once; a text that many rows have is taken apart once."""
    words: set[str] = set()
    if column in frame:
        cells = frame[column]
        for text in {cell for cell in cells if isinstance(cell, str)}:
            words.update(words_of(text))
        for cell in cells:
            if cell is not None and not isinstance(cell, str | Real):
                words.update(words_of(cell))
    return words


def read_degrees(frame: pd.DataFrame, column: str, degrees: Mapping[str, float]) -> FloatArray:
    """Numbers of words, means of lists of words, numbers as they are.

    Parameters
    ----------
    degrees : word to its number

    Returns
    -------
    float64 array of shape (n,); NaN for a cell without a known word or a number.
    """

    def degree(value: Any) -> float:
        if isinstance(value, Real):
            return float(value)
        known = [degrees[word] for word in words_of(value) if word in degrees]
        return float(np.mean(known)) if known else math.nan

    if column not in frame:
        return np.full(len(frame), np.nan)
    return np.array([degree(value) for value in frame[column]], np.float64)
