"""What people are shown of models of a number."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from training.domain.tasks.figures import Chart, Line, lines_of, model_lines

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

    def charts(self, report: Mapping[str, Any], curves: Mapping[str, Any]) -> list[Chart]:
        found = _curves(lines_of(curves, "errors"), lines_of(curves, "observed"))
        if kept := curves.get("histogram"):
            found.append(
                Chart(
                    "Residuals",
                    "What came minus what was predicted, of the validation rows; right of 0 the "
                    "model said too little",
                    counts={"rows": kept["counts"]["residuals"]},
                    low=kept["low"],
                    high=kept["high"],
                )
            )
        return found

    def compared_charts(self, curves: Mapping[str, Mapping[str, Any]]) -> list[Chart]:
        return _curves(model_lines(curves, "errors"), model_lines(curves, "observed"))

    def describe_target(self, report: Mapping[str, Any]) -> list[tuple[str, float]]:
        return []

    def describe_balance(self, counts: Sequence[int]) -> list[tuple[str, float]]:
        return []


def _curves(errors: tuple[Line, ...], observed: tuple[Line, ...]) -> list[Chart]:
    found = []
    if errors:
        found.append(
            Chart(
                "Error characteristic",
                "Share of rows whose error is within a tolerance (REC curve); the area above a "
                "line is its figure, the mean absolute error",
                lines=errors,
                x_title="Absolute error",
                y_title="Share of rows",
                is_share=False,
            )
        )
    if observed:
        found.append(
            Chart(
                "Predicted and observed",
                "Mean of what came by mean prediction, in ten groups of equally many rows; on the "
                "dotted line a prediction means what it says",
                lines=observed,
                x_title="Mean prediction",
                y_title="Mean observed",
                is_share=False,
                diagonal=True,
            )
        )
    return found


FIGURES: Final = RegressionFigures()
