"""The front page of the admin, and what spans the apps."""

from overview.admin import accounts, audit, backups, home, navigation, rebuild

__all__ = ["accounts", "audit", "backups", "home", "navigation", "rebuild"]
