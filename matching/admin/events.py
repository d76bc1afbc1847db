"""Batches of match events in the admin."""
