"""What people are shown of models of a label."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from training.domain.tasks.figures import Chart, Line, lines_of, model_lines

TITLES = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "ece_by_chance": "Calibration error of a perfect score",
}


class ClassificationFigures:
    """See `training.domain.tasks.figures.Figures`."""

    primary_metric = "roc_auc"
    metric_titles: Mapping[str, str] = TITLES

    def describe_calibration(self, calibration: Mapping[str, Any]) -> str:
        return str(calibration.get("note") or calibration.get("method", "none"))

    def charts(self, report: Mapping[str, Any], curves: Mapping[str, Any]) -> list[Chart]:
        found = _curves(
            lines_of(curves, "roc"), lines_of(curves, "precision_recall"), report["label_share"]
        )
        if bins := report.get("calibration"):
            found.append(
                Chart(
                    "Calibration",
                    "Share of label 1 at each mean score, with 95 % intervals; on the dotted line "
                    "a score means what it says",
                    lines=(
                        {
                            "label": "this model",
                            "note": "",
                            "x": [row["mean_score"] for row in bins],
                            "y": [row["label_share"] for row in bins],
                            "low": [row["low"] for row in bins],
                            "high": [row["high"] for row in bins],
                        },
                    ),
                    x_title="Mean score",
                    y_title="Share of label 1",
                    diagonal=True,
                )
            )
        if kept := curves.get("histogram"):
            counts = {f"label {label}": kept["counts"][label] for label in ("1", "0")}
            caption = "Scores of the validation rows: label 1 above the line, label 0 below it"
            found.append(Chart("Scores by label", caption, counts=counts))
        elif counted := report.get("score_histogram"):
            found.append(Chart("Scores", "Scores of the validation rows", counts={"rows": counted}))
        return found

    def compared_charts(self, curves: Mapping[str, Mapping[str, Any]]) -> list[Chart]:
        return _curves(model_lines(curves, "roc"), model_lines(curves, "precision_recall"), None)

    def describe_target(self, report: Mapping[str, Any]) -> list[tuple[str, float]]:
        share = report.get("label_share")
        return [] if share is None else [("Label 1", share)]

    def describe_balance(self, counts: Sequence[int]) -> list[tuple[str, float]]:
        total = sum(counts)
        return [("Label 1", sum(counts[len(counts) // 2 :]) / total)] if total else []


def _curves(roc: tuple[Line, ...], recall: tuple[Line, ...], share: float | None) -> list[Chart]:
    found = []
    if roc:
        found.append(
            Chart(
                "ROC",
                "Of all rows of label 1 the share that stands above a score, against that of label "
                "0; dotted: scores that say nothing. The figure is the ROC-AUC",
                lines=roc,
                x_title="False positive rate",
                y_title="True positive rate",
                diagonal=True,
            )
        )
    if recall:
        level = None if share is None else ("share of label 1", share)
        found.append(
            Chart(
                "Precision and recall",
                "Share of label 1 among the rows above a score, against the share of label 1 that "
                "is found there. The figure is the average precision (PR-AUC)",
                lines=recall,
                x_title="Recall",
                y_title="Precision",
                level=level,
            )
        )
    return found


FIGURES: Final = ClassificationFigures()
