"""Numbers that light modules ask for too; nothing that computes is loaded here."""

from typing import Final

MINIMUM_ROWS: Final = 2  # of a dataset, one for each part
