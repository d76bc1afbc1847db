"""From a frame of inputs to what an estimator reads; what is missing stays visible.

Everything here becomes part of the model's file, so it may name scikit-learn, numpy, pandas and the
standard library, and nothing of ours.
"""

from collections.abc import Sequence
from operator import itemgetter, methodcaller
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from training.domain.categories import MAXIMUM_CATEGORIES

MISSING_CATEGORY = "(missing)"


def linear_columns(frame: pd.DataFrame, categorical: Sequence[str]) -> list[tuple[str, Any]]:
    """Steps in front of a linear model: medians with an indicator, standardised; one column a name.

    A name that training has not seen is none of its columns.
    """
    numbers = [
        (
            "impute",
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        ),
        ("scale", StandardScaler()),
    ]
    if not categorical:
        return numbers
    encoder = OneHotEncoder(
        handle_unknown="ignore", max_categories=MAXIMUM_CATEGORIES, sparse_output=False
    )
    parts = [("categorical", _names(encoder), list(categorical))]
    if numeric := [name for name in frame.columns if name not in set(categorical)]:
        parts.insert(0, ("numeric", Pipeline(numbers), numeric))
    return [("columns", ColumnTransformer(parts))]


def tree_columns(
    frame: pd.DataFrame, categorical: Sequence[str]
) -> tuple[list[tuple[str, Any]], list[str]]:
    """Steps in front of gradient boosting, and the columns in the order in which it sees them.

    Columns that these rows have no value of are left out: boosting finds no thresholds in nothing
    but NaN and fails. A name that training has not seen counts as missing to boosting.
    """
    known = [
        name
        for name in frame.columns
        if name not in set(categorical) and not frame[name].isna().all()
    ]
    if not known and not categorical:
        nothing = SimpleImputer(keep_empty_features=True)  # zeros, from which a constant is learnt
        return [("nothing", nothing)], list(frame.columns)
    if not categorical:
        # By name, whatever their order; as an array, which boosting reads in half the time of a
        # frame where there is one row.
        array = methodcaller("to_numpy", dtype=np.float64)
        return [
            ("known", FunctionTransformer(itemgetter(known))),
            ("array", FunctionTransformer(array)),
        ], known
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        max_categories=MAXIMUM_CATEGORIES,
    )
    parts = [
        ("categorical", _names(encoder), list(categorical)),
        ("numeric", "passthrough", known),
    ]
    return [("columns", ColumnTransformer(parts))], [*categorical, *known]


def _names(encoder: Any) -> Pipeline:
    """Encode names after a missing one became a name of its own."""
    return Pipeline(
        [
            # A column of nothing but NaN comes as numbers.
            ("objects", FunctionTransformer(methodcaller("astype", object))),
            (
                "impute",
                # pd.NA stands for None and NaN alike.
                SimpleImputer(
                    missing_values=pd.NA,
                    strategy="constant",
                    fill_value=MISSING_CATEGORY,
                    keep_empty_features=True,
                ),
            ),
            ("encode", encoder),
        ]
    )
