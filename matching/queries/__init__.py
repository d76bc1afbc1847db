"""Reads of matching: rows to frames, summaries and reports."""
