"""The admin of serving: one module per noun."""

from serving.admin import alarms, debugging, exports, keys, models, monitoring

__all__ = ["alarms", "debugging", "exports", "keys", "models", "monitoring"]
