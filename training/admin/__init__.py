"""The admin of training: one module per noun."""

from training.admin import datasets, models, navigation, people, removals, scores

__all__ = ["datasets", "models", "navigation", "people", "removals", "scores"]
