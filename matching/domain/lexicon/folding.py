"""Folding: from a word as it was written to the known word that it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from matching.domain.lexicon.names import country_codes, language_names, language_of_locale
from matching.domain.lexicon.plain import CACHED, plain, singular
from matching.domain.lexicon.synonyms import (
    BLANKS,
    FURTHER_LANGUAGES,
    FURTHER_RELIGIONS,
    GENDER_WORDS,
    HABIT_WORDS,
    INTEREST_WORDS,
    LANGUAGE_WORDS,
    PERSONALITY_WORDS,
    RELIGION_WORDS,
)
from matching.domain.nations import NATIONALITY_WORDS
from matching.domain.personality import PERSONALITIES
from matching.domain.words import (
    GENDERS,
    INTERESTS,
    LANGUAGES,
    NATIONS,
    RELIGIONS,
    Habit,
)

# Kinds of words whose meaning features ask for; each can be taught.
KINDS: Final = ("interest", "language", "nationality", "religion", "habit", "personality")
# Kinds in which a taught word may stand for itself: of a habit or a temperament that is neither
# more nor less than the known ones nothing follows.
OPEN_KINDS: Final = ("interest", "language", "nationality", "religion")
# Profile field to the kind of its words.
FIELD_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "interests": "interest",
        "languages": "language",
        "nationality": "nationality",
        "religion": "religion",
        "smoking": "habit",
        "drinking": "habit",
        "personality": "personality",
    }
)
# Kind to its known words, as forms offer them; of languages and nationalities there are more.
KNOWN: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "interest": INTERESTS,
        "language": LANGUAGES,
        "nationality": tuple(NATIONS),
        "religion": (*RELIGIONS, *FURTHER_RELIGIONS),
        "habit": tuple(map(str, Habit)),
        "personality": tuple(PERSONALITIES),
        "gender": GENDERS,
    }
)
_SYNONYMS: Final[Mapping[str, Mapping[str, str]]] = {
    "interest": INTEREST_WORDS,
    "language": LANGUAGE_WORDS,
    "nationality": NATIONALITY_WORDS,
    "religion": RELIGION_WORDS,
    "habit": HABIT_WORDS,
    "personality": PERSONALITY_WORDS,
    "gender": GENDER_WORDS,
}
# How serious somebody is about it says nothing of what it is.
_REMARKS: Final = (" and ", " but ", ", ")
# Endings that adjectives take in German and the Romance languages: deutsche, française, italiana.
_ENDINGS: Final = (("er", ""), ("es", ""), ("e", ""), ("a", "o"), ("a", ""), ("o", ""))


class Folded(NamedTuple):
    """What a written word comes to.

    word : the known word that it means, else the word itself in plain form; empty for what says
        nothing, such as "NULL"
    is_known : whether it means a known word
    """

    word: str
    is_known: bool

    @property
    def identity(self) -> str:
        """What two people share who both say it: the known word, or its singular."""
        return self.word if self.is_known else singular(self.word)


@dataclass(frozen=True)
class Lexicon:
    """The vocabulary at a time: our own words, and what was taught or measured beside them.

    Attributes
    ----------
    version : number of changes that were ever made to what is taught; 0 for our own words alone
    taught : kind -> singular plain word -> the known word that it means, empty for a word of its
        own
    shares : interest outside our own -> share of people who have it, in (0, 1); what has none is
        taken as rare
    """

    version: int = 0
    taught: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)

    def fold(self, kind: str, written: str) -> Folded:
        """Return the known word that a word of a kind means, or the plain word where none does."""
        ours = fold(kind, written)
        taught = self.taught.get(kind)
        if not taught or ours.is_known or not ours.word:
            return ours
        key, passed = singular(ours.word), set[str]()
        while key in taught and key not in passed:
            passed.add(key)
            if not taught[key]:
                return Folded(key, True)
            meant = fold(kind, taught[key])
            if meant.is_known:
                return meant
            key = singular(meant.word)
        return ours

    def as_dict(self) -> dict[str, Any]:
        """Return the lexicon as JSON."""
        return {
            "version": self.version,
            "taught": {kind: dict(words) for kind, words in self.taught.items()},
            "shares": dict(self.shares),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Lexicon":
        """Read what `as_dict` wrote; nothing at all is our own words alone."""
        return cls(given.get("version", 0), given.get("taught", {}), given.get("shares", {}))


OWN_WORDS: Final = Lexicon()


@lru_cache(CACHED)
def fold(kind: str, written: str) -> Folded:
    """Fold a word by our own vocabulary, without what was taught.

    Parameters
    ----------
    kind : one of KINDS, or "gender"
    written : the word as it was written

    Returns
    -------
    Folded. A known word in its own spelling comes back at once; everything else is compared without
    case, accents, hyphens, brackets and plurals, and by synonyms; nationalities and languages also
    by the names of countries and languages in many languages, and by their codes.
    """
    table = _tables()[kind]
    if written in table and table[written] == written:
        return Folded(written, True)
    word = plain(written)
    if word not in table and word in BLANKS:
        return Folded("", False)
    known = _find(kind, word)
    return Folded(word, False) if known is None else Folded(known, True)


def _find(kind: str, word: str) -> str | None:
    table = _tables()[kind]
    known = table.get(word) or table.get(singular(word))
    if known is None and kind == "religion":
        known = table.get(_without_remark(word))
    elif known is None and kind == "language":
        known = _language(word)
    elif known is None and kind == "nationality":
        known = _nationality(word)
    return known


def _language(word: str) -> str | None:
    name = language_names().get(word) or language_of_locale(word)
    return None if name is None else _tables()["language"].get(name, name)


def _nationality(word: str) -> str | None:
    code = country_codes().get(word)
    if code is not None:
        return _nations_by_code().get(code)
    # A people and its language often have one name: Deutsch, polski, français.
    languages, table = language_names(), _tables()["nationality"]
    if len(word) < 4 and word.isascii():
        return None  # a code of a language is none of a country
    for ending, instead in (("", ""), *_ENDINGS):
        if word.endswith(ending):
            stem = word[: len(word) - len(ending)] + instead
            if stem in languages and languages[stem] in table:
                return table[languages[stem]]
    return None


def _without_remark(word: str) -> str:
    """ "catholicism but not too serious about it" is catholicism."""
    cuts = [word.find(remark) for remark in _REMARKS if remark in word]
    return word[: min(cuts)].strip() if cuts else word


@lru_cache(1)
def _tables() -> dict[str, dict[str, str]]:
    """Kind to plain words, singulars among them, and the known word of each."""
    tables: dict[str, dict[str, str]] = {}
    for kind, known in KNOWN.items():
        further = FURTHER_LANGUAGES if kind == "language" else ()
        table: dict[str, str] = {word: word for word in (*known, *further)}
        synonyms = {
            word: meaning
            for meaning, listed in _SYNONYMS[kind].items()
            for word in listed.split(", ")
        }
        for word, meaning in (*list(table.items()), *synonyms.items()):
            table.setdefault(plain(word), meaning)
            table.setdefault(singular(plain(word)), meaning)
        tables[kind] = table
    return tables


@lru_cache(1)
def _nations_by_code() -> dict[str, str]:
    return {code: word for word, (code, _, _) in NATIONS.items()} | {"CG": "congolese"}
