"""What people are shown of models of a number."""

from collections.abc import Mapping
from typing import Any, Final

from training.domain.tasks.figures import Chart

TITLES = {
    "r2": "R2",
    "mae": "MAE",
    "rmse": "RMSE",
    "spearman": "Spearman",
    "interval_coverage": "Interval coverage",
    "interval_width": "Interval width",
}


class RegressionFigures:
    """See `training.domain.tasks.figures.Figures`."""

    primary_metric = "r2"
    metric_titles: Mapping[str, str] = TITLES

    def describe_calibration(self, calibration: Mapping[str, Any]) -> str:
        return "conformal intervals"

    def charts(self, report: Mapping[str, Any]) -> list[Chart]:
        return []

    def describe_target(self, report: Mapping[str, Any]) -> list[tuple[str, float]]:
        return []


FIGURES: Final = RegressionFigures()
