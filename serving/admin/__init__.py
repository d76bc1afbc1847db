"""The admin of serving: one module per noun."""

from serving.admin import alarms, debugging, keys, models, monitoring

__all__ = ["alarms", "debugging", "keys", "models", "monitoring"]
