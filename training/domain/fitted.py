"""What a fit gives back."""

from dataclasses import dataclass
from typing import Any

from training.domain.prediction_interval import PredictionInterval


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
    """

    seed: int
    categorical: tuple[str, ...] = ()
    monotone: tuple[str, ...] = ()
    target_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class FittedModel:
    """A fitted estimator and how it was chosen.

    Attributes
    ----------
    estimator : made of scikit-learn's classes only; has predict_proba (a label) or predict (a
        number) on a DataFrame with the training columns; joblib can dump it.
    algorithm : name of the chosen algorithm.
    parameters : its parameters.
    calibration : of a label `method` (none, sigmoid or isotonic), the rows behind it, the slope of
        the sigmoid and, where it says something, a note; of a number level and half width of the
        intervals.
    interval : of a number, how its intervals are made; None of a label.
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
    interval: PredictionInterval | None = None

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
