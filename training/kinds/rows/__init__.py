"""The rows of kinds: read from the database, and predicted by other means. They load pandas."""
