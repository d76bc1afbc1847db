"""Whether a log is written as the event log is; any other table is read through a mapping."""

from typing import Any, BinaryIO, Final

import orjson

from matching.domain.log.format import (
    BYTE_ORDER_MARK,
    FEATURES,
    ID_FIELDS,
    MAX_LINE_BYTES,
    PREFIX,
    VIEW,
)
from matching.domain.words import MatchType, Outcome

LOOKED_AT: Final = 2_000  # lines
FEW: Final = 0.01  # of the lines that are objects; so many may be broken in themselves
_MATCH_TYPES: Final = frozenset(MatchType.codes())
_OUTCOMES: Final = frozenset(Outcome.codes()) | {VIEW}


def is_native(stream: BinaryIO) -> bool:
    """Whether the first lines that are objects have the fields of the event log, by far most.

    A stream without any such line is not.
    """
    objects = foreign = 0
    for number in range(LOOKED_AT):
        line = stream.readline(MAX_LINE_BYTES)
        if not line:
            break
        if not number:
            line = line.removeprefix(BYTE_ORDER_MARK)
        text = line.strip()
        if text.startswith(PREFIX):
            text = text[len(PREFIX) :].lstrip()
        if not text.startswith(b"{"):
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        objects += 1
        foreign += not _has_fields(value)
    # One line of three may be broken in itself; more of them are another format.
    one = 1 if foreign < objects / 2 else 0
    return objects > 0 and foreign <= max(FEW * objects, one)


def _has_fields(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    features = value.get("features") or {}  # a log may say only who, about whom, what and when
    if not isinstance(features, dict):
        return False
    words = value.get("matchType"), value.get("outcome")
    if not all(isinstance(word, str) for word in words):  # a list is in no set
        return False
    return (
        (not features or bool(FEATURES & features.keys()))
        and words[0] in _MATCH_TYPES
        and words[1] in _OUTCOMES
        and type(value.get("timestamp")) is int
        and type(value.get("label")) in (int, type(None))
        and all(type(value.get(name)) in (str, type(None)) for name in ID_FIELDS)
        and all(type(one) in (int, float, type(None)) for one in features.values())
    )
