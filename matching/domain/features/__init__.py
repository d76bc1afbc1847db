"""The features of a match: what they are called, how each set of formulas scores a pair, and
why."""
