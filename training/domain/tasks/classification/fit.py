"""Fitting a model of a label 0 or 1, calibrated where that helps."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import Pipeline

from training.domain.fitted import Calibration, FitError, FittedModel
from training.domain.fitting.choice import (
    CHOICE_ROWS,
    FloatArray,
    IntArray,
    Make,
    boosting_parameters,
    choose,
    describe_parameters,
    draw_rows,
    make_folds,
    predict_out_of_fold,
    threads_for,
)
from training.domain.fitting.columns import linear_columns, tree_columns

# A linear model of some 25 coefficients has nothing left to learn beyond this: its excess log loss
# is about 25 / (2 n).
LINEAR_ROWS = 200_000
# Over 12 simulated populations with 800 training rows, 0.1 gave the lowest log loss of 0.003 to 1;
# at 10,000 rows and more the penalty no longer matters.
LOGISTIC_C = 0.1
SIGMOID_ROWS = 100  # fewer out-of-fold scores fix no slope
# Isotonic regression overfits below a few thousand (scikit-learn user guide 1.16).
ISOTONIC_ROWS = 5_000
# Below this many rows a map takes the out-of-fold scores of all of them. From here on it gets this
# share of its own, CHOICE_ROWS at most: the model can spare them, and needs no fit for each fold.
SPARE_ROWS = 200_000
HELD_OUT_SHARE = 0.1
SCORE_FLOOR = 1e-6

# From scores and labels of some rows, and the scores of others, to what a map makes of the latter.
Map = Callable[[FloatArray, IntArray, FloatArray], FloatArray]


def fit_classifier(
    frame: pd.DataFrame,
    label: npt.ArrayLike,
    *,
    seed: int,
    categorical: Sequence[str] = (),
    monotone: Sequence[str] = (),
    groups: npt.ArrayLike | None = None,
) -> FittedModel:
    """Choose between logistic regression and gradient boosting, calibrate, and fit.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_features); training rows only
        Numeric columns are float32 or float64, NaN where missing; categorical ones as in
        `fit_regressor`.
    label : array of shape (n_rows,), 0 or 1.
    seed : of folds, subsample and boosting.
    categorical : names of the categorical columns.
    monotone : columns in which boosting may only increase.
    groups : array of shape (n_rows,), optional; rows of one group share a fold.

    Returns
    -------
    FittedModel
        Boosting is taken when its cross-validated log loss, on at most CHOICE_ROWS rows, is lower
        than that of logistic regression by more than one standard error of the paired difference
        (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3: the simplest
        within one standard error). A calibration map is kept when, cross-fitted, it lowers the
        out-of-fold log loss by more than one standard error, and never when its slope is below 0.
        Boosting is fitted on all rows, logistic regression on at most LINEAR_ROWS.

    Raises
    ------
    FitError
        With fewer than two rows of either label.
    """
    y = np.asarray(label).astype(np.int64)
    rarest = int(np.bincount(y, minlength=2).min()) if len(y) else 0
    if rarest < 2:
        raise FitError(
            f"Expected at least 2 rows of each label to train on, got {rarest} of the rarer one: "
            "add events."
        )
    rng = np.random.default_rng(seed)
    chosen_on = draw_rows(len(y), CHOICE_ROWS, rng)
    small_x, small_y = frame.iloc[chosen_on], y[chosen_on]
    all_groups = None if groups is None else np.asarray(groups)
    small_groups = None if all_groups is None else all_groups[chosen_on]
    fold = make_folds(small_y, small_groups, rng, is_label=True)
    makers: dict[str, Make] = {
        "logistic_regression": lambda rows: _logistic(rows, categorical),
        "gradient_boosting": lambda rows: _boosting(rows, categorical, monotone, seed),
    }
    scores = {
        name: predict_out_of_fold(
            make, small_x, small_y, fold, lambda model, part: model.predict_proba(part)[:, 1]
        )
        for name, make in makers.items()
    }
    algorithm, table = choose({name: _log_loss(small_y, score) for name, score in scores.items()})
    calibration = _choose_map(scores[algorithm], small_y, fold)
    method = calibration["method"]
    limit = LINEAR_ROWS if algorithm == "logistic_regression" else len(y)
    map_on: IntArray | None = None
    if method == "none" or len(y) < SPARE_ROWS:
        fitted_on = draw_rows(len(y), limit, rng)
    else:
        order = rng.permutation(len(y))
        map_on = np.sort(order[: min(CHOICE_ROWS, round(HELD_OUT_SHARE * len(y)))])
        fitted_on = np.sort(order[len(map_on) :][:limit])
    whole = len(fitted_on) == len(y)
    fit_x, fit_y = (frame, y) if whole else (frame.iloc[fitted_on], y[fitted_on])
    base: Any = makers[algorithm](fit_x)
    estimator: Any
    with threads_for(len(fit_y)):
        if method == "none":
            estimator = base.fit(fit_x, fit_y)
        elif map_on is None:
            if len(chosen_on) < len(y):
                fold = make_folds(y, all_groups, rng, is_label=True)
            estimator = CalibratedClassifierCV(
                base, method=method, cv=PredefinedSplit(fold), ensemble=False
            ).fit(fit_x, fit_y)
        else:
            frozen = FrozenEstimator(base.fit(fit_x, fit_y))
            estimator = CalibratedClassifierCV(frozen, method=method).fit(
                frame.iloc[map_on], y[map_on]
            )
    if method == "sigmoid":
        calibration["slope"] = -float(estimator.calibrated_classifiers_[0].calibrators[0].a_)
        if calibration["slope"] < 0:
            calibration = _uncalibrated(calibration["rows"], calibration["slope"])
            estimator = uncalibrated_part(estimator)
    return FittedModel(
        estimator=estimator,
        algorithm=algorithm,
        parameters=describe_parameters(uncalibrated_part(estimator)),
        calibration=calibration,
        cross_validation=table,
        rows=len(y),
        rows_chosen_on=len(chosen_on),
        rows_fitted=len(fitted_on),
    )


def _choose_map(score: FloatArray, label: IntArray, fold: IntArray) -> Calibration:
    """Name the map that lowers the out-of-fold log loss beyond one standard error, or none."""
    if len(label) < SIGMOID_ROWS:
        return {"method": "none", "rows": len(label)}
    slope = float(_platt(score, label).coef_[0, 0])
    if slope < 0:
        return _uncalibrated(len(label), slope)
    maps: dict[str, Map] = {"sigmoid": _map_by_sigmoid}
    if len(label) >= ISOTONIC_ROWS:
        maps["isotonic"] = _map_by_steps
    losses = {"none": _log_loss(label, score)}
    for name, mapped_by in maps.items():
        mapped = np.empty_like(score)
        for number in np.unique(fold):
            inside = fold == number
            mapped[inside] = mapped_by(score[~inside], label[~inside], score[inside])
        losses[name] = _log_loss(label, mapped)
    return {"method": choose(losses)[0], "rows": len(label), "slope": slope}


def _uncalibrated(rows: int, slope: float) -> Calibration:
    return {
        "method": "none",
        "rows": rows,
        "slope": slope,
        "note": f"Uncalibrated: a sigmoid through {rows:,} out-of-fold scores has the slope "
        f"{slope:.3f}, so that the higher score has the lower share of label 1; a map would turn "
        "the model round.",
    }


def uncalibrated_part(estimator: Any) -> Any:
    """The model behind a calibration map; the estimator itself where it has none."""
    if not isinstance(estimator, CalibratedClassifierCV):
        return estimator
    inner = estimator.calibrated_classifiers_[0].estimator
    return inner.estimator if isinstance(inner, FrozenEstimator) else inner


def _platt(score: FloatArray, label: IntArray) -> LogisticRegression:
    return LogisticRegression(C=1e6).fit(_logit(score)[:, None], label)


def _map_by_sigmoid(score: FloatArray, label: IntArray, other: FloatArray) -> FloatArray:
    mapped = _platt(score, label).predict_proba(_logit(other)[:, None])[:, 1]
    return np.asarray(mapped, dtype=np.float64)


def _map_by_steps(score: FloatArray, label: IntArray, other: FloatArray) -> FloatArray:
    steps = IsotonicRegression(out_of_bounds="clip").fit(_logit(score), label)
    return np.asarray(steps.predict(_logit(other)), dtype=np.float64)


def _logit(score: FloatArray) -> FloatArray:
    clipped = np.clip(np.asarray(score, dtype=np.float64), SCORE_FLOOR, 1 - SCORE_FLOOR)
    return np.asarray(logit(clipped), dtype=np.float64)


def _log_loss(label: IntArray, score: FloatArray) -> FloatArray:
    clipped = np.clip(score, SCORE_FLOOR, 1 - SCORE_FLOOR)
    return -np.where(label == 1, np.log(clipped), np.log1p(-clipped))


def _logistic(frame: pd.DataFrame, categorical: Sequence[str]) -> Pipeline:
    regression = LogisticRegression(C=LOGISTIC_C, max_iter=500)
    return Pipeline([*linear_columns(frame, categorical), ("fit", regression)])


def _boosting(
    frame: pd.DataFrame, categorical: Sequence[str], monotone: Sequence[str], seed: int
) -> Pipeline:
    columns, names = tree_columns(frame, categorical)
    boosting = HistGradientBoostingClassifier(
        **boosting_parameters(len(frame), seed),
        categorical_features=list(range(len(categorical))) or None,
        monotonic_cst=[int(name in set(monotone)) for name in names],
    )
    return Pipeline([*columns, ("fit", boosting)])
