"""The columns of a feature matrix: which apply to a match type, and those derived from others."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.domain.features.names import COLUMN, FEATURE_NAMES, PRODUCTS, features_of


@cache
def applicable(match_type: str) -> npt.NDArray[np.bool_]:
    """Which of the 13 columns apply to a match type.

    Returns
    -------
    bool array of shape (13,), one and the same for all who ask: not to be written
    """
    names = features_of(match_type)
    found = np.array([name in names for name in FEATURE_NAMES])
    found.setflags(write=False)
    return found


def fill_products(columns: Any) -> None:
    """Write each product that is missing where both of its factors are known, in place.

    Parameters
    ----------
    columns : mapping of feature names to float arrays of shape (n,), or a frame of n rows
        NaN where missing. A product that is there stays as it is; one whose factors are not both
        among the columns is left alone.
    """
    for product, (first, second) in PRODUCTS.items():
        if first not in columns or second not in columns:
            continue
        if product not in columns:
            columns[product] = np.asarray(columns[first]) * np.asarray(columns[second])
            continue
        there = np.asarray(columns[product])
        missing = np.isnan(there)
        if missing.any():
            derived = np.asarray(columns[first]) * np.asarray(columns[second])
            columns[product] = np.where(missing, derived, there)


def fill_products_of(values: npt.NDArray[Any]) -> None:
    """Write each product of a feature matrix that is missing and follows from its factors.

    Parameters
    ----------
    values : float array of shape (n, 13), in the order of FEATURE_NAMES; changed in place.
    """
    for product, (first, second) in PRODUCTS.items():
        there = values[:, COLUMN[product]]
        derived = values[:, COLUMN[first]] * values[:, COLUMN[second]]
        np.copyto(there, derived, where=np.isnan(there))
