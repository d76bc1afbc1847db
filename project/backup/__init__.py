"""Backups: one snapshot of the database with every file that it names, made, checked, restored."""
