"""What each kind of model needs of feedback; read by the status page and by training."""

from collections.abc import Mapping

# Usable rows below which a kind refuses to train (docs/gates.md).
MINIMUM_SAMPLES: Mapping[str, int] = {
    "quality": 100,
    "csat": 200,
    "model_performance": 500,
}

# The tables that the frame of each is read from, with those that are joined to it; see
# feedback/queries/frames.py.
TABLES_READ: Mapping[str, tuple[str, ...]] = {
    "explanations": ("explanations", "quality_feedback"),
    "quality_feedback": ("quality_feedback", "explanations", "ab_testing"),
    "ab_testing": ("ab_testing", "quality_feedback", "explanations"),
}
# Columns of those tables that no frame reads; the metrics stand in columns of their own.
COLUMNS_UNREAD = ("external_id", "feedback_text", "metadata", "extra")
