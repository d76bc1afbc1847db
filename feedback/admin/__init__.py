"""The admin of feedback: sources and runs, records, refused rows."""

from feedback.admin import records, rejected, sources

__all__ = ["records", "rejected", "sources"]
