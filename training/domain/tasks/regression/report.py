"""The figures of predictions of a number."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from project.measure.errors import measure_errors
from project.measure.intervals import Metric
from project.measure.jackknife import Clusters
from training.domain.tasks.base import ReportFields


@dataclass(frozen=True)
class RegressionReport:
    """What predictions of a number are worth."""

    rows: int
    metrics: dict[str, Metric]

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def as_dict(self) -> ReportFields:
        return {
            "rows": self.rows,
            **{name: metric.as_dict() for name, metric in self.metrics.items()},
        }


def evaluate_regressor(
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    low: npt.ArrayLike | None = None,
    high: npt.ArrayLike | None = None,
    clusters: Clusters | None = None,
) -> RegressionReport:
    """Measure predictions of a number; see `project.measure.errors.measure_errors`."""
    metrics = measure_errors(target, prediction, low=low, high=high, clusters=clusters)
    return RegressionReport(rows=len(np.asarray(target)), metrics=metrics)
