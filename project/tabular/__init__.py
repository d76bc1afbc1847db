"""Rows out of files, one reader for each format."""
