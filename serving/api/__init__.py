"""The API under /api/v1/: what it takes, who may ask, what it answers."""
