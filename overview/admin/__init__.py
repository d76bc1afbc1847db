"""The front page of the admin, and what spans the apps."""

from overview.admin import accounts, audit, navigation, panel, rebuild

__all__ = ["accounts", "audit", "navigation", "panel", "rebuild"]
