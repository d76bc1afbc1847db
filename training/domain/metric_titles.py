"""What the metrics are called in front of people, in the order in which they are shown."""

METRIC_TITLES = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "r2": "R2",
    "mae": "MAE",
    "rmse": "RMSE",
    "spearman": "Spearman",
    "interval_coverage": "Interval coverage",
    "interval_width": "Interval width",
}
