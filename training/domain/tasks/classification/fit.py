"""Fitting a model of a label 0 or 1, calibrated where that helps."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

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

from training.domain.fitted import Calibration, FitError, FitSettings, FittedModel
from training.domain.fitting.choice import (
    CHOICE_ROWS,
    Beside,
    FloatArray,
    IntArray,
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
from training.domain.fitting.rules_plus import RulesPlus, RulesPlusMaker

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
# Below it a model that knows no rules lost: its mean ROC-AUC over 24 draws was .026 below that of
# the rules at 60 rows and .009 at 100; at 200 the two were equal.
RULES_ONLY_ROWS = 200
# Standard errors by which a model without the rules has to be better. Of 40 draws each of 200, 400
# and 800 rows four passed one by chance, lying as far as .026 below the rules; none passed two.
LEAVING_THE_RULES = 2.0
RULES_PLUS: Final = "rules_plus_corrections"
LOGISTIC: Final = "logistic_regression"
BOOSTING: Final = "gradient_boosting"

# From scores and labels of some rows, and the scores of others, to what a map makes of the latter.
Map = Callable[[FloatArray, IntArray, FloatArray], FloatArray]


def fit_classifier(
    frame: pd.DataFrame,
    label: npt.ArrayLike,
    *,
    seed: int,
    categorical: Sequence[str] = (),
    monotone: Sequence[str] = (),
    rule_weights: Mapping[str, float] | None = None,
    groups: npt.ArrayLike | None = None,
    beside: Beside | None = None,
) -> FittedModel:
    """Choose between the candidates, calibrate, and fit.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_features); training rows only
        Numeric columns are float32 or float64, NaN where missing; categorical ones as in
        `fit_regressor`.
    label : array of shape (n_rows,), 0 or 1.
    seed : of folds, subsample and boosting.
    categorical : names of the categorical columns.
    monotone : columns in which boosting, and rules plus corrections, may only increase.
    rule_weights : input to its weight in the linear rule score, optional; see `candidates`.
    groups : array of shape (n_rows,), optional; rows of one group share a fold.
    beside : rows that every fit learns from, and by which nothing is chosen or calibrated.

    Returns
    -------
    FittedModel
        A later candidate is taken when its cross-validated log loss, on at most CHOICE_ROWS rows,
        is lower than that of the first by more than one standard error of the paired difference
        (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3: the simplest
        within one standard error); LEAVING_THE_RULES of them where the first starts from rules. A
        calibration map is kept when, cross-fitted, it lowers the
        out-of-fold log loss by more than one standard error, and never when its slope is below 0;
        rules plus corrections have none, since their likelihood is their calibration. Boosting is
        fitted on all rows, the others on at most LINEAR_ROWS.

    Raises
    ------
    FitError
        With fewer than two rows of either label.
    """
    y = np.asarray(label).astype(np.int64)
    _require_both_labels(y)
    rng = np.random.default_rng(seed)
    chosen_on = draw_rows(len(y), CHOICE_ROWS, rng)
    small_x, small_y = frame.iloc[chosen_on], y[chosen_on]
    all_groups = None if groups is None else np.asarray(groups)
    small_groups = None if all_groups is None else all_groups[chosen_on]
    fold = make_folds(small_y, small_groups, rng, is_label=True)
    settings = FitSettings(seed, tuple(categorical), tuple(monotone), None, rule_weights or {})
    makers = candidates(frame, settings)
    scores = {
        name: predict_out_of_fold(make, small_x, small_y, fold, _probability, beside)
        for name, make in makers.items()
    }
    losses = {name: log_losses(small_y, score) for name, score in scores.items()}
    algorithm, table = choose(losses, _standard_errors(makers))
    calibration = _choose_map(scores[algorithm], small_y, fold, algorithm != RULES_PLUS)
    method = calibration["method"]
    limit = len(y) if algorithm == BOOSTING else LINEAR_ROWS
    map_on: IntArray | None = None
    if method == "none" or len(y) < SPARE_ROWS:
        fitted_on = draw_rows(len(y), limit, rng)
    else:
        order = rng.permutation(len(y))
        map_on = np.sort(order[: min(CHOICE_ROWS, round(HELD_OUT_SHARE * len(y)))])
        fitted_on = np.sort(order[len(map_on) :][:limit])
    whole = len(fitted_on) == len(y)
    own_x, own_y = (frame, y) if whole else (frame.iloc[fitted_on], y[fitted_on])
    fit_x, fit_y = with_beside(own_x, own_y, beside)
    base: Any = makers[algorithm](fit_x)
    estimator: Any
    parts: RulesPlus | None = None
    with threads_for(len(fit_y)):
        if isinstance(base, RulesPlusMaker):
            parts = base.fit_parts(fit_x, fit_y)
            estimator = parts.estimator
        elif method == "none":
            estimator = base.fit(fit_x, fit_y)
        elif map_on is None:
            if len(chosen_on) < len(y):
                fold = make_folds(y, all_groups, rng, is_label=True)
            estimator = _calibrated(base, method, fit_x, fit_y, fold)
        else:
            frozen = FrozenEstimator(base.fit(fit_x, fit_y))
            estimator = CalibratedClassifierCV(frozen, method=method).fit(
                frame.iloc[map_on], y[map_on]
            )
    if method != "none":
        # The map is fitted on other scores than those that chose it, where the rows are many.
        if map_on is not None:
            label_of_map = y[map_on]
            mapped = _probability(uncalibrated_part(estimator), frame.iloc[map_on])
        elif len(chosen_on) < len(y):  # three fits more, of 50,000 to 200,000 rows
            label_of_map = y
            mapped = predict_out_of_fold(makers[algorithm], frame, y, fold, _probability, beside)
        else:
            label_of_map, mapped = y, scores[algorithm]
        # Below 0 a sigmoid turns it round, and steps, which never fall, level it.
        calibration["slope"] = float(_platt(mapped, label_of_map).coef_[0, 0])
        if calibration["slope"] <= 0:
            calibration = _uncalibrated(calibration["rows"], calibration["slope"])
            estimator = uncalibrated_part(estimator)
    plain = describe_parameters(uncalibrated_part(estimator))
    return FittedModel(
        estimator=estimator,
        algorithm=algorithm,
        parameters=plain if parts is None else parts.parameters,
        calibration=calibration,
        cross_validation=table,
        rows=len(y),
        rows_chosen_on=len(chosen_on),
        rows_fitted=len(fit_y),
        rule_part=None if parts is None else parts.rule_part,
    )


def _calibrated(
    base: Any, method: str, inputs: pd.DataFrame, label: IntArray, fold: IntArray
) -> CalibratedClassifierCV:
    """Fit with a map of the out-of-fold scores; rows behind those of `fold` train every fold."""
    if len(fold) == len(label):
        folds = PredefinedSplit(fold)
        return CalibratedClassifierCV(base, method=method, cv=folds, ensemble=False).fit(
            inputs, label
        )
    beside = np.arange(len(fold), len(label))
    splits = [
        (
            np.concatenate([np.flatnonzero(fold != number), beside]),
            # cross_val_predict asks for each row once; a weight of 0 keeps these out of the map.
            np.concatenate([np.flatnonzero(fold == number), beside[: 0 if place else None]]),
        )
        for place, number in enumerate(np.unique(fold))
    ]
    weight = (np.arange(len(label)) < len(fold)).astype(np.float64)
    with warnings.catch_warnings():
        # A pipeline takes no weights, so that they are the map's alone, as they are meant.
        warnings.filterwarnings("ignore", message=".*sample weights will only be used.*")
        return CalibratedClassifierCV(base, method=method, cv=splits, ensemble=False).fit(
            inputs, label, sample_weight=weight
        )


def fit_part(
    frame: pd.DataFrame,
    label: npt.ArrayLike,
    spare: pd.DataFrame,
    spare_label: npt.ArrayLike,
    settings: FitSettings,
) -> Any:
    """Return the candidate that `fit_classifier` would take, chosen by spare rows; uncalibrated.

    Raises
    ------
    FitError
        With fewer than two rows of either label.
    """
    y, answers = (np.asarray(one).astype(np.int64) for one in (label, spare_label))
    _require_both_labels(y)
    makers = candidates(frame, settings)
    return fit_chosen(
        makers,
        (frame, y),
        (spare, answers),
        lambda known, model, rows: log_losses(known, _probability(model, rows)),
        _standard_errors(makers),
    )


def _standard_errors(makers: Mapping[str, Make]) -> float:
    return LEAVING_THE_RULES if RULES_PLUS in makers else 1.0


def _require_both_labels(label: IntArray) -> None:
    rarest = int(np.bincount(label, minlength=2).min()) if len(label) else 0
    if rarest < 2:
        raise FitError(
            f"Expected at least 2 rows of each label to train on, got {rarest} of the rarer one: "
            "add events."
        )


def candidates(frame: pd.DataFrame, settings: FitSettings) -> dict[str, Make]:
    """Return what may be fitted on these rows, the simplest first.

    Where there is a linear rule score over these inputs, rules plus corrections come first, and
    below RULES_ONLY_ROWS rows alone: so few rows can correct the rules, and know nothing better.
    """
    named = settings.categorical
    weights = {
        name: weight
        for name, weight in settings.rule_weights.items()
        if name in frame.columns and name not in named and weight > 0
    }
    rules = RulesPlusMaker(weights, settings.monotone, named)
    learnt: dict[str, Make] = {
        LOGISTIC: lambda rows: _logistic(rows, named),
        BOOSTING: lambda rows: _boosting(rows, named, settings.monotone, settings.seed),
    }
    if not weights:
        return learnt
    return {RULES_PLUS: lambda _: rules, **(learnt if len(frame) >= RULES_ONLY_ROWS else {})}


def _probability(model: Any, rows: pd.DataFrame) -> FloatArray:
    return np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)


def _choose_map(score: FloatArray, label: IntArray, fold: IntArray, may_map: bool) -> Calibration:
    """Name the map that lowers the out-of-fold log loss beyond one standard error, or none."""
    if len(label) < SIGMOID_ROWS:
        return {"method": "none", "rows": len(label)}
    slope = float(_platt(score, label).coef_[0, 0])
    if slope < 0:
        return _uncalibrated(len(label), slope)
    if not may_map:
        return {"method": "none", "rows": len(label), "slope": slope}
    maps: dict[str, Map] = {"sigmoid": _map_by_sigmoid}
    if len(label) >= ISOTONIC_ROWS:
        maps["isotonic"] = _map_by_steps
    losses = {"none": log_losses(label, score)}
    for name, mapped_by in maps.items():
        mapped = np.empty_like(score)
        for number in np.unique(fold):
            inside = fold == number
            mapped[inside] = mapped_by(score[~inside], label[~inside], score[inside])
        losses[name] = log_losses(label, mapped)
    return {"method": choose(losses)[0], "rows": len(label), "slope": slope}


def _uncalibrated(rows: int, slope: float) -> Calibration:
    return {
        "method": "none",
        "rows": rows,
        "slope": slope,
        "note": f"Uncalibrated: a sigmoid through {rows:,} out-of-fold scores has the slope "
        f"{slope:.3f}, so that the higher score does not have the higher share of label 1; a map "
        "would turn the model round.",
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


def log_losses(label: IntArray, score: FloatArray) -> FloatArray:
    """Loss of each row: float64 (n_rows,)."""
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
