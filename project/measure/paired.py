"""Two scores or predictions on the same rows: their difference, its interval, a verdict."""

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

import numpy as np
import numpy.typing as npt

from project.measure.auc import auc_influence
from project.measure.intervals import (
    json_number,
    rows_to_decide,
    student_p_value,
    student_reach,
)
from project.measure.jackknife import Clusters, influence_variance
from project.measure.scores import finite_pair, log_losses

FloatArray = npt.NDArray[np.float64]
PairedMetric = Literal["roc_auc", "brier", "log_loss", "squared_error", "absolute_error"]
PairedVerdict = Literal["better", "worse", "undecided"]


class PairedFields(TypedDict):
    """A `PairedDifference` as JSON; a figure that does not exist is None."""

    metric: str
    value_a: float | None
    value_b: float | None
    difference: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    p_value: float | None
    verdict: PairedVerdict
    rows_to_decide: int | None


@dataclass(frozen=True)
class PairedDifference:
    """Metric of a minus metric of b on the same rows.

    Attributes
    ----------
    difference, low, high : the difference and its 95 % interval, in the metric's own direction.
    standard_error : of the difference.
    p_value : two-sided, Student's.
    verdict : better, worse or undecided, said of a; a lower error or loss is better.
    rows_to_decide : rows with which a difference of this size would be decided four times in
        five; None when there is no difference at all.
    """

    metric: str
    value_a: float
    value_b: float
    difference: float
    low: float
    high: float
    standard_error: float
    p_value: float
    verdict: PairedVerdict
    rows_to_decide: int | None

    def as_dict(self) -> PairedFields:
        return {
            "metric": self.metric,
            "value_a": json_number(self.value_a),
            "value_b": json_number(self.value_b),
            "difference": json_number(self.difference),
            "low": json_number(self.low),
            "high": json_number(self.high),
            "standard_error": json_number(self.standard_error),
            "p_value": json_number(self.p_value),
            "verdict": self.verdict,
            "rows_to_decide": self.rows_to_decide,
        }


def paired_difference(
    score_a: npt.ArrayLike,
    score_b: npt.ArrayLike,
    label: npt.ArrayLike,
    metric: PairedMetric,
    *,
    clusters: Clusters | None = None,
) -> PairedDifference:
    """Compare two scores on the same rows.

    Parameters
    ----------
    score_a, score_b : arrays of shape (n_rows,); probabilities, or predictions of a number.
    label : array of shape (n_rows,); 0 or 1, or the numeric target for the error metrics.
    metric : roc_auc, brier, log_loss, squared_error or absolute_error.
    clusters : of the rows, see `project.measure.jackknife`; None: rows are independent.

    Returns
    -------
    PairedDifference

    Notes
    -----
    Losses are means over rows. The ROC-AUC is linearised by its placement values (see
    `auc.auc_influence`), so that it too is a mean over rows. The interval is Student's; where the
    clusters are too few there is none, and the verdict is undecided.

    Raises
    ------
    ValueError
        If shapes differ, there is no row, or the metric is not one of the five.
    """
    y, a = finite_pair(label, score_a)
    _, b = finite_pair(label, score_b)
    clusters = clusters or Clusters()
    value_a, influence_a = metric_influence(y, a, metric)
    value_b, influence_b = metric_influence(y, b, metric)
    difference = value_a - value_b
    error = float(np.sqrt(influence_variance(influence_a - influence_b, clusters)))
    degrees = clusters.degrees(len(y))
    half = student_reach(degrees) * error
    low, high = difference - half, difference + half
    verdict: PairedVerdict = "undecided"
    if low > 0 or high < 0:
        is_better = (low > 0) == (metric == "roc_auc")
        verdict = "better" if is_better else "worse"
    return PairedDifference(
        metric=metric,
        value_a=value_a,
        value_b=value_b,
        difference=difference,
        low=low,
        high=high,
        standard_error=error,
        p_value=_p_value(difference, error, degrees),
        verdict=verdict,
        rows_to_decide=rows_to_decide(difference, error, len(y)),
    )


def _p_value(difference: float, error: float, degrees: float) -> float:
    if error > 0:
        return student_p_value(difference / error, degrees)
    return 1.0 if difference == 0 else float("nan")


def metric_influence(
    label: FloatArray, score: FloatArray, metric: PairedMetric
) -> tuple[float, FloatArray]:
    """A metric, and how far each row pulls it: values of mean zero, shape (n_rows,)."""
    if metric == "roc_auc":
        return auc_influence(label > 0.5, score)
    if metric == "log_loss":
        loss = np.where(label > 0.5, *log_losses(score))
    elif metric in ("brier", "squared_error"):
        loss = (score - label) ** 2
    elif metric == "absolute_error":
        loss = np.abs(score - label)
    else:
        raise ValueError(f"Expected one of {', '.join(get_args(PairedMetric))}, got {metric!r}.")
    mean = float(loss.mean())
    return mean, loss - mean
