"""The verbs of feedback: collect, import, retry, report."""

from feedback.services.collection import collect

__all__ = ["collect"]
