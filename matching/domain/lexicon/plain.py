"""A word without what makes no difference: case, accents, hyphens, brackets, plural."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

CACHED: Final = 65_536  # distinct words; a table of a million people has some thousands

_BRACKETS: Final = re.compile(r"\s*[(\[{][^)\]}]*[)\]}]\s*")
# What joins the parts of a word in one spelling and not in another.
_JOINTS: Final = re.compile(r"[\s_/\u2010-\u2015-]+")
_EDGES: Final = " .,;:!?*\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
# Letters that Unicode does not take apart.
_LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "\u0131": "i",
        "æ": "ae",
        "œ": "oe",
        "\u2018": "'",
        "\u2019": "'",
    }
)
# Endings of words that are no plurals: tennis, chess, bus, aerobics.
_NO_PLURAL: Final = ("ss", "us", "is", "ics")
_HISSING: Final = ("ches", "shes", "xes", "sses", "zzes")


@lru_cache(CACHED)
def plain(word: str) -> str:
    """Return a word as it is compared: folded case, Latin letters without accents, single spaces.

    Remarks in brackets go ("english (fluently)"), and so do hyphens, underscores and what stands at
    the edges; a word that is a remark and nothing else stays. Marks of other scripts are letters
    there and stay.
    """
    folded = unicodedata.normalize("NFKC", word).casefold()
    bare = _BRACKETS.sub(" ", folded)
    bare = _JOINTS.sub(" ", bare if bare.strip(_EDGES) else folded)
    return _without_accents(bare).translate(_LETTERS).strip(_EDGES)


@lru_cache(CACHED)
def singular(word: str) -> str:
    """Return a plain word without English plurals: "board games" and "board game" are one.

    An approximation that only has to be the same for both, not to be a word.
    """
    return " ".join(_one(part) for part in word.split())


def _one(part: str) -> str:
    if len(part) < 4 or not part.endswith("s") or part.endswith(_NO_PLURAL):
        return part
    if part.endswith("ies") and len(part) > 4:
        return f"{part[:-3]}y"
    return part[:-2] if part.endswith(_HISSING) else part[:-1]


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    kept, is_latin = [], False
    for sign in unicodedata.normalize("NFD", text):
        if unicodedata.combining(sign):
            if is_latin:
                continue
        else:
            is_latin = unicodedata.name(sign, "").startswith("LATIN")
        kept.append(sign)
    return unicodedata.normalize("NFC", "".join(kept))
