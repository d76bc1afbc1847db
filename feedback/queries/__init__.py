"""Reads of feedback: from the sources and from its own records."""
