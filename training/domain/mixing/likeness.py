"""How far synthetic rows can be told from real ones, jointly and column by column.

Lopez-Paz, D. & Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from project.measure.intervals import SIGNIFICANCE, holm, json_number
from project.measure.two_samples import detectable_shift, kolmogorov_smirnov, rank_sum

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

# Either of two tests may say it, the classifier's and that of the columns: each has half.
TOLD_APART = SIGNIFICANCE / 2
COMPARED_ROWS = 8_000  # of each side; a tenth of a second
FEWEST_COMPARED = 40  # of both sides; fewer teach a classifier nothing
NAMED_COLUMNS = 20  # with the smallest p-values
NEIGHBOUR_ROWS = 2_000  # of each side
BOOSTING = {
    "max_iter": 60,
    "max_leaf_nodes": 8,
    "learning_rate": 0.1,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "early_stopping": False,
}


class ColumnLikeness(TypedDict):
    """One column: largest distance of its distributions, and Holm's p-value over all columns."""

    column: str
    distance: float | None
    p_value: float | None


class Likeness(TypedDict):
    """Real rows against synthetic ones.

    auc is that of a classifier on rows it was not fitted on: .5 where the two cannot be told apart;
    inputs_auc that of one that sees the values of the inputs alone, without times and gaps. columns
    are those that differ, the surest first; detectable is the shift of one column, in standard
    deviations, that so few rows would let one notice.
    """

    real_rows: int
    synthetic_rows: int
    auc: float | None
    p_value: float | None
    inputs_auc: float | None
    columns: list[ColumnLikeness]
    compared_columns: int
    detectable: float | None


class Nearness(TypedDict):
    """Whether synthetic rows lie nearer to real rows that were trained on than to held-out ones.

    share is that of the synthetic rows whose nearest real row was trained on, where equally many
    were held out: .5 for rows that copy nobody.
    """

    rows: int
    share: float | None
    p_value: float | None


def compare_rows(
    frame: pd.DataFrame,
    is_real: BoolArray,
    inputs: Sequence[str],
    others: Sequence[str],
    rng: np.random.Generator,
) -> Likeness:
    """Tell synthetic rows from real ones, by all columns together and by each alone.

    Parameters
    ----------
    frame : n rows; numbers, moments and names.
    is_real : array of shape (n_rows,).
    inputs, others : columns to compare, those that a model reads and times or labels beside them;
        whether a value is missing counts as a column of its own.
    rng : draws the rows that are compared, COMPARED_ROWS of each side at most and equally many.

    Returns
    -------
    Likeness
        The classifier is fitted on one half; on the other half the labels could be exchanged if the
        two were alike, so that Mann and Whitney's test is exact whatever was fitted. Columns are
        tested by Kolmogorov and Smirnov's test, and adjusted by Holm's method.
    """
    sides = [np.flatnonzero(is_real), np.flatnonzero(~is_real)]
    size = min(*(len(side) for side in sides), COMPARED_ROWS)
    drawn = np.concatenate([rng.choice(side, size, replace=False) for side in sides])
    inside = np.repeat([True, False], size)
    numbers = _numbers(frame.iloc[drawn], [*inputs, *others])
    auc, p_value = _classify(numbers, inside, rng)
    inputs_auc, _ = _classify(numbers.reindex(columns=list(inputs)), inside, rng)
    found = [_compare_column(numbers[name], inside) for name in numbers]
    adjusted = holm([p for _, p in found])
    table: list[ColumnLikeness] = [
        {"column": str(name), "distance": json_number(distance), "p_value": json_number(p)}
        for name, (distance, _), p in zip(numbers, found, adjusted, strict=True)
        if p < TOLD_APART
    ]
    table.sort(key=lambda row: (row["p_value"] or 0.0, -(row["distance"] or 0.0)))
    return {
        "real_rows": size,
        "synthetic_rows": size,
        "auc": json_number(auc),
        "p_value": json_number(p_value),
        "inputs_auc": json_number(inputs_auc),
        "columns": table[:NAMED_COLUMNS],
        "compared_columns": len(found),
        "detectable": json_number(detectable_shift(size, size, TOLD_APART / max(len(found), 1))),
    }


def nearest_rows(
    synthetic: pd.DataFrame,
    trained: pd.DataFrame,
    held_out: pd.DataFrame,
    columns: Sequence[str],
    rng: np.random.Generator,
) -> Nearness:
    """Ask whether synthetic rows are copies of the real rows they may have been fitted to.

    Parameters
    ----------
    synthetic, trained, held_out : frames; as many rows of `trained` as of `held_out` are used.
    columns : numeric columns, standardised over the real rows; a missing value is the median.
    rng : draws the rows.
    """
    size = min(len(trained), len(held_out), NEIGHBOUR_ROWS)
    asked = synthetic.iloc[_draw(len(synthetic), NEIGHBOUR_ROWS, rng)]
    if not size or not len(asked) or not len(columns):
        return {"rows": len(asked), "share": None, "p_value": None}
    real = pd.concat([part.iloc[_draw(len(part), size, rng)] for part in (trained, held_out)])[
        list(columns)
    ].to_numpy(dtype=np.float64)
    scale = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    ).fit(real)
    points = scale.transform(asked[list(columns)].to_numpy(dtype=np.float64))
    places = scale.transform(real)
    distances = [
        NearestNeighbors(n_neighbors=1).fit(part).kneighbors(points)[0][:, 0]
        for part in (places[:size], places[size:])
    ]
    # Equally near to both (repeated vectors of a coarse grid) is half a vote.
    votes = np.where(distances[0] == distances[1], 0.5, distances[0] < distances[1])
    error = float(votes.std(ddof=1)) / np.sqrt(len(votes)) if len(votes) > 1 else 0.0
    share = float(votes.mean())
    return {
        "rows": len(asked),
        "share": share,
        "p_value": float(ndtr(-(share - 0.5) / error)) if error > 0 else None,
    }


def _draw(n_rows: int, limit: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    if n_rows <= limit:
        return np.arange(n_rows)
    return np.asarray(rng.choice(n_rows, limit, replace=False), dtype=np.int64)


def _numbers(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Every column as numbers: moments as seconds, names by how frequent they are."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    for name in columns:
        if name not in frame:
            continue
        column = frame[name]
        missing = column.isna().to_numpy()
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            values = column.dt.tz_convert(None).to_numpy("datetime64[s]").astype(np.float64)
            values[missing] = np.nan
        elif pd.api.types.is_numeric_dtype(column.dtype):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            codes, names = pd.factorize(column)
            order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(names)), kind="stable")
            rank = np.empty(len(names))
            rank[order] = np.arange(len(names))
            values = np.where(codes >= 0, rank[codes] if len(names) else 0.0, np.nan)
        if not missing.all():
            found[name] = values
        if missing.any():
            found[f"{name} is missing"] = missing.astype(np.float64)
    return pd.DataFrame(found)


def _classify(
    numbers: pd.DataFrame, inside: BoolArray, rng: np.random.Generator
) -> tuple[float, float]:
    values = numbers.dropna(axis=1, how="all").to_numpy(dtype=np.float64)
    if len(values) < FEWEST_COMPARED or not values.shape[1]:
        return float("nan"), float("nan")
    order = rng.permutation(len(inside))
    fitted, asked = order[: len(order) // 2], order[len(order) // 2 :]
    if len(np.unique(inside[fitted])) < 2:
        return float("nan"), float("nan")
    with threadpool_limits(1):
        seed = int(rng.integers(2**31))
        model = HistGradientBoostingClassifier(**BOOSTING, random_state=seed)
        model.fit(values[fitted], inside[fitted])
        score = model.predict_proba(values[asked])[:, 1]
    return rank_sum(inside[asked], np.asarray(score, dtype=np.float64))


def _compare_column(column: pd.Series, inside: BoolArray) -> tuple[float, float]:
    values = column.to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    return kolmogorov_smirnov(values[known & inside], values[known & ~inside])
