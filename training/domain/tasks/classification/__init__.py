"""A label 0 or 1: its probability is fitted, calibrated, and held against the rule score."""
