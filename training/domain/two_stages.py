"""Ranking by a model that is slow to ask: an estimate of all rows leads to those worth asking.

The estimate is a linear fit to the model's own answers for some of the rows at hand, so it follows
whatever the model has learnt. How far it errs is seen on every row that was asked; asked about are
all rows that could be among the best if it errs no further elsewhere. Where it cannot follow a
model at all, a row of the best may be passed over.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import logit

FloatArray = npt.NDArray[np.float64]

PROBED: Final = 1_024  # rows, evenly spread, that the estimate is fitted to
FIRST_ASKED: Final = 1_024  # of the best by the estimate
RIDGE: Final = 1e-3
SLACK: Final = 1e-3  # of rounding, in log odds
EDGE: Final = 1e-9  # a score of 0 or 1 has no log odds


def best_of(
    values: npt.NDArray[Any], score: Callable[[npt.NDArray[Any]], FloatArray], count: int
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the places of the rows that score best: `count` of them and whoever is as good as the
    last; and how many rows were asked about.

    Parameters
    ----------
    values : float (n, n_inputs), NaN where missing.
    score : from rows of values to their scores in [0, 1], float64 (n,).
    count : at least 1, less than n.
    """
    n = len(values)
    scores = np.full(n, np.nan)

    def ask(places: npt.NDArray[np.int64]) -> None:
        new = places[np.isnan(scores[places])]
        if len(new):
            scores[new] = score(values[new])

    probes = np.unique(np.linspace(0, n - 1, min(PROBED, n)).astype(np.int64))
    ask(probes)
    design = _design(values)
    estimate = design @ _fit(design[probes], _log_odds(scores[probes]))
    ask(np.argpartition(estimate, -min(max(FIRST_ASKED, count), n))[-max(FIRST_ASKED, count) :])
    while True:
        asked = np.flatnonzero(~np.isnan(scores))
        told = _log_odds(scores[asked])
        last = np.partition(told, -count)[-count]
        error = max(0.0, float((told - estimate[asked]).max()))
        worth = np.flatnonzero((estimate + error + SLACK >= last) & np.isnan(scores))
        if not len(worth):
            break
        ask(worth)
    best: npt.NDArray[np.int64] = np.flatnonzero(
        np.nan_to_num(scores, nan=-1.0) >= np.partition(scores[asked], -count)[-count]
    )
    return best, len(asked)


def _design(values: npt.NDArray[Any]) -> FloatArray:
    """Inputs, their squares, and which are missing; with a constant."""
    given = np.asarray(values, np.float32)
    missing = np.isnan(given)
    filled = np.where(missing, np.float32(0.5), given)
    one = np.ones((len(given), 1), np.float32)
    return np.hstack([one, filled, filled**2, missing.astype(np.float32)])


def _fit(design: FloatArray, target: FloatArray) -> FloatArray:
    square = design.T.astype(np.float64) @ design
    square[np.diag_indices_from(square)] += RIDGE * len(design) * (np.arange(len(square)) > 0)
    return np.asarray(np.linalg.solve(square, design.T @ target), np.float64)


def _log_odds(scores: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(scores, EDGE, 1 - EDGE)), np.float64)
