"""Reads of serving: keys and what answers now."""
