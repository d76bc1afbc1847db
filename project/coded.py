"""Words that are stored as numbers."""

from enum import StrEnum
from typing import Self


class CodedWord(StrEnum):
    """A word with the number under which the database keeps it; that number never changes."""

    code: int

    def __new__(cls, word: str, code: int = 0) -> Self:  # the default is for looking up by word
        member = str.__new__(cls, word)
        member._value_ = word
        member.code = code
        return member

    @classmethod
    def of_code(cls, code: int) -> Self:
        """Return the word that is stored under a number; ValueError for a number of none."""
        for word in cls:
            if word.code == code:
                return word
        raise ValueError(f"Expected a code of {', '.join(cls)}; got {code}.")

    @classmethod
    def codes(cls) -> dict[str, int]:
        """Return each word with its number."""
        return {word.value: word.code for word in cls}

    @classmethod
    def choices(cls) -> list[tuple[int, str]]:
        """Return (number, word) of each, as model fields and forms take them."""
        return [(word.code, word.value) for word in cls]
