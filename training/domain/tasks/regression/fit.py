"""Fitting a model of a number, with prediction intervals."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline

from training.domain.fitted import FitError, FitSettings, FittedModel
from training.domain.fitting.choice import (
    CHOICE_ROWS,
    Beside,
    FloatArray,
    Make,
    boosting_parameters,
    choose,
    describe_parameters,
    draw_rows,
    fit_chosen,
    make_folds,
    predict_out_of_fold,
    threads_for,
    with_beside,
)
from training.domain.fitting.columns import linear_columns, tree_columns
from training.domain.prediction_interval import PredictionInterval

MINIMUM_ROWS = 10


def fit_regressor(
    frame: pd.DataFrame,
    target: npt.ArrayLike,
    *,
    seed: int,
    categorical: Sequence[str] = (),
    target_range: tuple[float, float] | None = None,
    groups: npt.ArrayLike | None = None,
    beside: Beside | None = None,
) -> FittedModel:
    """Choose between ridge regression and gradient boosting, and fit with prediction intervals.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_features); training rows only
        Numeric columns may hold NaN; categorical ones hold text, None or NaN where missing.
        Categories that were not seen in training are treated like a missing value by boosting and
        like none by ridge.
    target : array of shape (n_rows,), finite.
    seed : of folds, subsample and boosting.
    categorical : names of the categorical columns.
    target_range : predictions and intervals are clipped to it.
    groups : array of shape (n_rows,), optional; rows of one group share a fold, so that the
        choice and the intervals are those of new groups.
    beside : rows that every fit learns from, and by which nothing is chosen or measured.

    Returns
    -------
    FittedModel
        Chosen as in `fit_classifier`, by squared error, with the interval of
        `PredictionInterval.of_residuals`.

    Raises
    ------
    FitError
        With fewer than MINIMUM_ROWS rows.
    """
    y = np.asarray(target, dtype=np.float64)
    _require_rows(y)
    rng = np.random.default_rng(seed)
    chosen_on = draw_rows(len(y), CHOICE_ROWS, rng)
    small_x, small_y = frame.iloc[chosen_on], y[chosen_on]
    fold = make_folds(
        small_y, None if groups is None else np.asarray(groups)[chosen_on], rng, is_label=False
    )
    settings = FitSettings(seed, tuple(categorical), (), target_range)
    makers = candidates(settings)
    residuals = {
        name: np.abs(
            small_y
            - predict_out_of_fold(
                make, small_x, small_y, fold, lambda model, part: model.predict(part), beside
            )
        )
        for name, make in makers.items()
    }
    algorithm, table = choose({name: residual**2 for name, residual in residuals.items()})
    fit_x, fit_y = with_beside(frame, y, beside)
    with threads_for(len(fit_y)):
        estimator = makers[algorithm](fit_x).fit(fit_x, fit_y)
    interval = PredictionInterval.of_residuals(residuals[algorithm], target_range)
    return FittedModel(
        estimator=estimator,
        algorithm=algorithm,
        parameters=describe_parameters(estimator if target_range is None else estimator.regressor_),
        calibration={"interval_level": interval.level, "half_width": interval.half_width},
        interval=interval,
        cross_validation=table,
        rows=len(y),
        rows_chosen_on=len(chosen_on),
        rows_fitted=len(fit_y),
    )


def fit_part(
    frame: pd.DataFrame,
    target: npt.ArrayLike,
    spare: pd.DataFrame,
    spare_target: npt.ArrayLike,
    settings: FitSettings,
) -> Any:
    """Return the candidate that `fit_regressor` would take, chosen by spare rows.

    Raises
    ------
    FitError
        With fewer than MINIMUM_ROWS rows.
    """
    y, answers = (np.asarray(one, dtype=np.float64) for one in (target, spare_target))
    _require_rows(y)
    return fit_chosen(
        candidates(settings),
        (frame, y),
        (spare, answers),
        lambda known, model, rows: (known - model.predict(rows)) ** 2,
    )


def _require_rows(target: FloatArray) -> None:
    if len(target) < MINIMUM_ROWS:
        raise FitError(
            f"Expected at least {MINIMUM_ROWS} rows to train on, got {len(target)}: collect more."
        )


def candidates(settings: FitSettings) -> dict[str, Make]:
    """Return what may be fitted, the simplest first."""
    named, within = settings.categorical, settings.target_range
    return {
        "ridge": lambda rows: _within(within, _ridge(rows, named)),
        "gradient_boosting": lambda rows: _within(within, _boosting(rows, named, settings.seed)),
    }


def _ridge(frame: pd.DataFrame, categorical: Sequence[str]) -> Pipeline:
    ridge = RidgeCV(alphas=np.logspace(-2, 3, 11))
    return Pipeline([*linear_columns(frame, categorical), ("fit", ridge)])


def _boosting(frame: pd.DataFrame, categorical: Sequence[str], seed: int) -> Pipeline:
    columns, _ = tree_columns(frame, categorical)
    boosting = HistGradientBoostingRegressor(
        **boosting_parameters(len(frame), seed),
        categorical_features=list(range(len(categorical))) or None,
    )
    return Pipeline([*columns, ("fit", boosting)])


def _within(
    target_range: tuple[float, float] | None, pipeline: Pipeline
) -> Pipeline | TransformedTargetRegressor:
    """Clip the predictions of a pipeline to the range of the target."""
    if target_range is None:
        return pipeline
    low, high = target_range
    return TransformedTargetRegressor(
        pipeline,
        func=np.positive,  # the identity
        inverse_func=partial(np.clip, a_min=low, a_max=high),
        check_inverse=False,
    )
