"""Sources of feedback, what was collected from them, and what was refused."""

from feedback.models.changes import FeedbackChange
from feedback.models.records import (
    ABTestResult,
    Explanation,
    FeedbackRecord,
    QualityFeedback,
    RejectedRecord,
    model_of,
)
from feedback.models.reports import KeptReport, RowsState
from feedback.models.sources import CollectionCursor, CollectionRun, FeedbackSource, Table

__all__ = [
    "ABTestResult",
    "CollectionCursor",
    "CollectionRun",
    "Explanation",
    "FeedbackChange",
    "FeedbackRecord",
    "FeedbackSource",
    "KeptReport",
    "QualityFeedback",
    "RejectedRecord",
    "RowsState",
    "Table",
    "model_of",
]
