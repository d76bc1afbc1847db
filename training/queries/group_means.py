"""What answers where no model does: means of the groups that feedback is rated in."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.refusal import Refusal
from training.domain.kind import ModelKind, Recipe
from training.domain.prediction_interval import PredictionInterval

FloatArray = npt.NDArray[np.float64]

NEWEST: Final = 100_000  # ratings whose means answer: enough for each group that is asked about
KEPT_SECONDS: Final = 60.0  # means are not counted anew for each request
KEPT_TIMES: Final = 20.0  # nor does counting them take more than a twentieth of the time


@dataclass(frozen=True)
class GroupMeans:
    """Means of the newest feedback that is here.

    Attributes
    ----------
    rows : columns of the groups, and the target.
    columns : of the groups.
    categories : column to the names that there are in it.
    interval : how far ratings lie from the mean of the others of their group.
    origin : real, synthetic or combined rows.
    """

    kind: ModelKind
    rows: pd.DataFrame
    columns: tuple[str, ...]
    categories: Mapping[str, frozenset[Any]]
    interval: PredictionInterval
    origin: str

    @property
    def count(self) -> int:
        """How many ratings they are means of."""
        return len(self.rows)

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Return the mean of each row's group, float64 of shape (n_rows,) in the target's unit."""
        return _means(self.kind, self.rows, frame)


_kept: dict[str, tuple[float, GroupMeans | None]] = {}  # and until when, of a steady clock
_lock = Lock()


def means_of(kind: ModelKind) -> GroupMeans | None:
    """Return the means of a kind of feedback as of a minute ago, or a little more of much; None
    without any."""
    with _lock:
        until, found = _kept.get(kind.name, (-math.inf, None))
        began = time.monotonic()
        if began >= until:
            found = _count(kind)
            now = time.monotonic()
            _kept[kind.name] = (now + max(KEPT_SECONDS, KEPT_TIMES * (now - began)), found)
        return found


def _count(kind: ModelKind) -> GroupMeans | None:
    try:
        loaded = kind.load(Recipe())
    except Refusal:
        return None
    rows = loaded.frame[loaded.frame[kind.target].notna()]
    if rows.empty:
        return None
    columns = tuple(
        name
        for name in ("provider", "model", "action_type", "experiment_name", "variant")
        if name in rows
    )
    rows = rows.tail(NEWEST)[[*columns, *(n for n in kind.numeric if n in rows), kind.target]]
    return GroupMeans(
        kind=kind,
        rows=rows,
        columns=columns,
        categories={name: frozenset(rows[name].dropna()) for name in columns},
        interval=PredictionInterval.of_residuals(_distances(kind, rows), kind.target_range),
        origin=str(loaded.recipe.origin),
    )


def _distances(kind: ModelKind, rows: pd.DataFrame) -> FloatArray:
    """Return how far each rating lies from the mean of the others of its group.

    One that is alone in its group is held to the mean of all.
    """
    values = rows[kind.target].to_numpy(np.float64)
    means = _means(kind, rows, rows)
    # The group of a row is known by its mean here: enough to say how many share it.
    count = pd.Series(means).groupby(means).transform("size").to_numpy(np.float64)
    alone = np.abs(values - values.mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        others = np.abs(values - means) * count / (count - 1)
    distances: FloatArray = np.where(count > 1, others, alone)
    return distances


def _means(kind: ModelKind, rows: pd.DataFrame, asked: pd.DataFrame) -> FloatArray:
    frame = asked.reindex(columns=[name for name in rows.columns if name != kind.target])
    means: FloatArray = kind.baselines(rows, frame)["group_mean"]
    return means
