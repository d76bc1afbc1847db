"""The admin of matching: one module per noun."""

from matching.admin import events, people, sessions

__all__ = ["events", "people", "sessions"]
