"""The admin of feedback: sources and runs, records, refused rows, reports."""

from feedback.admin import (
    changes,
    navigation,
    records,
    rejected,
    removals,
    reports,
    source_rows,
    sources,
)

__all__ = [
    "changes",
    "navigation",
    "records",
    "rejected",
    "removals",
    "reports",
    "source_rows",
    "sources",
]
