"""The admin of matching: one module per noun."""

from matching.admin import events, people

__all__ = ["events", "people"]
