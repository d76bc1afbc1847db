"""Real and synthetic rows in one dataset: what each is worth, and how far they differ."""
