"""The admin of serving: one module per noun."""

from serving.admin import alarms, keys, monitoring

__all__ = ["alarms", "keys", "monitoring"]
