"""The front page of the admin."""

from overview.admin import panel

__all__ = ["panel"]
