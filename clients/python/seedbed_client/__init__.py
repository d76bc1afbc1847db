"""A client for the API of Seedbed, of the standard library alone."""

from seedbed_client.client import Seedbed, SeedbedError

__all__ = ["Seedbed", "SeedbedError"]
