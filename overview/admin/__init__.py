"""The front page of the admin, and what spans the apps."""

from overview.admin import accounts, audit, panel, rebuild

__all__ = ["accounts", "audit", "panel", "rebuild"]
