"""The event log: one JSON object a line, read strictly and written so that nothing is lost."""
