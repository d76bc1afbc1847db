"""What a valid profile is, in words: the admin, the import and the fixtures refuse the same
things."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from matching.domain.lexicon.folding import FIELD_KINDS, Folded, fold
from matching.domain.lexicon.plain import plain
from matching.domain.lexicon.synonyms import BLANKS
from matching.domain.personality import PERSONALITIES, extraversion_of, personality_of

MIN_AGE, MAX_AGE = 18, 100  # years
MAX_WORDS: Final = 60  # interests or languages of one person; the vocabulary has about half as many
WORD_LENGTH: Final = 40  # characters
TEXT_LENGTHS: Final = {"name": 100, "archetype": 40, "home_city": 100}  # characters, as the columns
# Field to the kind of its word, and how long an unknown one may be, as the columns are wide.
WORD_FIELDS: Final[Mapping[str, tuple[str, int]]] = {
    "gender": ("gender", 20),
    "religion": ("religion", 40),
    "nationality": ("nationality", 60),
    "smoking": ("habit", WORD_LENGTH),
    "drinking": ("habit", WORD_LENGTH),
    "personality": ("personality", WORD_LENGTH),
}
PROFESSION_LENGTH: Final = 60
LIST_KINDS: Final[Mapping[str, str]] = {"interests": "interest", "languages": "language"}

_SEPARATORS = re.compile(r"[;|,]")


class InvalidValue(ValueError):
    """A value that a profile cannot have; the message says what was expected and what came."""


def clean_profile(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Check a profile and bring it into the form that is stored.

    Parameters
    ----------
    values : field name to value; fields that are absent are left alone
        Text is stripped; None and blank text mean that a field is not set, and so does a word that
        says so, such as "NULL". Lists may be text separated by ';', '|' or ','.

    Returns
    -------
    cleaned : the fields that are valid. A word that means a known one by our own vocabulary is
        stored as the known one; any other is kept as it was written, stripped and in lower case.
        What was taught is not written into profiles: it may be taught differently tomorrow.
        Where only one of personality and extraversion is set, the other follows: the label from the
        range that the number lies in, the number as 0 for an introvert, 0.5 for an ambivert and 1
        for an extrovert.
    errors : field name to what is wrong, in words
    """
    cleaned: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in values.items():
        if name not in CLEANERS:
            continue
        try:
            cleaned[name] = CLEANERS[name](value)
        except InvalidValue as error:
            errors[name] = str(error)
    _check_home(cleaned, errors)
    _relate_personality(cleaned, errors)
    return cleaned, errors


def fold_words(values: Mapping[str, Any]) -> Iterator[tuple[str, str, Folded]]:
    """Go through the words of a profile whose meaning features ask for.

    Yields
    ------
    kind, the word as it was written, and what it comes to by our own vocabulary; nothing for
    fields that are not set or no words at all.
    """
    for name, kind in FIELD_KINDS.items():
        value = values.get(name)
        for written in _listed(value) if name in LIST_KINDS else [value]:
            if isinstance(written, str) and written.strip():
                yield kind, written.strip(), fold(kind, written)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(length: int) -> Callable[[Any], str]:
    def clean(value: Any) -> str:
        if _is_blank(value):
            return ""
        if not isinstance(value, str):
            raise InvalidValue(f"Expected text, got {_shown(value)}.")
        text = value.strip()
        if len(text) > length:
            raise InvalidValue(f"Expected at most {length} characters, got {len(text):,}.")
        if not text.isprintable():
            raise InvalidValue(f"Expected printable text, got {_shown(text)}.")
        return text

    return clean


def _number(low: float, high: float, what: str) -> Callable[[Any], float | None]:
    def clean(value: Any) -> float | None:
        if _is_blank(value):
            return None
        try:
            if isinstance(value, bool):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise InvalidValue(f"Expected {what}, got {_shown(value)}.") from None
        if not (math.isfinite(number) and low <= number <= high):
            raise InvalidValue(f"Expected {what}, got {_shown(value)}.")
        return number

    return clean


def _age(value: Any) -> int | None:
    wanted = f"a whole number of years from {MIN_AGE} to {MAX_AGE}"
    number = _number(MIN_AGE, MAX_AGE, wanted)(value)
    if number is None:
        return None
    if number != int(number):
        raise InvalidValue(f"Expected {wanted}, got {_shown(value)}.")
    return int(number)


def _word(kind: str, length: int) -> Callable[[Any], str]:
    as_text = _text(length)

    def clean(value: Any) -> str:
        if isinstance(value, bool) and kind == "habit":
            value = "yes" if value else "no"
        if not isinstance(value, str):
            return as_text(value)
        folded = fold(kind, value)
        # What is too long as it was written may well mean something.
        return folded.word if folded.is_known or not folded.word else as_text(value).lower()

    return clean


def _profession(value: Any) -> str:
    text = _text(PROFESSION_LENGTH)(value).lower()
    return "" if plain(text) in BLANKS else text


def _words(kind: str) -> Callable[[Any], list[str]]:
    clean_word = _word(kind, WORD_LENGTH)

    def clean(value: Any) -> list[str]:
        words = _listed(value)
        if not all(isinstance(word, str) for word in words):
            raise InvalidValue(f"Expected a list of words, got {_shown(value)}.")
        if len(words) > MAX_WORDS:
            raise InvalidValue(f"Expected at most {MAX_WORDS} words, got {len(words):,}.")
        cleaned = dict.fromkeys(clean_word(word) for word in words)
        return [word for word in cleaned if word]

    return clean


def _listed(value: Any) -> list[Any]:
    """The words of a list, or of text that lists them."""
    if _is_blank(value):
        return []
    if isinstance(value, str):
        return _SEPARATORS.split(value)
    return list(value) if isinstance(value, list | tuple) else [value]


def _check_home(cleaned: Mapping[str, Any], errors: dict[str, str]) -> None:
    if not {"home_lat", "home_lon"} <= cleaned.keys():
        return
    for name, other, word in (
        ("home_lat", "home_lon", "latitude"),
        ("home_lon", "home_lat", "longitude"),
    ):
        if cleaned[name] is None and cleaned[other] is not None:
            errors[name] = f"Expected both coordinates or none; the {word} is missing."


def _relate_personality(cleaned: dict[str, Any], errors: dict[str, str]) -> None:
    if not {"personality", "extraversion"} <= cleaned.keys():
        return
    label, extraversion = cleaned["personality"], cleaned["extraversion"]
    if extraversion is None:
        cleaned["extraversion"] = extraversion_of(label)
    elif not label:
        cleaned["personality"] = personality_of(extraversion)
    elif label in PERSONALITIES and personality_of(extraversion) != label:
        errors["personality"] = (
            f"An extraversion of {extraversion:.2f} means {personality_of(extraversion)}, not "
            f"{label}. Change one of them, or leave one empty and it follows from the other."
        )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text if text.isprintable() else repr(text)
    return f"\u201c{text if len(text) <= WORD_LENGTH else text[:WORD_LENGTH] + '…'}\u201d"


CLEANERS: Final[dict[str, Callable[[Any], Any]]] = {
    **{name: _text(length) for name, length in TEXT_LENGTHS.items()},
    **{name: _word(kind, length) for name, (kind, length) in WORD_FIELDS.items()},
    **{name: _words(kind) for name, kind in LIST_KINDS.items()},
    "profession": _profession,
    "age": _age,
    "extraversion": _number(0.0, 1.0, "a number from 0 (introvert) to 1 (extrovert)"),
    "home_lat": _number(-90.0, 90.0, "degrees north from -90 to 90"),
    "home_lon": _number(-180.0, 180.0, "degrees east from -180 to 180"),
}
