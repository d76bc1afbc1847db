"""Finds what a person was called in texts, rows and JSON, and puts something else there."""

import html
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote, quote_plus

LEAST_TELLING: Final = 3  # characters of an id that is looked for within texts
# Fields of JSON whose whole value is an id, in small letters and without separators.
ID_KEYS: Final = frozenset(
    {"userid", "targetid", "user", "target", "externalid", "person", "personid", "left", "right"}
    | {"leftid", "rightid", "member", "members", "owner", "requester", "sessionid"}
)
# What may stand right before and after: "user_1" is named in "session:user_1", "user_1.csv" and
# "(user_1)", and is part of other ids in "user_10", "user_1-b" and "a.user_1".
_BEFORE: Final = r"(?:(?<=session:)|(?<=\\n)|(?<=\\t)|(?<=\\r)|(?<!\w)(?<!\w[-.:]))"
_AFTER: Final = (
    r"(?!\w)(?:(?![-.:]\w)|(?=\.(?:csv|tsv|json|jsonl|ndjson|txt|log|gz|zip|parquet)\b))"
)


def is_telling(name: str) -> bool:
    """Whether an id can be told from other words and numbers in a text."""
    return len(name) >= LEAST_TELLING and not name.isdecimal()


class Mentions:
    """Where texts speak of one person.

    Parameters
    ----------
    replaced : each text to look for, to what is written in its place
    """

    def __init__(self, replaced: Mapping[str, str]) -> None:
        self._all = {text: other for text, other in replaced.items() if text}
        self._exact = {text: other for text, other in self._all.items() if not is_telling(text)}
        self._spelled = {
            spelled: other
            for text, other in self._all.items()
            if is_telling(text)
            for spelled in _spellings(text)
        }

    @property
    def untold(self) -> tuple[str, ...]:
        """Those that cannot be told from other words and numbers: looked for as whole ids alone."""
        return tuple(sorted(self._exact))

    @cached_property
    def patterns(self) -> list[str]:
        """Return patterns of LIKE; what holds none of them mentions nobody."""
        return [f"%{_escaped(text)}%" for text in sorted(self._spelled)]

    @cached_property
    def _regex(self) -> re.Pattern[str] | None:
        # The longest first: of a text within a text all of the outer one goes.
        texts = sorted(self._spelled, key=len, reverse=True)
        inner = "|".join(map(re.escape, texts))
        return re.compile(f"{_BEFORE}(?:{inner}){_AFTER}") if texts else None

    def are_in(self, value: Any) -> bool:
        """Whether a text, or JSON in any depth, mentions the person."""
        return bool(self.without(value) != value)

    def without(self, value: Any, *, key: str = "") -> Any:
        """Return a text or JSON with other words where the person was mentioned.

        Numbers stay as they are, and so does every figure.
        """
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, Mapping):
            return {
                self._text(name, "") if isinstance(name, str) else name: self.without(
                    inner, key=str(name)
                )
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.without(inner, key=key) for inner in value]
        return value

    def name_a_row(self, came: Any) -> bool:
        """Whether a row as it came mentions the person, in a column of ids also by a number."""
        if self.are_in(came):
            return True
        return any(
            str(value) in self._all
            for key, value in _pairs(came)
            if isinstance(value, str | int) and _is_id_key(key)
        )

    def _text(self, text: str, key: str) -> str:
        if text in self._all and (text not in self._exact or _is_id_key(key)):
            return self._all[text]
        if self._regex is None:
            return text
        return self._regex.sub(lambda found: self._spelled[found.group()], text)


def _is_id_key(key: str) -> bool:
    return re.sub(r"[^a-z]", "", key.lower()) in ID_KEYS


def _pairs(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _pairs(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _pairs(inner, key)
    else:
        yield key, value


def _spellings(text: str) -> set[str]:
    """Return how a text is written plainly, in JSON, in an address and in HTML."""
    return {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        html.escape(text),
    }


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
