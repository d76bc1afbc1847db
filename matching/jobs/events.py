"""The work of jobs on batches of match events."""
