"""The admin of matching: one module per noun."""

from matching.admin import batches, events, people, sessions

__all__ = ["batches", "events", "people", "sessions"]
