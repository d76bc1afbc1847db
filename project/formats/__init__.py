"""How Django's own pages spell moments: as project.words does."""
