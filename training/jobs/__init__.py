"""Job kinds of training: one module per noun, imported so that the ledger knows them."""

from training.jobs import datasets, models

__all__ = ["datasets", "models"]
