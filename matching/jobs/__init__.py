"""Job kinds of matching: one module per noun, imported so that the ledger knows them."""

from matching.jobs import events, people

__all__ = ["events", "people"]
