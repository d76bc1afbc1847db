"""Which inputs a fitted model leans on, measured by shuffling them on validation rows."""

from collections.abc import Callable
from math import sqrt
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.intervals import Metric, MetricFields, normal_reach
from project.measure.paired import PairedMetric, metric_influence

IMPORTANCE_ROWS = (
    20_000  # the interval is then about .003 of an AUC; each repeat costs milliseconds
)
IMPORTANCE_REPEATS = 5


class Importance(TypedDict):
    """What each input is worth: the metric, the rows it was measured on, input to figure."""

    rows: int
    metric: str
    features: dict[str, MetricFields]


def permutation_importance(
    predict: Callable[[pd.DataFrame], npt.NDArray[np.float64]],
    frame: pd.DataFrame,
    target: npt.ArrayLike,
    *,
    metric: PairedMetric,
    higher_is_better: bool,
    rng: np.random.Generator,
    max_rows: int = IMPORTANCE_ROWS,
    repeats: int = IMPORTANCE_REPEATS,
) -> Importance:
    """What shuffling each column costs (Breiman, Random Forests, 2001, section 10).

    Parameters
    ----------
    predict : from rows to scores or predictions of shape (n_rows,).
    frame : DataFrame of n_rows validation rows; at most `max_rows`, drawn by lot, are used.
    target : array of shape (n_rows,).
    metric, higher_is_better : what is lost, or gained by a metric that is better when lower, when a
        column is shuffled.
    rng : draws rows and shuffles.

    Returns
    -------
    Importance
        Features with the most important first. The interval covers both the choice of rows (the
        metric is linearised over rows) and the shuffles.
    """
    y = np.asarray(target, dtype=np.float64)
    if len(y) > max_rows:
        chosen = np.sort(rng.choice(len(y), size=max_rows, replace=False))
        frame, y = frame.iloc[chosen], y[chosen]
    rows = len(y)
    value, influence = metric_influence(y, predict(frame), metric)
    sign = 1.0 if higher_is_better else -1.0
    found: dict[str, Metric] = {}
    for name in frame.columns:
        shuffled = frame.copy(deep=False)
        costs = np.empty(repeats)
        pull = np.zeros(rows)
        for repeat in range(repeats):
            shuffled[name] = frame[name].to_numpy()[rng.permutation(rows)]
            other, other_influence = metric_influence(y, predict(shuffled), metric)
            costs[repeat] = sign * (value - other)
            pull += sign * (influence - other_influence) / repeats
        cost = float(costs.mean())
        variance = pull.var() / rows
        if repeats > 1:
            variance += costs.var(ddof=1) / repeats
        half = normal_reach() * sqrt(float(variance))
        found[name] = Metric(cost, cost - half, cost + half)
    ordered = sorted(found.items(), key=lambda item: -np.nan_to_num(item[1].value))
    return {
        "rows": rows,
        "metric": metric,
        "features": {name: item.as_dict() for name, item in ordered},
    }
