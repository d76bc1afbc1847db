"""What people are shown of models of a label."""

from collections.abc import Mapping
from typing import Any, Final

from project import words
from training.domain.tasks.figures import Chart

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
    "ece_by_chance": "of a perfect score",
}


class ClassificationFigures:
    """See `training.domain.tasks.figures.Figures`."""

    primary_metric = "roc_auc"
    metric_titles: Mapping[str, str] = TITLES

    def describe_calibration(self, calibration: Mapping[str, Any]) -> str:
        return str(calibration.get("note") or calibration.get("method", "none"))

    def charts(self, report: Mapping[str, Any]) -> list[Chart]:
        found = []
        if bins := report.get("calibration"):
            found.append(
                Chart(
                    "Calibration",
                    "Share of label 1 minus the mean score, by mean score, with 95 % intervals; at "
                    "0 a score means what it says",
                    line=tuple(
                        (
                            words.number(row["mean_score"]),
                            row["label_share"] - row["mean_score"],
                            row["low"] - row["mean_score"],
                            row["high"] - row["mean_score"],
                        )
                        for row in bins
                    ),
                )
            )
        if counts := report.get("score_histogram"):
            found.append(Chart("Scores", "Scores of the validation rows", counts=tuple(counts)))
        return found

    def describe_target(self, report: Mapping[str, Any]) -> list[tuple[str, float]]:
        share = report.get("label_share")
        return [] if share is None else [("Label 1", share)]


FIGURES: Final = ClassificationFigures()
