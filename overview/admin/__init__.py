"""The front page of the admin, and what spans the apps."""

from overview.admin import accounts, audit, home, navigation, rebuild

__all__ = ["accounts", "audit", "home", "navigation", "rebuild"]
