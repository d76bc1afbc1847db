"""The admin of training: one module per noun."""

from training.admin import datasets, exports, models, navigation, people, removals, scores

__all__ = ["datasets", "exports", "models", "navigation", "people", "removals", "scores"]
