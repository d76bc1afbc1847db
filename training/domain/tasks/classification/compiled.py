"""Models as arithmetic: what an estimator computes, without the frames and checks of a library.

A fitted pipeline answers one row in milliseconds, nearly all of which is looking after the frame. A
linear model is folded into one weight an input, boosting is walked by treelite. What was folded is
held to the estimator's own answers before it is used.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from training.domain.rule_part import CannotCompile, Compiled, FloatArray

TOLERANCE: Final = 1e-6  # between the answers of a compiled model and of its estimator
PROBES: Final = 512  # rows by lot that both have to answer alike, with values missing
MISSING_SHARE: Final = 0.2


def compile_classifier(estimator: Any, names: Sequence[str]) -> Compiled:
    """Return a function that gives the probability of label 1 as the estimator does.

    Parameters
    ----------
    estimator : fitted; a pipeline of numbers that ends in a logistic regression or in gradient
        boosting, calibrated or not.
    names : its inputs, in the order of the columns that the function takes.

    Raises
    ------
    CannotCompile
        For any other estimator, and where the answers differ by more than TOLERANCE on rows by lot.
    """
    scores, map_scores = _parts(estimator, names)

    def compiled(values: npt.NDArray[Any]) -> FloatArray:
        if not len(values):
            return np.empty(0)
        return map_scores(scores(np.asarray(values, np.float64)))

    _require_equal(compiled, estimator, names)
    return compiled


def _parts(estimator: Any, names: Sequence[str]) -> tuple[Compiled, Compiled]:
    """The log odds of an estimator, and what makes a probability of them."""
    if not isinstance(estimator, CalibratedClassifierCV):
        return _log_odds(estimator, names), expit
    if len(estimator.calibrated_classifiers_) != 1:
        raise CannotCompile("an ensemble of calibrated models")
    (calibrated,) = estimator.calibrated_classifiers_
    (calibrator,) = calibrated.calibrators

    return _log_odds(calibrated.estimator, names), _map_of(calibrator)


def _map_of(calibrator: Any) -> Compiled:
    """What a fitted calibrator makes of log odds; Platt's two numbers without the library's checks,
    which take longer than they do."""
    slope, intercept = getattr(calibrator, "a_", None), getattr(calibrator, "b_", None)
    if slope is None or intercept is None:
        return lambda log_odds: np.asarray(calibrator.predict(log_odds), np.float64)
    return lambda log_odds: np.asarray(expit(-(slope * log_odds + intercept)), np.float64)


def is_walked(estimator: Any) -> bool:
    """Whether an estimator is made of trees, which take microseconds for each row."""
    if isinstance(estimator, CalibratedClassifierCV):
        estimator = estimator.calibrated_classifiers_[0].estimator
    pipeline = _thawed(estimator)
    is_pipeline = isinstance(pipeline, Pipeline)
    return is_pipeline and isinstance(pipeline.steps[-1][1], HistGradientBoostingClassifier)


def _thawed(estimator: Any) -> Any:
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def _log_odds(estimator: Any, names: Sequence[str]) -> Compiled:
    estimator = _thawed(estimator)
    if not isinstance(estimator, Pipeline):
        raise CannotCompile(type(estimator).__name__)
    last = estimator.steps[-1][1]
    if isinstance(last, LogisticRegression):
        return _fold(estimator.decision_function, names)
    if isinstance(last, HistGradientBoostingClassifier):
        return _walk(last, _places(estimator[:-1].transform, names), len(names))
    raise CannotCompile(type(last).__name__)


def _fold(decide: Callable[[pd.DataFrame], Any], names: Sequence[str]) -> Compiled:
    """One weight an input and one where it is missing, found by asking: in front of a linear model
    stand medians, indicators and scales alone, so that each input adds what it adds by itself."""
    count = len(names)
    probes = np.zeros((2 * count + 1, count))
    probes[1 : count + 1][np.diag_indices(count)] = 1.0
    probes[count + 1 :][np.diag_indices(count)] = np.nan
    answers = np.asarray(decide(pd.DataFrame(probes, columns=list(names))), np.float64)
    base, weights, absent = (
        answers[0],
        answers[1 : count + 1] - answers[0],
        answers[count + 1 :] - answers[0],
    )

    def fold(values: npt.NDArray[Any]) -> FloatArray:
        missing = np.isnan(values)
        if not missing.any():
            return np.asarray(base + values @ weights)
        return np.asarray(base + np.where(missing, 0.0, values) @ weights + missing @ absent)

    return fold


def _places(select: Callable[[pd.DataFrame], Any], names: Sequence[str]) -> npt.NDArray[np.intp]:
    """Which inputs boosting reads, in its order."""
    told = np.asarray(select(pd.DataFrame([range(len(names))], columns=list(names), dtype=float)))
    places: npt.NDArray[np.intp] = told[0].astype(np.intp)
    if not np.array_equal(places, told[0]) or len(set(places.tolist())) != len(places):
        raise CannotCompile("boosting of inputs that are computed from others")
    return places


def _walk(
    boosting: HistGradientBoostingClassifier, places: npt.NDArray[np.intp], count: int
) -> Compiled:
    import treelite

    trees = treelite.sklearn.import_model(boosting)
    is_whole = np.array_equal(places, np.arange(count))

    def walk(values: npt.NDArray[Any]) -> FloatArray:
        read = np.ascontiguousarray(values if is_whole else values[:, places])
        margins = treelite.gtil.predict(trees, read, nthread=1, pred_margin=True)
        return np.asarray(margins, np.float64).reshape(len(values))

    return walk


def _require_equal(compiled: Compiled, estimator: Any, names: Sequence[str]) -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((PROBES, len(names)))
    rows[rng.random(rows.shape) < MISSING_SHARE] = np.nan
    rows[0] = np.nan
    told = np.asarray(estimator.predict_proba(pd.DataFrame(rows, columns=list(names)))[:, 1])
    difference = float(np.abs(compiled(rows) - told).max())
    if not difference <= TOLERANCE:
        raise CannotCompile(f"a model whose answers differ by {difference:g} when compiled")
