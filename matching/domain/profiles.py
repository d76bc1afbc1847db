"""What a valid profile is, in words: the admin, the import and the fixtures refuse the same
things."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from matching.domain.personality import PERSONALITIES, extraversion_of, personality_of
from matching.domain.words import INTERESTS, LANGUAGES, Habit

MIN_AGE, MAX_AGE = 18, 100  # years
MAX_WORDS: Final = 60  # interests or languages of one person; the vocabulary has about half as many
WORD_LENGTH: Final = 40  # characters
TEXT_LENGTHS: Final = {  # characters, as the columns are wide
    "name": 100,
    "archetype": 40,
    "gender": 20,
    "home_city": 100,
    "religion": 40,
    "nationality": 60,
    "profession": 60,
}
LOWER_CASE: Final = frozenset({"gender", "religion", "nationality", "profession"})
WORD_LISTS: Final[Mapping[str, Sequence[str]]] = {"interests": INTERESTS, "languages": LANGUAGES}
WORD_KINDS: Final = {"interests": "interest", "languages": "language"}
CLOSE_MATCHES: Final = 3

_SEPARATORS = re.compile(r"[;|,]")


class InvalidValue(ValueError):
    """A value that a profile cannot have; the message says what was expected and what came."""


def clean_profile(
    values: Mapping[str, Any], known_words: Mapping[str, Collection[str]] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Check a profile and bring it into the form that is stored.

    Parameters
    ----------
    values : field name to value; fields that are absent are left alone
        Text is stripped; None and blank text mean that a field is not set. Lists may be text
        separated by ';', '|' or ','.
    known_words : further words to accept for interests or languages, such as those that the
        record has had before

    Returns
    -------
    cleaned : the fields that are valid. Where only one of personality and extraversion is set,
        the other follows: the label from the range that the number lies in, the number as 0 for an
        introvert, 0.5 for an ambivert and 1 for an extrovert.
    errors : field name to what is wrong, in words
    """
    cleaned: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in values.items():
        if name not in CLEANERS:
            continue
        try:
            if name in WORD_LISTS:
                cleaned[name] = _words(name, value, (known_words or {}).get(name, ()))
            else:
                cleaned[name] = CLEANERS[name](value)
        except InvalidValue as error:
            errors[name] = str(error)
    _check_home(cleaned, errors)
    _relate_personality(cleaned, errors)
    return cleaned, errors


def suggest(word: str, words: Sequence[str]) -> str:
    """Say which known words are like this one; empty when none is.

    Uses the ratio of `difflib.get_close_matches`, at least 0.6.
    """
    close = difflib.get_close_matches(word, words, n=CLOSE_MATCHES)
    return f"did you mean {' or '.join(close)}?" if close else ""


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(length: int, lower: bool) -> Callable[[Any], str]:
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
        return text.lower() if lower else text

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


def _choice(choices: Sequence[str]) -> Callable[[Any], str]:
    def clean(value: Any) -> str:
        if _is_blank(value):
            return ""
        word = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        word = word.strip().lower() if isinstance(word, str) else word
        if word not in choices:
            raise InvalidValue(f"Expected {', '.join(choices)}; got {_shown(value)}.")
        return str(word)

    return clean


def _words(name: str, value: Any, further: Collection[str]) -> list[str]:
    if _is_blank(value):
        return []
    if isinstance(value, str):
        value = _SEPARATORS.split(value)
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise InvalidValue(f"Expected a list of words, got {_shown(value)}.")
    if len(value) > MAX_WORDS:
        raise InvalidValue(f"Expected at most {MAX_WORDS} words, got {len(value):,}.")
    words = list(dict.fromkeys(word.strip().lower() for word in value if word.strip()))
    unknown = [word for word in words if word not in WORD_LISTS[name] and word not in further]
    if unknown:
        said = [
            f"{_shown(word)} is not a known {WORD_KINDS[name]}"
            + (f"; {hint}" if (hint := suggest(word, WORD_LISTS[name])) else ".")
            for word in unknown
        ]
        if not any(suggest(word, WORD_LISTS[name]) for word in unknown):
            said.append(f"Known are {', '.join(WORD_LISTS[name])}.")
        raise InvalidValue(" ".join(said))
    return words


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
    elif personality_of(extraversion) != label:
        errors["personality"] = (
            f"An extraversion of {extraversion:.2f} means {personality_of(extraversion)}, not "
            f"{label}. Change one of them, or leave one empty and it follows from the other."
        )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text if text.isprintable() else repr(text)
    return f"\u201c{text if len(text) <= WORD_LENGTH else text[:WORD_LENGTH] + '…'}\u201d"


CLEANERS: Final[dict[str, Callable[[Any], Any]]] = {
    **{name: _text(length, name in LOWER_CASE) for name, length in TEXT_LENGTHS.items()},
    "age": _age,
    "personality": _choice(tuple(PERSONALITIES)),
    "extraversion": _number(0.0, 1.0, "a number from 0 (introvert) to 1 (extrovert)"),
    "interests": list,
    "languages": list,
    "home_lat": _number(-90.0, 90.0, "degrees north from -90 to 90"),
    "home_lon": _number(-180.0, 180.0, "degrees east from -180 to 180"),
    "smoking": _choice(tuple(Habit)),
    "drinking": _choice(tuple(Habit)),
}
