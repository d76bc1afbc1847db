"""Seed users, groups and sessions in the admin."""
