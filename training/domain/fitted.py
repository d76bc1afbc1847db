"""What a fit gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from training.domain.prediction_interval import PredictionInterval
from training.domain.rule_part import RulePart


class FitError(ValueError):
    """These rows cannot be fitted; the message says why and what to change."""


@dataclass(frozen=True)
class FitSettings:
    """What a fit is told beside its rows.

    Attributes
    ----------
    seed : of folds, subsample and boosting.
    categorical : names of the categorical inputs.
    monotone : inputs in which the score may only rise.
    target_range : range that predictions of a number are clipped to.
    rule_weights : input to its weight in the linear rule score of a label; empty without one.
    """

    seed: int
    categorical: tuple[str, ...] = ()
    monotone: tuple[str, ...] = ()
    target_range: tuple[float, float] | None = None
    rule_weights: Mapping[str, float] = field(default_factory=dict)


class Calibration(TypedDict, total=False):
    """How a model was calibrated.

    Attributes
    ----------
    method : none, sigmoid or isotonic; of a label.
    rows : out-of-fold scores that decided it.
    slope : of the sigmoid, where one was fitted.
    note : what there is to say about it.
    interval_level, half_width : of the intervals of a number.
    """

    method: str
    rows: int
    slope: float
    note: str
    interval_level: float
    half_width: float


class Candidate(TypedDict):
    """An algorithm as cross-validation found it; `difference` is from the simplest one's loss."""

    algorithm: str
    loss: float
    difference: float
    standard_error: float
    chosen: bool


class FitFields(TypedDict):
    """A `FittedModel` as JSON."""

    algorithm: str
    parameters: dict[str, Any]
    calibration: Calibration
    cross_validation: list[Candidate]
    rows: int
    rows_chosen_on: int
    rows_fitted: int
    rule_part: RulePart | None


@dataclass(frozen=True)
class FittedModel:
    """A fitted estimator and how it was chosen.

    Attributes
    ----------
    estimator : made of scikit-learn's classes only; has predict_proba (a label) or predict (a
        number) on a DataFrame with the training columns; joblib can dump it.
    algorithm : name of the chosen algorithm.
    parameters : its parameters.
    calibration : how it was calibrated.
    interval : of a number, how its intervals are made; None of a label.
    cross_validation : one for each algorithm that was tried.
    rows, rows_chosen_on, rows_fitted : training rows, those used to choose, those of the last fit
        with the rows beside them.
    rule_part : what the rules alone say, of a model that starts from them; else None.
    """

    estimator: Any
    algorithm: str
    parameters: dict[str, Any]
    calibration: Calibration
    cross_validation: tuple[Candidate, ...]
    rows: int
    rows_chosen_on: int
    rows_fitted: int
    interval: PredictionInterval | None = None
    rule_part: RulePart | None = None

    def as_dict(self) -> FitFields:
        return {
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "calibration": self.calibration,
            "cross_validation": list(self.cross_validation),
            "rows": self.rows,
            "rows_chosen_on": self.rows_chosen_on,
            "rows_fitted": self.rows_fitted,
            "rule_part": self.rule_part,
        }
