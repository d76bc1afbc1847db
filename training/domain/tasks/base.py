"""What every task has to say, from a target column to the gates of a model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.intervals import Metric
from project.measure.paired import (
    PairedDifference,
    PairedFields,
    PairedMetric,
    paired_bootstrap,
)
from training.domain.checks import Check, CheckFields, Verdict, verdict_of
from training.domain.fitted import Calibration, FitSettings, FittedModel

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# Figures of one set of rows as JSON: metric to its value and interval, and what a task adds.
ReportFields = dict[str, Any]

# With fewer rows (of a label: of the rarer one) one column tells the target by chance at times.
GIVEAWAY_MINIMUM_ROWS = 30


@dataclass(frozen=True)
class Target:
    """The column to be predicted, and the range of its values; None leaves a side open."""

    name: str
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Rows:
    """The answers of some rows.

    Attributes
    ----------
    target : float64 array of shape (n_rows,).
    groups : array of shape (n_rows,), or None; rows of one group are resampled together, which
        widens every interval to what new groups would show.
    """

    target: FloatArray
    groups: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.target)

    def where(self, mask: BoolArray) -> "Rows":
        """Return the rows that a mask names."""
        return replace(
            self,
            target=self.target[mask],
            groups=None if self.groups is None else self.groups[mask],
        )


class Report(Protocol):
    """The figures of predictions on one set of rows."""

    @property
    def rows(self) -> int:
        """How many rows were measured."""

    def __getitem__(self, name: str) -> Metric:
        """Return one metric."""

    def as_dict(self) -> ReportFields:
        """Return all of them as JSON."""


ReportType = TypeVar("ReportType", bound=Report)


class GateFields(TypedDict):
    """A `GateReport` as JSON."""

    verdict: Verdict
    checks: list[CheckFields]
    comparisons: dict[str, PairedFields]


@dataclass(frozen=True)
class GateReport:
    """The checks of one model and the paired comparisons behind them."""

    checks: tuple[Check, ...]
    comparisons: dict[str, PairedDifference]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.checks)

    def as_dict(self) -> GateFields:
        return {
            "verdict": self.verdict,
            "checks": [check.as_dict() for check in self.checks],
            "comparisons": {name: item.as_dict() for name, item in self.comparisons.items()},
        }


@dataclass(frozen=True)
class Evidence(Generic[ReportType]):
    """What a gate knows beside the predictions of the same rows.

    Attributes
    ----------
    report : what was measured of the predictions.
    calibration : how the model was calibrated, as in `FittedModel`.
    constant : mean of the training targets.
    baselines : name to predictions by other means, shape (n_rows,); NaN where there is none.
    ceilings : name to the true probability or mean, shape (n_rows,); NaN where it is not known.
    """

    report: ReportType
    calibration: Calibration
    constant: float
    baselines: Mapping[str, FloatArray]
    ceilings: Mapping[str, FloatArray]


class Task(Protocol[ReportType]):
    """Fit, baselines, ceilings, measures and gates of one sort of target."""

    # --- What a dataset has to show -------------------------------------------------------------

    def copied_by(self, features: tuple[str, ...], target: str) -> tuple[str, ...]:
        """Return the columns whose equality makes two rows copies."""

    def check_target(
        self, values: FloatArray, in_train: BoolArray | None, target: Target
    ) -> list[Check]:
        """Hold the values of the target to their gates; `in_train` is None before a split."""

    def label_share(self, values: FloatArray) -> float | None:
        """Return the share of label 1; None where the target is no label."""

    def measure_column(
        self,
        known: npt.NDArray[np.float32],
        known_target: FloatArray,
        missing: BoolArray,
        target: FloatArray,
    ) -> tuple[int, float]:
        """Return the distinct values of a column, and how well it alone tells the target.

        Parameters
        ----------
        known, known_target : the values that are there, and the targets beside them.
        missing, target : of every row.
        """

    def measure_names(self, column: pd.Series, target: FloatArray) -> float | None:
        """Return how well a column of names alone tells the target; None if that is not asked."""

    def check_inputs(self, distinct: Mapping[str, float | None]) -> list[Check]:
        """Hold all inputs together to their gate, by the distinct values of each."""

    def check_giveaway(
        self, measured: Mapping[str, float], values: FloatArray, target: Target
    ) -> Check:
        """Refuse inputs that alone tell the target too well."""

    # --- The way of a model ---------------------------------------------------------------------

    def fit(
        self,
        inputs: pd.DataFrame,
        target: FloatArray,
        settings: FitSettings,
        groups: npt.NDArray[Any] | None,
    ) -> FittedModel:
        """Choose, fit and calibrate on training rows; FitError where they are too few."""

    def predict(self, estimator: Any, inputs: pd.DataFrame) -> FloatArray:
        """Return the probability of label 1, or the predicted number: float64 (n_rows,)."""

    def measure(
        self,
        rows: Rows,
        prediction: FloatArray,
        rng: np.random.Generator,
        bounds: tuple[FloatArray, FloatArray] | None = None,
    ) -> ReportType:
        """Measure predictions of rows, and the bounds around them where there are any."""

    def measure_ceiling(
        self, rows: Rows, prediction: FloatArray, truth: FloatArray, rng: np.random.Generator
    ) -> dict[str, Any] | None:
        """Return the best that anybody could reach; None where no row knows its truth."""

    def gate(
        self,
        rows: Rows,
        prediction: FloatArray,
        evidence: Evidence[ReportType],
        rng: np.random.Generator,
    ) -> GateReport:
        """Hold predictions of validation rows to the limits."""

    # --- What decides between two models --------------------------------------------------------

    @property
    def paired_metric(self) -> PairedMetric:
        """The metric by which two models are compared."""

    @property
    def higher_is_better(self) -> bool:
        """Whether more of `paired_metric` is better."""


def compare(
    metric: PairedMetric,
    rows: Rows,
    mine: FloatArray,
    other: FloatArray,
    rng: np.random.Generator,
) -> PairedDifference | None:
    """Return the paired difference over the rows where the other is known; None without any."""
    known = np.isfinite(other)
    if not known.any():
        return None
    inside = rows.where(known)
    return paired_bootstrap(
        mine[known], other[known], inside.target, metric, rng, groups=inside.groups
    )


def say_needed(comparison: PairedDifference, rows: int) -> str:
    """Say how many rows would decide an undecided comparison."""
    if comparison.rows_to_decide is None and comparison.difference != 0:
        return f"{rows} validation rows of one group cannot tell: hold out more groups."
    if comparison.rows_to_decide is None:
        return f"on {rows} validation rows the two are the same."
    return (
        f"{rows} validation rows cannot tell; a difference of this size needs about "
        f"{max(comparison.rows_to_decide, rows + 1):,}."
    )


def say_interval(comparison: PairedDifference) -> str:
    """Say a difference with its interval."""
    return (
        f"{comparison.difference:+.4f} (95 % interval {comparison.low:+.4f} to "
        f"{comparison.high:+.4f})"
    )


def mean_of_known(values: FloatArray) -> float | None:
    """The mean of the values that are there; None without any."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
