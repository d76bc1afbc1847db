"""The admin of serving: one module per noun."""

from serving.admin import alarms, keys, models, monitoring

__all__ = ["alarms", "keys", "models", "monitoring"]
