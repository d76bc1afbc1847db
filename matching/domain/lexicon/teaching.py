"""What can be taught: a word that nobody knows, and a meaning that is known."""

import difflib
from typing import Final

from matching.domain.lexicon.folding import KNOWN, OPEN_KINDS, Lexicon, fold
from matching.domain.lexicon.plain import singular

CLOSE: Final = 3  # known words that are named as like one that is not known
LISTED: Final = 12  # known words of a kind are all named where they are no more


class Unteachable(ValueError):
    """A word or a meaning that cannot be taught.

    Attributes
    ----------
    field : "word" or "meaning"
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_lesson(lexicon: Lexicon, kind: str, word: str, meaning: str) -> tuple[str, str]:
    """Return a word and what it means in the form that is kept.

    Parameters
    ----------
    lexicon : what is known, without this lesson
    meaning : a known word, or another way of writing one; empty for a word of its own

    Raises
    ------
    Unteachable
        For a word that our own vocabulary has, one that says nothing, and a meaning that is not
        known or is needed and missing.
    """
    ours = fold(kind, word)
    if ours.is_known:
        raise Unteachable(
            "word",
            f"{_quoted(word)} is known: it means {ours.word}. Only words that nobody knows can be "
            "taught.",
        )
    if not ours.word:
        raise Unteachable("word", f"{_quoted(word)} says nothing, so it cannot mean anything.")
    if not meaning.strip():
        if kind in OPEN_KINDS:
            return ours.word, ""
        raise Unteachable("meaning", f"A {kind} has to mean a known one: {_known(kind)}.")
    meant = lexicon.fold(kind, meaning)
    if singular(meant.word) == singular(ours.word):
        raise Unteachable("meaning", "It would mean itself; leave this empty for that.")
    if not meant.is_known:
        close = close_words(kind, meaning)
        hint = f"did you mean {' or '.join(close)}?" if close else f"Known are {_known(kind)}."
        raise Unteachable("meaning", f"{_quoted(meaning)} is not a known {kind}; {hint}")
    return ours.word, meant.word


def close_words(kind: str, word: str) -> list[str]:
    """Return known words that are spelt like this one, at most three."""
    return difflib.get_close_matches(word.strip().lower(), KNOWN[kind], n=CLOSE)


def _known(kind: str) -> str:
    words = KNOWN[kind]
    return ", ".join(words[:LISTED]) + (f" and {len(words) - LISTED} more" * (len(words) > LISTED))


def _quoted(word: str) -> str:
    return f"\u201c{word.strip()}\u201d"
