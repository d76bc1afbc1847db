"""Fixtures of the chaos tests: the customer's database of the feedback tests."""

from tests.feedback.conftest import _customer_database, customer

__all__ = ["_customer_database", "customer"]
