"""What every task has to say, from a target column to the gates of a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.curves import Curve
from project.measure.intervals import Metric, MetricFields, json_number
from project.measure.jackknife import FEW_CLUSTERS, FEWEST_CLUSTERS, Clusters
from project.measure.paired import (
    PairedDifference,
    PairedFields,
    PairedMetric,
    paired_difference,
)
from training.domain.checks import Check, CheckFields, Gate, Verdict, verdict_of
from training.domain.fitted import Calibration, FitSettings, FittedModel
from training.domain.rule_part import Compiled

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# Figures of one set of rows as JSON: metric to its value and interval, and what a task adds.
ReportFields = dict[str, Any]


class CeilingFields(MetricFields):
    """The best that anybody could reach as JSON: over how many rows that know their truth, and how
    far from it the prediction is on the same rows; None where that cannot be said."""

    rows: int
    distance: MetricFields | None


class LineFields(TypedDict):
    """One line of a chart: of the model, a baseline or a ceiling; `value` is what it stands for."""

    name: str
    rows: int
    x: list[float]
    y: list[float]
    value: float | None


class HistogramFields(TypedDict):
    """Rows in each of equal bins from `low` to `high`, by what is told apart."""

    low: float
    high: float
    counts: dict[str, list[int]]


class CurvesFields(TypedDict):
    """What the charts of a model are drawn from, all of it of its validation rows.

    Attributes
    ----------
    rows : how many they are.
    lines : name of a chart to its lines, that of the model first.
    histogram : rows in each of equal bins from low to high, by what is told apart.
    """

    rows: int
    lines: dict[str, list[LineFields]]
    histogram: HistogramFields


# With fewer rows (of a label: of the rarer one) one column tells the target by chance at times.
GIVEAWAY_MINIMUM_ROWS = 30


@dataclass(frozen=True)
class Target:
    """The column to be predicted, and the range of its values; None leaves a side open.

    `made_here` says that all rows were generated here, and can be generated anew.
    """

    name: str
    minimum: float | None = None
    maximum: float | None = None
    made_here: bool = False


@dataclass(frozen=True)
class Rows:
    """The answers of some rows.

    Attributes
    ----------
    target : float64 array of shape (n_rows,).
    clusters : which rows go together, which widens every interval to what new users, partners or
        sessions would show.
    clustered_by : what each way of the clusters is called: user, partner, session.
    """

    target: FloatArray
    clusters: Clusters = field(default_factory=Clusters)
    clustered_by: tuple[str, ...] = ()

    @property
    def groups(self) -> npt.NDArray[Any] | None:
        """Whose rows share a fold in training: those of the first way; None where each is alone."""
        return self.clusters.ways[0] if self.clusters.ways else None

    def __len__(self) -> int:
        return len(self.target)

    def where(self, mask: BoolArray) -> "Rows":
        """Return the rows that a mask names."""
        return replace(
            self,
            target=self.target[mask],
            clusters=self.clusters.where(mask),
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

    def check_inputs(self, distinct: Mapping[str, float | None], vectors: int) -> list[Check]:
        """Hold all inputs together to their gate, by the distinct values of each and of all."""

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
        beside: tuple[pd.DataFrame, npt.NDArray[Any]] | None = None,
    ) -> FittedModel:
        """Choose, fit and calibrate on training rows; FitError where they are too few.

        Rows beside them (inputs and target) are learnt from, and choose and calibrate nothing.
        """

    def fit_part(
        self,
        inputs: pd.DataFrame,
        target: FloatArray,
        spare: pd.DataFrame,
        spare_target: FloatArray,
        settings: FitSettings,
    ) -> Any:
        """Return an estimator of part of the training rows, for a learning curve.

        It is chosen as in `fit`, by its loss on spare rows, and not calibrated.
        """

    def predict(self, estimator: Any, inputs: pd.DataFrame) -> FloatArray:
        """Return the probability of label 1, or the predicted number: float64 (n_rows,)."""

    def compile(self, estimator: Any, names: tuple[str, ...]) -> Compiled | None:
        """Return what predicts rows of numbers, in the order of the names, as `predict` does and
        without its frames; None where the task has no need of it.

        Raises
        ------
        CannotCompile : for an estimator that is none of those known.
        """

    def is_walked(self, estimator: Any) -> bool:
        """Whether an estimator is made of trees, which take microseconds for each row."""

    def measure(
        self,
        rows: Rows,
        prediction: FloatArray,
        bounds: tuple[FloatArray, FloatArray] | None = None,
    ) -> ReportType:
        """Measure predictions of rows, and the bounds around them where there are any."""

    def measure_ceiling(
        self, rows: Rows, prediction: FloatArray, truth: FloatArray
    ) -> CeilingFields | None:
        """Return the best that anybody could reach, and how far from it the prediction is on the
        same rows; None where no row knows its truth."""

    def draw(
        self, rows: Rows, prediction: FloatArray, others: Mapping[str, FloatArray]
    ) -> CurvesFields:
        """Return what the charts of a model are drawn from.

        Parameters
        ----------
        rows, prediction : as in `measure`.
        others : name to what stands beside it, shape (n_rows,); NaN where there is none.
        """

    def gate(
        self,
        rows: Rows,
        prediction: FloatArray,
        evidence: Evidence[ReportType],
    ) -> GateReport:
        """Hold predictions of validation rows to the limits."""

    # --- What decides between two models --------------------------------------------------------

    def primary_influence(
        self, target: FloatArray, prediction: FloatArray
    ) -> tuple[float, FloatArray]:
        """Return the primary metric, and how far each row pulls it: mean zero, (n_rows,)."""

    @property
    def loss(self) -> PairedMetric:
        """The loss of a row by which fits are chosen."""

    @property
    def paired_metric(self) -> PairedMetric:
        """The metric by which two models are compared."""

    @property
    def higher_is_better(self) -> bool:
        """Whether more of `paired_metric` is better."""


VALIDATION_GROUPS = Gate(
    "validation_groups:",
    target=f">= {FEW_CLUSTERS} in validation",
    limit=FEWEST_CLUSTERS,
)


def check_groups(rows: Rows) -> list[Check]:
    """Hold the number of clusters in each way to its gate: few say little of the next one."""
    checks = []
    for noun, count in zip(rows.clustered_by, rows.clusters.counts(), strict=True):
        verdict: Verdict = "pass"
        remedy = ""
        if count < FEWEST_CLUSTERS:
            verdict = "refuse"
            remedy = (
                f"{words.counted(len(rows), 'validation row')} of "
                f"{words.counted(count, f'different {noun}')}: below "
                f"{FEWEST_CLUSTERS} nothing can be said of the next one, so no figure has an "
                f"interval. Add rows of more {noun}s, or hold out a larger share."
            )
        elif count < FEW_CLUSTERS:
            verdict = "warn"
            remedy = (
                f"{len(rows)} validation rows of only {count} different {noun}s: the intervals "
                f"allow for it and are wide. Rows of more {noun}s would narrow them, more rows of "
                "the same would not."
            )
        checks.append(VALIDATION_GROUPS.check(count, verdict, remedy, of=noun))
    return checks


def compare(
    metric: PairedMetric, rows: Rows, mine: FloatArray, other: FloatArray
) -> PairedDifference | None:
    """Return the paired difference over the rows where the other is known; None without any."""
    known = np.isfinite(other)
    if not known.any():
        return None
    inside = rows.where(known)
    return paired_difference(
        mine[known], other[known], inside.target, metric, clusters=inside.clusters
    )


def say_needed(comparison: PairedDifference, rows: int) -> str:
    """Say how many rows would decide an undecided comparison."""
    has_interval = np.isfinite(comparison.low) and comparison.rows_to_decide is not None
    if comparison.difference != 0 and not has_interval:
        return f"{rows} validation rows of so few groups cannot tell: hold out more groups."
    if comparison.rows_to_decide is None:
        return f"on {rows} validation rows the two are the same."
    return (
        f"{rows} validation rows cannot tell; a difference of this size needs about "
        f"{max(comparison.rows_to_decide, rows + 1):,}."
    )


def say_interval(comparison: PairedDifference) -> str:
    """Say a difference with its interval, where it has one."""
    if not np.isfinite(comparison.low):
        return f"{comparison.difference:+.4f}"
    return (
        f"{comparison.difference:+.4f} (95 % interval {comparison.low:+.4f} to "
        f"{comparison.high:+.4f})"
    )


def as_line(name: str, rows: int, curve: Curve) -> LineFields:
    """Return a curve as JSON; four decimals are more than a drawing shows."""
    return {
        "name": name,
        "rows": rows,
        "x": [round(float(at), 4) for at in curve.x],
        "y": [round(float(at), 4) for at in curve.y],
        "value": json_number(curve.value),
    }


def draw_lines(
    curve: Callable[[FloatArray, FloatArray], Curve | None],
    rows: Rows,
    predictions: Mapping[str, FloatArray],
) -> list[LineFields]:
    """Draw a line for each prediction of the rows where it is known; none where there is none.

    Parameters
    ----------
    curve : of targets and predictions.
    predictions : name to array of shape (n_rows,), NaN where it is not known.
    """
    lines = []
    for name, prediction in predictions.items():
        known = np.isfinite(prediction)
        found = curve(rows.target[known], prediction[known]) if known.any() else None
        if found is not None:
            lines.append(as_line(name, int(known.sum()), found))
    return lines


def mean_of_known(values: FloatArray) -> float | None:
    """The mean of the values that are there; None without any."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
