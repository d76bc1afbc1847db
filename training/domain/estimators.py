"""Choosing, fitting and calibrating the estimators of every model kind."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from training.domain.categories import MAXIMUM_CATEGORIES
from training.domain.evaluation import INTERVAL_LEVEL

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Rows used to choose between algorithms. At 50,000 rows the paired standard error of the log loss
# is below 0.001, and three folds of both algorithms cost about a second.
CHOICE_ROWS = 50_000
# A linear model of some 25 coefficients has nothing left to learn beyond this: its excess log loss
# is about 25 / (2 n).
LINEAR_ROWS = 200_000
# Over 12 simulated populations with 800 training rows, 0.1 gave the lowest log loss of 0.003 to 1; at
# 10,000 rows and more the penalty no longer matters.
LOGISTIC_C = 0.1
MANY_ROWS = 20_000  # from here on three folds serve as well as five
# Boosting: early stopping on a tenth of the rows where a tenth is enough to stop by.
EARLY_STOPPING_ROWS = 10_000
# Below this many rows a second thread saves a boosting fit a third of its time on an idle machine, and
# costs it several times that on a busy one; a logistic fit it only slows down.
PARALLEL_ROWS = 100_000
BOOSTING_SMALL: dict[str, Any] = {
    "learning_rate": 0.08,
    "max_iter": 60,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "early_stopping": False,
}
BOOSTING_LARGE: dict[str, Any] = {
    "learning_rate": 0.15,
    "max_iter": 100,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 50,
    "l2_regularization": 1.0,
    "early_stopping": True,
    "validation_fraction": 0.1,
    "n_iter_no_change": 8,
    "tol": 1e-5,
}
SIGMOID_ROWS = 100  # fewer out-of-fold scores fix no slope
ISOTONIC_ROWS = (
    5_000  # isotonic regression overfits below a few thousand (scikit-learn user guide 1.16)
)
SCORE_FLOOR = 1e-6
MISSING_CATEGORY = "(missing)"
SEED_LIMIT = 2**32  # scikit-learn takes seeds of 32 bits


class FitError(ValueError):
    """These rows cannot be fitted; the message says why and what to change."""


@dataclass(frozen=True)
class FittedModel:
    """A fitted estimator and how it was chosen.

    Attributes
    ----------
    estimator : has predict_proba (classification) or predict and predict_interval (regression) on
        a DataFrame with the training columns; joblib can dump it.
    algorithm : name of the chosen algorithm.
    parameters : its parameters.
    calibration : none, sigmoid or isotonic; for regression the half width of the intervals.
    cross_validation : one row for each algorithm: mean loss, its paired difference from the
        simplest one with standard error, and whether it was chosen.
    rows, rows_chosen_on, rows_fitted : training rows, those used to choose, those of the last fit.
    """

    estimator: Any
    algorithm: str
    parameters: dict[str, Any]
    calibration: dict[str, Any]
    cross_validation: tuple[dict[str, Any], ...]
    rows: int
    rows_chosen_on: int
    rows_fitted: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "calibration": self.calibration,
            "cross_validation": list(self.cross_validation),
            "rows": self.rows,
            "rows_chosen_on": self.rows_chosen_on,
            "rows_fitted": self.rows_fitted,
        }


class KnownColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Silences columns that training never saw a value of.

    Gradient boosting finds no thresholds in a column of nothing but NaN and fails. Such a column
    (a group's features among pairs) becomes 0 in training and ever after.
    """

    def fit(self, frame: Any, target: Any = None) -> Self:
        values = np.asarray(frame, dtype=np.float64)
        self.unknown_ = np.isnan(values).all(axis=0)
        self.n_features_in_ = values.shape[1]
        return self

    def transform(self, frame: Any) -> FloatArray:
        values = np.array(frame, dtype=np.float64, order="C")
        values[:, self.unknown_] = 0.0
        return values


class SigmoidMap:
    """Platt's map of a score: sigmoid(slope * logit(score) + intercept)."""

    def __init__(self, slope: float = 1.0, intercept: float = 0.0) -> None:
        self.slope = slope
        self.intercept = intercept

    def fit(self, score: FloatArray, label: FloatArray) -> Self:
        line = LogisticRegression(C=1e6).fit(_logit(score)[:, None], label)
        self.slope, self.intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
        return self

    def predict(self, score: FloatArray) -> FloatArray:
        return np.asarray(expit(self.slope * _logit(score) + self.intercept), dtype=np.float64)


class CalibratedClassifier:
    """A classifier whose scores pass through a monotone map fitted on out-of-fold scores."""

    def __init__(self, estimator: Any, calibrator: Any) -> None:
        self.estimator = estimator
        self.calibrator = calibrator
        self.classes_ = estimator.classes_

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        score = self.calibrator.predict(self.estimator.predict_proba(frame)[:, 1])
        score = np.clip(score, SCORE_FLOOR, 1 - SCORE_FLOOR)
        return np.column_stack([1 - score, score])


class IntervalRegressor:
    """A regressor over numeric and categorical columns, with conformal prediction intervals."""

    def __init__(
        self,
        pipeline: Any,
        numeric: Sequence[str],
        categorical: Sequence[str],
        target_range: tuple[float, float] | None,
        half_width: float = float("nan"),
    ) -> None:
        self.pipeline = pipeline
        self.numeric = list(numeric)
        self.categorical = list(categorical)
        self.target_range = target_range
        self.half_width = half_width

    def fit(self, frame: pd.DataFrame, target: FloatArray) -> Self:
        self.pipeline.fit(self._prepared(frame), target)
        return self

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Predictions of shape (n_rows,), inside the range of the target."""
        return self._clipped(
            np.asarray(self.pipeline.predict(self._prepared(frame)), dtype=np.float64)
        )

    def predict_interval(self, frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Bounds of shape (n_rows,) that hold about INTERVAL_LEVEL of new targets."""
        prediction = self.predict(frame)
        return (
            self._clipped(prediction - self.half_width),
            self._clipped(prediction + self.half_width),
        )

    def _prepared(self, frame: pd.DataFrame) -> pd.DataFrame:
        columns: dict[str, Any] = {
            name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in self.numeric
        }
        for name in self.categorical:
            values = frame[name].astype(object)
            columns[name] = values.where(values.notna(), MISSING_CATEGORY).astype(str)
        return pd.DataFrame(columns, index=frame.index)

    def _clipped(self, values: FloatArray) -> FloatArray:
        return values if self.target_range is None else np.clip(values, *self.target_range)


def fit_classifier(
    frame: pd.DataFrame,
    label: npt.ArrayLike,
    *,
    seed: int,
    monotone: Sequence[str] = (),
    groups: npt.ArrayLike | None = None,
) -> FittedModel:
    """Choose between logistic regression and gradient boosting, calibrate, and fit.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_features), float32 or float64, NaN where missing
        Training rows only; nothing else is ever looked at.
    label : array of shape (n_rows,), 0 or 1.
    seed : of folds, subsample and boosting.
    monotone : columns in which boosting may only increase.
    groups : array of shape (n_rows,), optional; rows of one group share a fold.

    Returns
    -------
    FittedModel
        Boosting is taken when its cross-validated log loss, on at most CHOICE_ROWS rows, is lower
        than that of logistic regression by more than one standard error of the paired difference
        (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3: the simplest
        within one standard error). A calibration map is kept when, cross-fitted, it lowers the
        out-of-fold log loss by more than one standard error. Boosting is then fitted on all rows,
        logistic regression on at most LINEAR_ROWS.

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
    chosen_on = _subsample(len(y), CHOICE_ROWS, rng)
    small_x, small_y = frame.iloc[chosen_on], y[chosen_on]
    fold = _folds(small_y, None if groups is None else np.asarray(groups)[chosen_on], rng, True)
    makers: dict[str, Callable[[int], Any]] = {
        "logistic_regression": lambda rows: _logistic(),
        "gradient_boosting": lambda rows: _boosting_classifier(rows, monotone, frame, seed),
    }
    scores = {
        name: _out_of_fold(
            make, small_x, small_y, fold, lambda model, part: model.predict_proba(part)[:, 1]
        )
        for name, make in makers.items()
    }
    losses = {name: _log_loss(small_y, score) for name, score in scores.items()}
    algorithm, table = _choose(losses)
    name, calibrator = _calibrator(scores[algorithm], small_y, fold)

    fitted_on = (
        _subsample(len(y), LINEAR_ROWS, rng)
        if algorithm == "logistic_regression"
        else np.arange(len(y))
    )
    estimator = makers[algorithm](len(fitted_on))
    whole = len(fitted_on) == len(y)
    with _threads(len(fitted_on)):
        estimator.fit(frame if whole else frame.iloc[fitted_on], y if whole else y[fitted_on])
    return FittedModel(
        estimator=estimator if calibrator is None else CalibratedClassifier(estimator, calibrator),
        algorithm=algorithm,
        parameters=_parameters(estimator),
        calibration={"method": name, "rows": len(chosen_on)},
        cross_validation=table,
        rows=len(y),
        rows_chosen_on=len(chosen_on),
        rows_fitted=len(fitted_on),
    )


def fit_regressor(
    frame: pd.DataFrame,
    target: npt.ArrayLike,
    *,
    seed: int,
    categorical: Sequence[str] = (),
    target_range: tuple[float, float] | None = None,
    groups: npt.ArrayLike | None = None,
) -> FittedModel:
    """Choose between ridge regression and gradient boosting, and fit with prediction intervals.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_features); training rows only
        Numeric columns may hold NaN; categorical ones anything that prints. Categories that were
        not seen in training are treated like a missing one by boosting and like none by ridge.
    target : array of shape (n_rows,), finite.
    seed : of folds, subsample and boosting.
    categorical : names of the categorical columns.
    target_range : predictions and intervals are clipped to it.
    groups : array of shape (n_rows,), optional; rows of one group share a fold, so that the
        choice and the intervals are those of new groups.

    Returns
    -------
    FittedModel
        Chosen as in `fit_classifier`, by squared error. Half the width of the intervals is the
        quantile of the absolute out-of-fold residuals at INTERVAL_LEVEL with the finite-sample
        correction (Vovk, Cross-conformal predictors, Ann. Math. Artif. Intell. 74 (2015) 9-28).

    Raises
    ------
    FitError
        With fewer than 10 rows.
    """
    y = np.asarray(target, dtype=np.float64)
    if len(y) < 10:
        raise FitError(f"Expected at least 10 rows to train on, got {len(y)}: collect more.")
    rng = np.random.default_rng(seed)
    numeric = [name for name in frame.columns if name not in set(categorical)]
    chosen_on = _subsample(len(y), CHOICE_ROWS, rng)
    small_x, small_y = frame.iloc[chosen_on], y[chosen_on]
    fold = _folds(small_y, None if groups is None else np.asarray(groups)[chosen_on], rng, False)

    def interval_regressor(pipeline: Any) -> IntervalRegressor:
        return IntervalRegressor(pipeline, numeric, categorical, target_range)

    makers: dict[str, Callable[[int], Any]] = {
        "ridge": lambda rows: interval_regressor(_ridge(numeric, categorical)),
        "gradient_boosting": lambda rows: interval_regressor(
            _boosting_regressor(rows, numeric, categorical, seed)
        ),
    }
    predictions = {
        name: _out_of_fold(make, small_x, small_y, fold, lambda model, part: model.predict(part))
        for name, make in makers.items()
    }
    residuals = {name: np.abs(small_y - found) for name, found in predictions.items()}
    algorithm, table = _choose({name: residual**2 for name, residual in residuals.items()})
    with _threads(len(y)):
        estimator = makers[algorithm](len(y)).fit(frame, y)
    estimator.half_width = _conformal_quantile(residuals[algorithm])
    return FittedModel(
        estimator=estimator,
        algorithm=algorithm,
        parameters=_parameters(estimator.pipeline),
        calibration={"interval_level": INTERVAL_LEVEL, "half_width": estimator.half_width},
        cross_validation=table,
        rows=len(y),
        rows_chosen_on=len(chosen_on),
        rows_fitted=len(y),
    )


def _logit(score: FloatArray) -> FloatArray:
    clipped = np.clip(np.asarray(score, dtype=np.float64), SCORE_FLOOR, 1 - SCORE_FLOOR)
    return np.asarray(logit(clipped), dtype=np.float64)


def _log_loss(label: IntArray, score: FloatArray) -> FloatArray:
    clipped = np.clip(score, SCORE_FLOOR, 1 - SCORE_FLOOR)
    return -np.where(label == 1, np.log(clipped), np.log1p(-clipped))


def _subsample(n_rows: int, limit: int, rng: np.random.Generator) -> IntArray:
    if n_rows <= limit:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, size=limit, replace=False))


def _threads(rows: int) -> AbstractContextManager[Any]:
    """One thread for a small fit: its parallel parts are shorter than the wait for a busy core."""
    return threadpool_limits(1) if rows < PARALLEL_ROWS else nullcontext()


def _seed_of(rng: np.random.Generator) -> int:
    return int(rng.integers(SEED_LIMIT))


def _folds(
    target: npt.NDArray[Any],
    groups: npt.NDArray[Any] | None,
    rng: np.random.Generator,
    is_label: bool,
) -> IntArray:
    """Fold of each row: by group where groups are given and enough, else stratified by label."""
    wanted = 3 if len(target) >= MANY_ROWS else 5
    fold = np.zeros(len(target), dtype=np.int64)
    placeholder = np.zeros(len(target))
    seed = _seed_of(rng)
    if groups is not None:
        codes, uniques = pd.factorize(groups)
        if len(uniques) >= wanted:
            splitter = GroupKFold(wanted, shuffle=True, random_state=seed)
            for number, (_, inside) in enumerate(splitter.split(placeholder, groups=codes)):
                fold[inside] = number
            if not is_label or _each_fold_has_both(fold, target):
                return fold
    if is_label:
        wanted = min(wanted, int(np.bincount(target).min()))
        parts = StratifiedKFold(wanted, shuffle=True, random_state=seed).split(placeholder, target)
    else:
        parts = KFold(wanted, shuffle=True, random_state=seed).split(placeholder)
    for number, (_, inside) in enumerate(parts):
        fold[inside] = number
    return fold


def _each_fold_has_both(fold: IntArray, label: IntArray) -> bool:
    return all(len(np.unique(label[fold != number])) == 2 for number in np.unique(fold))


def _out_of_fold(
    make: Callable[[int], Any],
    frame: pd.DataFrame,
    target: npt.NDArray[Any],
    fold: IntArray,
    predict: Callable[[Any, pd.DataFrame], FloatArray],
) -> FloatArray:
    found = np.empty(len(target))
    for number in np.unique(fold):
        inside = fold == number
        rows = int((~inside).sum())
        with _threads(rows):
            model = make(rows).fit(frame[~inside], target[~inside])
        found[inside] = predict(model, frame[inside])
    return found


def _choose(losses: dict[str, FloatArray]) -> tuple[str, tuple[dict[str, Any], ...]]:
    """The first (simplest) algorithm, unless a later one is better by over one standard error."""
    simplest = next(iter(losses))
    chosen = simplest
    table: list[dict[str, Any]] = []
    for name, loss in losses.items():
        gap = loss - losses[simplest]
        error = float(gap.std() / np.sqrt(len(gap)))
        if float((loss - losses[chosen]).mean()) < 0 and float(gap.mean()) < -error:
            chosen = name
        table.append(
            {
                "algorithm": name,
                "loss": float(loss.mean()),
                "difference": float(gap.mean()),
                "standard_error": error,
            }
        )
    return chosen, tuple({**row, "chosen": row["algorithm"] == chosen} for row in table)


def _calibrator(score: FloatArray, label: IntArray, fold: IntArray) -> tuple[str, Any]:
    """The map that lowers the out-of-fold log loss beyond one standard error, or none."""
    makers: dict[str, Callable[[], Any]] = {}
    if len(label) >= SIGMOID_ROWS:
        makers["sigmoid"] = SigmoidMap
    if len(label) >= ISOTONIC_ROWS:
        makers["isotonic"] = lambda: IsotonicRegression(
            y_min=SCORE_FLOOR, y_max=1 - SCORE_FLOOR, out_of_bounds="clip"
        )
    losses = {"none": _log_loss(label, score)}
    for name, make in makers.items():
        mapped = np.empty_like(score)
        for number in np.unique(fold):
            inside = fold == number
            mapped[inside] = make().fit(score[~inside], label[~inside]).predict(score[inside])
        losses[name] = _log_loss(label, mapped)
    chosen, _ = _choose(losses)
    return chosen, None if chosen == "none" else makers[chosen]().fit(score, label)


def _conformal_quantile(residual: FloatArray) -> float:
    """The ceil((n + 1) level)-th smallest residual; the largest where that exceeds n."""
    rank = min(ceil((len(residual) + 1) * INTERVAL_LEVEL), len(residual))
    return float(np.partition(residual, rank - 1)[rank - 1])


def _logistic() -> Pipeline:
    return Pipeline(
        [
            (
                "impute",
                SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            ),
            ("scale", StandardScaler()),
            ("fit", LogisticRegression(C=LOGISTIC_C, max_iter=500)),
        ]
    )


def _boosting_parameters(rows: int) -> dict[str, Any]:
    return BOOSTING_LARGE if rows >= EARLY_STOPPING_ROWS else BOOSTING_SMALL


def _boosting_classifier(
    rows: int, monotone: Sequence[str], frame: pd.DataFrame, seed: int
) -> Pipeline:
    boosting = HistGradientBoostingClassifier(
        **_boosting_parameters(rows),
        monotonic_cst=[int(name in set(monotone)) for name in frame.columns],
        random_state=seed % SEED_LIMIT,
    )
    return Pipeline([("known", KnownColumns()), ("fit", boosting)])


def _ridge(numeric: Sequence[str], categorical: Sequence[str]) -> Pipeline:
    steps: list[tuple[str, Any, list[str]]] = []
    if numeric:
        steps.append(
            (
                "numeric",
                Pipeline(
                    [
                        (
                            "impute",
                            SimpleImputer(
                                strategy="median", add_indicator=True, keep_empty_features=True
                            ),
                        ),
                        ("scale", StandardScaler()),
                    ]
                ),
                list(numeric),
            )
        )
    if categorical:
        encoder = OneHotEncoder(
            handle_unknown="ignore", max_categories=MAXIMUM_CATEGORIES, sparse_output=False
        )
        steps.append(("categorical", encoder, list(categorical)))
    return Pipeline(
        [
            ("columns", ColumnTransformer(steps)),
            ("fit", RidgeCV(alphas=np.logspace(-2, 3, 11))),
        ]
    )


def _boosting_regressor(
    rows: int, numeric: Sequence[str], categorical: Sequence[str], seed: int
) -> Pipeline:
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        max_categories=MAXIMUM_CATEGORIES,
    )
    columns = ColumnTransformer(
        [("categorical", encoder, list(categorical)), ("numeric", KnownColumns(), list(numeric))]
    )
    boosting = HistGradientBoostingRegressor(
        **_boosting_parameters(rows),
        categorical_features=list(range(len(categorical))) or None,
        random_state=seed % SEED_LIMIT,
    )
    return Pipeline([("columns", columns), ("fit", boosting)])


def _parameters(estimator: Any) -> dict[str, Any]:
    """The scalar parameters of the last step, and what the fit found."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    found = {
        name: value
        for name, value in last.get_params().items()
        if isinstance(value, bool | int | float | str)
    }
    if hasattr(last, "n_iter_") and np.ndim(last.n_iter_) == 0:
        found["trees"] = int(last.n_iter_)
    if hasattr(last, "alpha_"):
        found["alpha"] = float(last.alpha_)
    return found
