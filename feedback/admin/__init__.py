"""The admin of feedback: sources and runs, records, refused rows, reports."""

from feedback.admin import navigation, records, rejected, reports, sources

__all__ = ["navigation", "records", "rejected", "reports", "sources"]
