"""Taking things out: what would go and what stands on it, the job that removes, the receipt."""
