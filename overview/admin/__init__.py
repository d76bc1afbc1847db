"""The front page of the admin, and what spans the apps."""

from overview.admin import panel, rebuild

__all__ = ["panel", "rebuild"]
