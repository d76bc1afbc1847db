"""What feedback computes: parsing, statistics, synthetic rows; no Django, clock or network."""
