"""What a job that succeeded says of itself: a headline, how good it is, its figures."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

HEADLINE_LENGTH: Final = 300  # characters


class Outcome(StrEnum):
    """How good it is that a job succeeded: only the first one is shown as good."""

    REACHED = "succeeded"
    IN_PART = "in part"
    UNCHANGED = "nothing to do"
    IN_VAIN = "without effect"
    TO_LOOK_AT = "look at it"
    HANDED_ON = "handed on"


@dataclass(frozen=True)
class Figure:
    """A figure of a result, spelt as it is shown: its interval or share is the note."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Said:
    """A headline in words, what it comes to, and the figures that stand below it."""

    text: str
    outcome: Outcome = Outcome.REACHED
    figures: tuple[Figure, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        text = self.text[:1].upper() + self.text[1:HEADLINE_LENGTH]
        return {**asdict(self), "text": text}


# Of a kind: what it says of a result of its own work.
Says = Callable[[Mapping[str, Any]], Said]


def landed(
    done: int, asked: int, *, noun: str, text: str = "", figures: tuple[Figure, ...] = ()
) -> Said:
    """Say that `done` of `asked` came to something; good only where all of them did.

    `text` says more than "2 of 3 rows landed."
    """
    headline = f"{text or f'{done:,} of {asked:,} {noun} landed'}."
    if not asked:
        return Said(headline, Outcome.UNCHANGED, figures)
    if not done:
        return Said(headline, Outcome.IN_VAIN, figures)
    return Said(headline, Outcome.REACHED if done >= asked else Outcome.IN_PART, figures)
