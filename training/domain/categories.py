"""Which names of a categorical column a model knows."""

import pandas as pd

MAXIMUM_CATEGORIES = 200  # rarer ones share a category; boosting takes at most 255


def known_categories(column: pd.Series) -> list[str]:
    """Names that a model trained on this column knows: the most frequent ones, in their order."""
    counts = column.dropna().astype(str).value_counts()
    return sorted(counts.index[:MAXIMUM_CATEGORIES])
