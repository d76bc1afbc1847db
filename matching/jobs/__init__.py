"""Job kinds of matching: one module per noun, imported so that the ledger knows them."""

from matching.jobs import generation, imports, people

__all__ = ["generation", "imports", "people"]
