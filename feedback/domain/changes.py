"""What is done about a row that is known with other content."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final


class OnChange(StrEnum):
    """What becomes of a row whose identity is stored with other content."""

    REPLACE = "replace"
    KEEP = "keep"
    REFUSE = "refuse"


ON_CHANGE_MEANINGS: Final[Mapping[str, str]] = {
    OnChange.REPLACE: "replace: what came takes the place of what is stored",
    OnChange.KEEP: "keep: what is stored stays",
    OnChange.REFUSE: "refuse: what is stored stays, and what came is a refused row",
}
CHANGES_KEPT: Final = 20  # of one row: the first, and the newest
REFUSED_AS_ASKED: Final = "it was asked that such rows are refused"


def describe_change(columns: Sequence[str], why: str) -> str:
    """Say why a row with other content than the stored one does not take its place."""
    return f"{', '.join(columns)}: other than what is stored, and {why}."
