"""Job kinds that span the apps, imported so that the ledger knows them."""

from overview.jobs import rebuild

__all__ = ["rebuild"]
