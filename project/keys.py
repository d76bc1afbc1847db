"""What a secret key has to be: long, random, and of one purpose."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from project import words

MIN_LENGTH = 40  # characters; 40 of a 62-letter alphabet are more than 200 bits
MIN_BITS = 105  # by the frequencies of its characters; 40 random digits have about 117
EXAMPLE = "change-me"
MAKE_ONE = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'


def weakness(key: str) -> str:
    """Say what is wrong with a key of production, as what follows its name; empty: nothing."""
    if not key:
        return "is missing"
    if EXAMPLE in key:
        return "still has the example's value"
    if len(key) < MIN_LENGTH:
        return f"has {words.tally(len(key), 'character')}"
    if _period(key) <= len(key) // 2 or _bits(key) < MIN_BITS:
        return "repeats a few characters"
    return ""


def equal_keys(keys: Mapping[str, str], fallbacks: Mapping[str, Sequence[str]]) -> str:
    """Name two settings of different purposes that hold the same key; empty: none.

    Whoever learns a key of one purpose must not hold those of the others. Earlier keys may be equal
    among themselves: that is how an installation that had one key for all comes to have three.

    Parameters
    ----------
    keys : name of a setting to its key.
    fallbacks : name of a setting with earlier keys to these; ``<name of the key>_FALLBACKS``.
    """
    names = list(keys)
    for number, name in enumerate(names):
        for other in names[number + 1 :]:
            if keys[name] == keys[other]:
                return f"{name} and {other}"
        for other, earlier in fallbacks.items():
            if other != f"{name}_FALLBACKS" and keys[name] in earlier:
                return f"{name} and {other}"
    return ""


def _period(key: str) -> int:
    """Return after how many characters a text begins again; its length if it does not."""
    border = [0] * len(key)
    for end in range(1, len(key)):
        size = border[end - 1]
        while size and key[end] != key[size]:
            size = border[size - 1]
        border[end] = size + (key[end] == key[size])
    return len(key) - border[-1]


def _bits(key: str) -> float:
    """Return what its characters would hold if they were drawn with the frequencies they have.

    A run of one character counts as one of it.
    """
    drawn = [character for character, _ in groupby(key)]
    counts = Counter(drawn).values()
    return -sum(count * math.log2(count / len(drawn)) for count in counts)
