"""Rules plus corrections: a kind's linear rule score, and what the rows add to it, as one map.

With r the standardised rule score and z the standardised inputs (their medians where missing),

    log odds = b + a r + sum of w_k z_k,   a >= 0, and w_k >= 0 where the score may only rise,

fitted by maximum likelihood with the penalties A_PENALTY / 2 a^2 and lambda / 2 sum of w_k^2. Which
lambda is right is not chosen but averaged over, by the evidence of each; the infinite one leaves
the rules alone. The likelihood calibrates it, so that it needs no map and no cross-validation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from training.domain.rule_part import RulePart

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Constants by simulation: 60 draws of 60 to 800 rows, confirmed on 30 fresh draws of another batch.
A_PENALTY = 0.3  # on the slope of the rules: weak, so that 60 separable rows do not send it off
PENALTIES = (10.0, 30.0, 60.0, 100.0, 300.0, 1_000.0, np.inf)  # on the corrections
FEW_ROWS = 300  # below it the evidence of a weak penalty is too kind to it
PENALTY_OF_FEW_ROWS = 30.0
SMALLEST_SHARE = 1e-3  # of the evidence; a penalty with less would not be seen in the average
SMALLEST_SPREAD = 1e-9  # of a rule score that says anything
NEWTON_STEPS = 100
GRADIENT_TOLERANCE = 1e-8  # for each row
ARMIJO = 1e-4  # share of the promised descent that a step has to keep (Nocedal and Wright, 3.4)


@dataclass(frozen=True)
class Mode:
    """Where a penalised likelihood is highest.

    Attributes
    ----------
    coefficients : float64 array of shape (n_columns,).
    objective : negative log likelihood plus penalty there.
    hessian : float64 array of shape (n_columns, n_columns), of the objective there.
    """

    coefficients: FloatArray
    objective: float
    hessian: FloatArray


@dataclass(frozen=True)
class RulesPlus:
    """A fitted map.

    Attributes
    ----------
    estimator : pipeline of scikit-learn's classes alone.
    rule_part : what the rules alone, fitted to the same rows, say.
    parameters : slope of the rules (on their standardised score), the correction of each input that
        has one (on its standardised value), and the share of each penalty in the average.
    """

    estimator: Pipeline
    rule_part: RulePart
    parameters: dict[str, Any]


@dataclass(frozen=True)
class RulesPlusMaker:
    """Fits rules plus corrections as cross-validation asks for it; no estimator itself."""

    weights: Mapping[str, float]
    monotone: Sequence[str]
    categorical: Sequence[str]

    def fit(self, frame: pd.DataFrame, label: npt.NDArray[Any]) -> Pipeline:
        """Return the fitted pipeline."""
        return self.fit_parts(frame, label).estimator

    def fit_parts(self, frame: pd.DataFrame, label: npt.NDArray[Any]) -> RulesPlus:
        """Return the fitted pipeline with what it is made of."""
        return fit_rules_plus(
            frame, label, self.weights, monotone=self.monotone, categorical=self.categorical
        )


def fit_rules_plus(
    frame: pd.DataFrame,
    label: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    monotone: Sequence[str],
    categorical: Sequence[str] = (),
) -> RulesPlus:
    """Fit rules plus corrections.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_features); training rows only, NaN where missing.
    label : array of shape (n_rows,), 0 or 1, both of them there.
    weights : input to its weight in the linear rule score, > 0; their scale does not matter.
    monotone : inputs in which the score may only rise: their corrections are never negative.
    categorical : columns that are no numbers; they are left out of this map.

    Returns
    -------
    RulesPlus
        Its estimator is a SimpleImputer, a StandardScaler and a LogisticRegression whose
        coefficients are those found here. A clone that is fitted anew is a plain regression.

    Notes
    -----
    The evidence of a penalty is Laplace's (MacKay, Information Theory, Inference and Learning
    Algorithms, 2003, chapter 27) at the mode without bounds: a bound that holds would make it
    neither simpler nor truer. Rules whose own slope is not above 0 are left out: they point the
    wrong way here, and to follow them would turn the model round.
    """
    y = np.asarray(label, dtype=np.float64)
    names = [name for name in frame.columns if name not in set(categorical)]
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    by_name = ColumnTransformer([("numeric", impute, names)]) if categorical else impute
    columns = Pipeline([("impute", by_name), ("scale", StandardScaler())])
    z = np.asarray(columns.fit_transform(frame[names].astype(np.float64)), dtype=np.float64)
    scaler = columns.named_steps["scale"]
    pull = np.array([weights.get(name, 0.0) for name in names]) * scaler.scale_
    spread = float((z @ pull).std())
    rule = pull / spread if spread > SMALLEST_SPREAD else np.zeros_like(pull)
    only_rises = np.isin(names, list(monotone))
    alone = _rules_alone(z @ rule, y)
    follows = alone.coefficients[1] > 0
    found, shares = _average(z, y, rule if follows else None, only_rises)
    intercept, slope, corrections = found[0], found[1], found[2:]
    regression = LogisticRegression()
    regression.classes_ = np.array([0, 1])
    regression.coef_ = (slope * rule + corrections)[None, :]
    regression.intercept_ = np.array([intercept])
    regression.n_features_in_ = len(names)
    base, strength = alone.coefficients if follows else (_log_odds(y), 0.0)
    per_unit = strength * rule / scaler.scale_
    medians = (impute if not categorical else by_name.named_transformers_["numeric"]).statistics_
    return RulesPlus(
        estimator=Pipeline([*columns.steps, ("fit", regression)]),
        rule_part={
            "intercept": float(base - per_unit @ scaler.mean_),
            "coefficients": {
                name: float(value) for name, value in zip(names, per_unit, strict=True) if value
            },
            "medians": {
                name: float(median)
                for name, median, value in zip(names, medians, per_unit, strict=True)
                if value
            },
        },
        parameters={
            "rule_slope": float(slope),
            "corrections": {
                name: float(value) for name, value in zip(names, corrections, strict=True) if value
            },
            "penalties": shares,
        },
    )


def _log_odds(label: FloatArray) -> float:
    share = float(label.mean())
    return float(np.log(share / (1 - share)))


def _rules_alone(rule_score: FloatArray, label: FloatArray) -> Mode:
    design = np.column_stack([np.ones_like(label), rule_score])
    return find_mode(design, label, np.array([0.0, A_PENALTY]))


def _average(
    z: FloatArray, label: FloatArray, rule: FloatArray | None, only_rises: BoolArray
) -> tuple[FloatArray, dict[str, float]]:
    """Intercept, slope of the rules and corrections over all penalties, and the share of each."""
    rows, inputs = z.shape
    score = np.zeros(rows) if rule is None else z @ rule
    head = np.column_stack([np.ones(rows), score])
    # Without the rules their column stays, of zeros: its slope is 0, and its part of the evidence
    # the same for every penalty.
    evidence, modes = [], []
    few = rows < FEW_ROWS
    penalties = [one for one in PENALTIES if not few or one >= PENALTY_OF_FEW_ROWS]
    for penalty in penalties:
        is_whole = np.isfinite(penalty)
        design = np.column_stack([head, z]) if is_whole else head
        weights = np.r_[0.0, A_PENALTY, np.full(inputs if is_whole else 0, penalty)]
        mode = find_mode(design, label, weights)
        evidence.append(log_evidence(mode, weights))
        modes.append((design, weights, mode))
    share = np.exp(np.array(evidence) - max(evidence))
    share /= share.sum()
    total, found = 0.0, np.zeros(2 + inputs)
    for part, (design, weights, mode) in zip(share, modes, strict=True):
        if part < SMALLEST_SHARE:
            continue
        bounded = np.r_[False, True, only_rises][: design.shape[1]]
        inside = find_mode(design, label, weights, bounded=bounded, start=mode.coefficients)
        found[: design.shape[1]] += part * inside.coefficients
        total += part
    shares = {f"{one:g}": float(part) for one, part in zip(penalties, share, strict=True)}
    return found / total, shares


def log_evidence(mode: Mode, penalty: FloatArray) -> float:
    """Log of the integral of likelihood times prior, by Laplace's approximation.

    Parameters
    ----------
    mode : of the objective, without bounds.
    penalty : array of shape (n_columns,), precision of each coefficient's normal prior; 0 is flat.

    Returns
    -------
    float
        Up to a constant: a flat prior integrates to nothing known, so only the evidence of models
        with the same flat columns is compared.
    """
    known = penalty[penalty > 0]
    _, log_determinant = np.linalg.slogdet(mode.hessian)
    flat = len(penalty) - len(known)
    return float(
        -mode.objective
        + 0.5 * np.log(known).sum()
        - 0.5 * log_determinant
        + 0.5 * flat * np.log(2 * np.pi)
    )


def find_mode(
    design: FloatArray,
    label: FloatArray,
    penalty: FloatArray,
    *,
    bounded: BoolArray | None = None,
    start: FloatArray | None = None,
) -> Mode:
    """Maximise a logistic likelihood with a quadratic penalty, some coefficients held at >= 0.

    Parameters
    ----------
    design : array of shape (n_rows, n_columns).
    label : array of shape (n_rows,), 0 or 1.
    penalty : array of shape (n_columns,); penalty / 2 times the square of each coefficient.
    bounded : array of shape (n_columns,), optional; True where a coefficient is at least 0.
    start : array of shape (n_columns,), optional.

    Notes
    -----
    Newton's steps, projected on the bounds (Bertsekas, SIAM J. Control and Optimization 20, 1982):
    a coefficient at 0 that the gradient would push below stays out of the step.
    """
    held = np.zeros(design.shape[1], dtype=np.bool_) if bounded is None else bounded
    found = np.zeros(design.shape[1]) if start is None else start.copy()
    found = np.where(held, np.maximum(found, 0.0), found)

    def objective(at: FloatArray) -> float:
        log_odds = design @ at
        likelihood = np.logaddexp(0.0, log_odds).sum() - label @ log_odds
        return float(likelihood + 0.5 * (penalty * at * at).sum())

    value = objective(found)
    hessian = np.empty(0)
    for _ in range(NEWTON_STEPS):
        probability = expit(design @ found)
        gradient = design.T @ (probability - label) + penalty * found
        curve = probability * (1 - probability)
        hessian = (design * curve[:, None]).T @ design + np.diag(penalty)
        free = ~(held & (found <= 0) & (gradient > 0))
        reach = np.where(free, gradient, 0.0)
        if np.abs(reach).max() <= GRADIENT_TOLERANCE * len(label):
            break
        step = np.zeros_like(found)
        inner = hessian[np.ix_(free, free)]
        step[free] = np.linalg.solve(inner, gradient[free])
        length = 1.0
        while length > 1e-10:
            new = found - length * step
            new = np.where(held, np.maximum(new, 0.0), new)
            new_value = objective(new)
            if new_value <= value - ARMIJO * float(gradient @ (found - new)):
                break
            length /= 2
        else:
            break  # rounding leaves nothing to gain
        found, value = new, new_value
    return Mode(found, value, hessian)
