"""What the quick reading leaves over: refuses what parsers let through, and says why."""

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NoReturn

import msgspec
import orjson

from matching.domain.features.names import LOG_NAMES
from matching.domain.log.format import (
    EARLIEST,
    FEATURES,
    FIELDS,
    ID_FIELDS,
    LABELS,
    MAX_DEPTH,
    MAX_ID_LENGTH,
    MAX_IGNORED_NAMES,
    VIEW,
    LoggedEvent,
)
from matching.domain.words import FeatureSet, MatchType, Outcome, Preset
from project.origin import Origin
from project.tabular.mend import UNREAD

# What each field is asked to be, in the order in which a line with several faults names them.
_EXPECTED = {
    "matchType": f"one of {', '.join(MatchType)}",
    "outcome": f"one of {', '.join((*Outcome, VIEW))}",
    "preset": f"one of {', '.join(Preset)}",
    "timestamp": "whole milliseconds since 1970",
    "label": "0 or 1",
    "features": "an object",
    "source": "a text",
    "featureSet": "a text",
    **dict.fromkeys(ID_FIELDS, "a text"),
}
_REQUIRED = ("matchType", "outcome", "timestamp")
_WORDS = {
    "matchType": frozenset(MatchType.codes()),
    "outcome": frozenset((*Outcome.codes(), VIEW)),
    "preset": frozenset(Preset.codes()),
}


class RefusedLine(Exception):
    """A line that cannot be taken: a key of REASONS, what was expected and what came, and the
    field at fault where it is one."""

    def __init__(self, reason: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


def read_carefully(
    text: bytes, limits: tuple[int, int], origin: str | None
) -> tuple[LoggedEvent, bytes, Counter[str]]:
    """Read a line in any spelling that is allowed; RefusedLine says what is wrong with it.

    Returns
    -------
    The event, its canonical line, and the unknown names that were ignored.
    """
    line = _parse(text)
    for name in UNREAD & line.keys():  # of a file of refused rows: no part of what is said
        del line[name]
    features = line.get("features")
    ignored = Counter(name[:40] for name in line if name not in FIELDS)
    known = {name: value for name, value in line.items() if name in FIELDS and value is not None}
    if type(features) is dict:
        ignored.update(f"features.{name[:40]}" for name in features if name not in FEATURES)
        for name in FEATURES & features.keys():
            if type(features[name]) is int and features[name] in (0, 1):
                features[name] = float(features[name])
        known["features"] = {
            name: value
            for name, value in features.items()
            if name in FEATURES and value is not None
        }
        if features and not FEATURES & features.keys():
            names = ", ".join(name[:40] for name in list(features)[:5])
            raise RefusedLine(
                "unknown_features",
                f"Expected features such as {', '.join(LOG_NAMES[:2])}; none of {names} is known.",
                "features",
            )
    said = line.get("source")
    if type(said) is str and said not in ("real", "synthetic"):
        if said.lower().startswith("synthetic"):
            known["source"] = Origin.SYNTHETIC.value  # "synthetic_v2" must not pass for real
        else:
            del known["source"]
            if said:
                ignored[f"source {said[:40]}"] += 1
    formulas = line.get("featureSet")
    if type(formulas) is str and formulas not in tuple(FeatureSet):
        del known["featureSet"]  # another application's; the values are taken as logged
        ignored[f"featureSet {formulas[:40]}"] += 1
    try:
        event = msgspec.convert(known, LoggedEvent)
    except msgspec.ValidationError:
        _explain_types(known)
    require_consistent(event, limits, origin)
    return event, orjson.dumps(line, option=orjson.OPT_SORT_KEYS), ignored


def is_consistent(event: LoggedEvent, limits: tuple[int, int], origin: str | None) -> bool:
    """Whether `require_consistent` would let an event pass."""
    return (
        limits[0] <= event.timestamp <= limits[1]
        and (event.label is None or event.label == LABELS.get(event.outcome))
        and (origin is None or event.source is None or event.source == origin)
    )


def require_consistent(event: LoggedEvent, limits: tuple[int, int], origin: str | None) -> None:
    """Refuse an event whose fields are each as they should be, but not together or not here.

    Parameters
    ----------
    limits : first and last moment that is possible, milliseconds since 1970
    origin : "real" or "synthetic", when all of the log is said to be of it
    """
    if not limits[0] <= event.timestamp <= limits[1]:
        raise RefusedLine(
            "impossible_timestamp",
            f"Expected timestamp from {limits[0]} ({EARLIEST:%Y-%m-%d}) to {limits[1]} (a day from "
            f"now) in milliseconds; got {event.timestamp}.",
            "timestamp",
        )
    if event.label is not None:
        label = LABELS.get(event.outcome)
        if label is None:
            raise RefusedLine(
                "label_contradicts_outcome",
                f"Expected no label: a {event.outcome} is no outcome; got {event.label}.",
                "label",
            )
        if event.label != label:
            raise RefusedLine(
                "label_contradicts_outcome",
                f"Expected label {label} for outcome {event.outcome}; got {event.label}.",
                "label",
            )
    if origin is not None and event.source is not None and event.source != origin:
        raise RefusedLine(
            "source_contradicts_import",
            f"Expected {origin} events; this line says that it is {event.source}. Import such "
            "events "
            f"with --origin {event.source}.",
            "source",
        )


def sum_ignored(totals: dict[str, int], more: dict[str, int]) -> None:
    """Add counts of unknown names; past MAX_IGNORED_NAMES different ones they are added up."""
    for name, count in more.items():
        known = name in totals or len(totals) < MAX_IGNORED_NAMES
        name = name if known else "others"
        totals[name] = totals.get(name, 0) + count


def _parse(text: bytes) -> dict[str, Any]:
    """Return the object of a line; refuses what JSON parsers commonly let through."""
    if b"\0" in text:
        raise RefusedLine("nul", f"Expected text; got a NUL at byte {text.index(0) + 1}.")
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        _explain_json(text, error)
    if type(event) is not dict:
        raise RefusedLine("not_an_object", f"Expected a JSON object; got {_kind(event)}.")
    _refuse_depth(text)
    json.loads(text, object_pairs_hook=_unique)
    if b"\\u0000" in text and _holds_nul(event):
        raise RefusedLine("nul", "Expected text; got the escape \\u0000.")
    return event


def _explain_json(text: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    """Raise the reason why a line is no JSON."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as problem:
        raise RefusedLine(
            "bad_utf8",
            f"Expected UTF-8; got byte 0x{text[problem.start]:02x} at {problem.start + 1}.",
        ) from None

    def refuse(constant: str) -> NoReturn:
        raise RefusedLine("not_finite", f"Expected a finite number; got {constant}.")

    _refuse_depth(text)
    with suppress(ValueError):
        json.loads(decoded, parse_constant=refuse)
    raise RefusedLine(
        "bad_json", f"Expected JSON; {_fault(error.msg)} (character {error.pos + 1})."
    ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise RefusedLine("duplicate_key", f"Expected each name once; {twice[:40]!r} came again.")
    return unique


def _refuse_depth(text: bytes) -> None:
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH:  # else it cannot be that deep
        depth = _depth(text)
        if depth > MAX_DEPTH:
            raise RefusedLine("too_deep", f"Expected at most {MAX_DEPTH} levels; got {depth}.")


def _depth(text: bytes) -> int:
    """Deepest nesting of objects and arrays; brackets within strings do not count."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # backslash
                escaped = True
            elif byte == 0x22:  # quote
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in name or _holds_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)


def _explain_types(known: dict[str, Any]) -> NoReturn:
    """Raise the reason why the known fields of a line are no LoggedEvent."""
    for name, expected in _EXPECTED.items():
        if name not in known:
            if name in _REQUIRED:
                raise RefusedLine(
                    "missing_field", f"Expected {name}, {expected}; it is absent.", name
                )
            continue
        _explain_field(name, expected, known[name])
    raise AssertionError(f"The validator refuses what nothing here explains: {known!r}")


def _explain_field(name: str, expected: str, value: Any) -> None:
    if name == "features":
        if type(value) is not dict:
            _wrong_type(name, expected, value)
        _explain_features(value.items())
    elif name in ("timestamp", "label"):
        if type(value) is not int:
            _wrong_type(name, expected, value)
    elif type(value) is not str:
        _wrong_type(name, expected, value)
    elif name in _WORDS and value not in _WORDS[name]:
        raise RefusedLine(
            "unknown_value", f"Expected {name} to be {expected}; got {value[:40]!r}.", name
        )
    elif name in ID_FIELDS and not 0 < len(value) <= MAX_ID_LENGTH:
        raise RefusedLine(
            "bad_id",
            f"Expected {name} of 1 to {MAX_ID_LENGTH} characters; got {len(value)}.",
            name,
        )


def _explain_features(features: Iterable[tuple[str, Any]]) -> None:
    for name, value in features:
        if type(value) not in (int, float):
            _wrong_type(f"features.{name}", "a number from 0 to 1", value)
        if not 0 <= value <= 1:
            raise RefusedLine(
                "out_of_range",
                f"Expected features.{name} from 0 to 1; got {value:.10g}.",
                f"features.{name}",
            )


def _fault(said: str) -> str:
    """What a parser says, but for the word that it happened to guess: `null` where `not` stands."""
    return (
        "neither a value nor an object begins here" if said.startswith("invalid literal") else said
    )


def _wrong_type(name: str, expected: str, value: Any) -> NoReturn:
    raise RefusedLine("wrong_type", f"Expected {name} to be {expected}; got {_kind(value)}.", name)


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON, with short values shown."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    if isinstance(value, str):
        return f"the text {shown}"
    return shown if value is None or isinstance(value, bool) else f"the number {shown}"
