"""What matching computes: words, formulas and arrays; no Django, clock or network."""
