"""The admin of feedback: sources and runs, records, refused rows, reports."""

from feedback.admin import records, rejected, reports, sources

__all__ = ["records", "rejected", "reports", "sources"]
