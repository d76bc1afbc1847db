"""The admin of training: one module per noun."""

from training.admin import datasets, models, panel

__all__ = ["datasets", "models", "panel"]
