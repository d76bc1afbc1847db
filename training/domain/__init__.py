"""What training computes: estimators, measures, gates, quality; no Django, clock or network."""
