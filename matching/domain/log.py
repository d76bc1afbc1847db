"""The event log: a strict, streaming reader and a writer of one JSON object a line."""

import json
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, BinaryIO, Final, NoReturn

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from matching.domain.features.names import LOG_NAMES
from matching.domain.words import MATCH_TYPES, OUTCOMES, PRESETS

PREFIX: Final = b"[ML_MATCH_EVENT]"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

MAX_LINE_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_ID_LENGTH: Final = 200  # characters; external ids of profiles have at most 100
MAX_IGNORED_NAMES: Final = 50  # different unknown names that are counted one by one
EXCERPT_LENGTH: Final = 200  # characters
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW: Final = timedelta(days=1)  # how far ahead of ours a logging machine's clock may be
CHUNK_LINES: Final = 16_384
READ_BYTES: Final = 1024 * 1024

# Codes are as stored, from 1; 0 stands for "not said".
SOURCES: Final = ("real", "synthetic")
POSITIVE_OUTCOMES: Final = OUTCOMES["chat"]  # accept and chat, the lowest codes, are label 1
_MATCH_TYPE_CODES: Final = {name: code for code, name in enumerate(MATCH_TYPES, 1)}
_OUTCOME_CODES: Final = dict(OUTCOMES)
_PRESET_CODES: Final = {name: code for code, name in enumerate(PRESETS, 1)}
_SOURCE_CODES: Final = {name: code for code, name in enumerate(SOURCES, 1)}

ID_FIELDS: Final = ("eventId", "userId", "targetId", "groupId", "modelVersion")
_FIELDS: Final = frozenset(
    ("matchType", "features", "outcome", "label", "preset", "timestamp", "source", *ID_FIELDS)
)
_FEATURES: Final = frozenset(LOG_NAMES)

# Reason code of a refused line to what it means.
REASONS: Final = {
    "line_too_long": "the line is longer than 1 MiB",
    "bad_utf8": "the line is not UTF-8",
    "nul": "the line holds a NUL character",
    "bad_json": "the line is not JSON",
    "not_finite": "NaN or Infinity stands for a number",
    "too_deep": "the JSON is nested too deeply",
    "not_an_object": "the JSON is no object",
    "duplicate_key": "a name stands twice in one object",
    "missing_field": "a required field is absent",
    "wrong_type": "a field has the wrong type",
    "unknown_value": "a field has a value outside its vocabulary",
    "out_of_range": "a feature lies outside 0 to 1",
    "impossible_timestamp": "the time lies before 2000 or in the future",
    "label_contradicts_outcome": "the label is not that of the outcome",
    "bad_id": "an id is empty or too long",
    "source_contradicts_import": "a synthetic event in an import of real ones, or the reverse",
}


@dataclass(frozen=True)
class RejectedLine:
    """A line that was not taken.

    line : number in the file, from 1
    reason : a key of REASONS
    message : what was expected and what came
    excerpt : the beginning of the line
    """

    line: int
    reason: str
    message: str
    excerpt: str


@dataclass(frozen=True)
class EventColumns:
    """Events as columns of n rows.

    match_type : int16 (n,), 1 user_user, 2 user_group
    outcome : int16 (n,), a code of `vocabulary.OUTCOMES`
    preset : int16 (n,), position in `vocabulary.PRESETS` plus 1; 0 when not said
    source : int16 (n,), 1 real, 2 synthetic, 0 when not said
    occurred_ms : int64 (n,), milliseconds since 1970 in UTC
    features : float32 (n, 13) in [0, 1], columns as `features.FEATURE_NAMES`; NaN missing
    ids : for each of ID_FIELDS a list of n texts, None when not said
    """

    match_type: npt.NDArray[np.int16]
    outcome: npt.NDArray[np.int16]
    preset: npt.NDArray[np.int16]
    source: npt.NDArray[np.int16]
    occurred_ms: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    ids: dict[str, list[str | None]]

    def __len__(self) -> int:
        return len(self.match_type)

    @property
    def label(self) -> npt.NDArray[np.bool_]:
        """True for accept and chat: bool (n,)."""
        return self.outcome <= POSITIVE_OUTCOMES


@dataclass(frozen=True)
class LogChunk:
    """What a stretch of a log holds.

    events, lines, keys : the good events; their line numbers, int64 (n,); their keys, uint8 (n, 16)
    rejected : the other lines that are not blank
    ignored : unknown name ("features.x", "x", "source x") to how often it came
    next_line, next_offset : number and byte offset of the first line after the stretch
    """

    events: EventColumns
    lines: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint8]
    rejected: list[RejectedLine]
    ignored: dict[str, int]
    next_line: int
    next_offset: int


# The parsed object, its codes (match type, outcome, preset, source, time), features and ids.
_Codes = tuple[int, int, int, int, int]
_Ids = tuple[str | None, ...]
_Event = tuple[dict[str, Any], _Codes, list[float], _Ids]


class _Refused(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass
class _LongLine:
    """A line of which only the beginning was kept."""

    head: bytes
    length: int


def read_log(
    stream: BinaryIO,
    *,
    now: datetime,
    source: str | None = None,
    line: int = 1,
    offset: int = 0,
    chunk_lines: int = CHUNK_LINES,
) -> Iterator[LogChunk]:
    """Read a log chunk by chunk; memory depends on the chunk, not on the file or its lines.

    Every line gives an event, a rejected line or, when blank, nothing. An event's key is a 128-bit
    BLAKE2b digest of its eventId or, without one, of the canonical line: the parsed object written
    again without spaces, names sorted, features as floating-point numbers. So neither the order of
    names, spaces, the prefix nor line ends make another event.

    Parameters
    ----------
    stream : binary file, positioned at `offset`
    now : aware datetime; an event may lie at most CLOCK_SKEW after it
    source : "real" or "synthetic", optional
        Lines that say that they are of the other source are rejected.
    line, offset : number of the first line to read, from 1, and where it begins
    chunk_lines : lines of a chunk, blank ones included

    Yields
    ------
    LogChunk; at least one, so that an empty log says that it is empty.
    """
    limits = (_milliseconds(EARLIEST), _milliseconds(now + CLOCK_SKEW))
    code = 0 if source is None else _SOURCE_CODES[source]
    chunk = _Chunk(limits, code)
    read = 0
    for raw, end in _lines(stream, offset):
        chunk.take(line, raw)
        line += 1
        offset = end
        read += 1
        if read == chunk_lines:
            yield chunk.finish(line, offset)
            chunk = _Chunk(limits, code)
            read = 0
    if read or line == 1:
        yield chunk.finish(line, offset)


def write_log(events: EventColumns) -> bytes:
    """Write events in the format that `read_log` reads, one line each.

    Names come in a fixed order; what is missing or not said is left out. Features are written with
    as many digits as tell float32 apart, so reading gives the very same values.

    Parameters
    ----------
    events : EventColumns

    Returns
    -------
    UTF-8 with "\\n" after each line.
    """
    if not len(events):
        return b""
    features = []
    for column, name in enumerate(LOG_NAMES):
        values = pa.array(events.features[:, column], from_pandas=True)
        written = _prefixed(f',"{name}":', pc.cast(values, pa.string()))
        features.append(pc.fill_null(written, ""))
    # Joined without a comma before the first one that is there.
    inside = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*features, ""), 1)
    parts = [
        _prefixed('"matchType":', _names(MATCH_TYPES, events.match_type)),
        pc.binary_join_element_wise('"features":{', inside, "}", ""),
        _prefixed('"outcome":', _names(tuple(OUTCOMES), events.outcome)),
        _prefixed('"label":', pc.cast(pa.array(events.label.astype(np.int8)), pa.string())),
        _prefixed('"preset":', _names(PRESETS, events.preset)),
        _prefixed('"timestamp":', pc.cast(pa.array(events.occurred_ms), pa.string())),
        _prefixed('"source":', _names(SOURCES, events.source)),
    ]
    for name in ID_FIELDS:
        values = events.ids[name]
        if any(value is not None for value in values):
            quoted = [None if value is None else orjson.dumps(value).decode() for value in values]
            parts.append(_prefixed(f'"{name}":', pa.array(quoted, pa.string())))
    objects = pc.binary_join_element_wise(*parts, ",", null_handling="skip")
    lines = pc.binary_join_element_wise("{", objects, "}\n", "")
    # The lines stand one after another in the buffer of the column, which may be larger.
    return bytes(memoryview(lines.buffers()[2])[: pc.sum(pc.binary_length(lines)).as_py()])


def event_key(event_id: str) -> bytes:
    """Digest of an eventId: the 16 bytes under which the event is known."""
    return blake2b(b"eventId:" + event_id.encode(), digest_size=16).digest()


def sum_ignored(totals: dict[str, int], more: dict[str, int]) -> None:
    """Add counts of unknown names; past MAX_IGNORED_NAMES different ones they are added up."""
    for name, count in more.items():
        known = name in totals or len(totals) < MAX_IGNORED_NAMES
        name = name if known else "others"
        totals[name] = totals.get(name, 0) + count


def excerpt_of(raw: bytes) -> str:
    """The beginning of a line as text that can be stored: no NUL, no broken UTF-8."""
    text = raw[: 4 * EXCERPT_LENGTH].decode("utf-8", "replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:EXCERPT_LENGTH]


@dataclass
class _Chunk:
    limits: tuple[int, int]
    source: int = 0
    lines: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    features: "array[float]" = field(default_factory=lambda: array("d"))
    ids: list[tuple[str | None, ...]] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)

    def take(self, line: int, raw: bytes | _LongLine) -> None:
        if isinstance(raw, _LongLine):
            message = f"Expected at most {MAX_LINE_BYTES:,} bytes; got {raw.length:,}."
            self.rejected.append(RejectedLine(line, "line_too_long", message, excerpt_of(raw.head)))
            return
        if line == 1 and raw.startswith(BYTE_ORDER_MARK):
            raw = raw[len(BYTE_ORDER_MARK) :]
        text = raw.strip()
        if not text:
            return
        if text.startswith(PREFIX):
            text = text[len(PREFIX) :].lstrip()
        try:
            self._take_event(line, text)
        except _Refused as refused:
            self.rejected.append(
                RejectedLine(line, refused.reason, refused.message, excerpt_of(raw))
            )

    def _take_event(self, line: int, text: bytes) -> None:
        plain = _read_plain(text, self.limits)
        event, codes, values, ids = plain or self._read_carefully(text)
        if self.source and codes[3] and codes[3] != self.source:
            raise _Refused(
                "source_contradicts_import",
                f"Expected {SOURCES[self.source - 1]} events; this line says that it is "
                f"{SOURCES[codes[3] - 1]}. Import such events with --source {SOURCES[codes[3] - 1]}.",
            )
        if ids[0] is not None:
            key = event_key(ids[0])
        else:
            canonical = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
            key = blake2b(canonical, digest_size=16).digest()
        # Nothing may fail from here on: the lists grow together.
        self.lines.append(line)
        self.keys.append(key)
        self.codes += codes
        self.features.extend(values)
        self.ids.append(ids)

    def _read_carefully(self, text: bytes) -> _Event:
        event = _parse(text)
        codes, ids = _check(event, self.limits)
        features = event["features"]
        ignored = [name[:40] for name in event if name not in _FIELDS]
        ignored += [f"features.{name[:40]}" for name in features if name not in _FEATURES]
        if not codes[3] and event.get("source") is not None:
            ignored.append(f"source {event['source'][:40]}")
        sum_ignored(self.ignored, Counter(ignored))
        values = [features.get(name) for name in LOG_NAMES]
        return event, codes, [math.nan if value is None else value for value in values], ids

    def finish(self, next_line: int, next_offset: int) -> LogChunk:
        count = len(self.lines)
        codes = np.array(self.codes, np.int64).reshape(count, 5)
        ids = list(zip(*self.ids, strict=True)) or [()] * len(ID_FIELDS)
        small = codes[:, :4].astype(np.int16)
        return LogChunk(
            events=EventColumns(
                match_type=np.ascontiguousarray(small[:, 0]),
                outcome=np.ascontiguousarray(small[:, 1]),
                preset=np.ascontiguousarray(small[:, 2]),
                source=np.ascontiguousarray(small[:, 3]),
                occurred_ms=np.ascontiguousarray(codes[:, 4]),
                features=np.array(self.features, np.float32).reshape(count, len(LOG_NAMES)),
                ids={name: list(values) for name, values in zip(ID_FIELDS, ids, strict=True)},
            ),
            lines=np.array(self.lines, np.int64),
            keys=np.frombuffer(b"".join(self.keys), np.uint8).reshape(count, 16),
            rejected=self.rejected,
            ignored=self.ignored,
            next_line=next_line,
            next_offset=next_offset,
        )


def _lines(stream: BinaryIO, offset: int) -> Iterator[tuple[bytes | _LongLine, int]]:
    """Lines without their ends, each with the offset behind it; long ones are not held."""
    rest = b""
    long: _LongLine | None = None
    while block := stream.read(READ_BYTES):
        pieces = block.split(b"\n")
        last = pieces.pop()
        if pieces:
            if long is not None:
                long.length += len(pieces[0])
                offset += long.length + 1
                yield long, offset
                long = None
                del pieces[0]
            else:
                pieces[0] = rest + pieces[0]
            rest = b""
        for piece in pieces:
            offset += len(piece) + 1
            yield (piece if len(piece) <= MAX_LINE_BYTES else _shortened(piece)), offset
        if long is not None:
            long.length += len(last)
        else:
            rest += last
            if len(rest) > MAX_LINE_BYTES:
                long, rest = _shortened(rest), b""
    if long is not None:
        yield long, offset + long.length
    elif rest:
        yield rest, offset + len(rest)


def _shortened(line: bytes) -> _LongLine:
    return _LongLine(line[: 4 * EXCERPT_LENGTH], len(line))


def _read_plain(text: bytes, limits: tuple[int, int]) -> _Event | None:
    """Read a line that is in no way unusual; None leaves the verdict to `_parse` and `_check`.

    Nearly every line of a log is plain. This asks of it everything that they ask, in the order of
    what is cheap, and three times as fast.
    """
    try:
        event = orjson.loads(text)
        features = event["features"]
        codes = (
            _MATCH_TYPE_CODES[event["matchType"]],
            _OUTCOME_CODES[event["outcome"]],
            _PRESET_CODES[event["preset"]] if "preset" in event else 0,
            _SOURCE_CODES[event["source"]] if "source" in event else 0,
            event["timestamp"],
        )
        if type(codes[4]) is not int or not limits[0] <= codes[4] <= limits[1]:
            return None
        if "label" in event:
            label = event["label"]
            if type(label) is not int or label != (codes[1] <= POSITIVE_OUTCOMES):
                return None
        for value in features.values():
            if type(value) is not float or not 0.0 <= value <= 1.0:
                return None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    get = event.get
    ids = (get("eventId"), get("userId"), get("targetId"), get("groupId"), get("modelVersion"))
    for value in ids:
        if value is not None and (type(value) is not str or not 0 < len(value) <= MAX_ID_LENGTH):
            return None
    # One colon follows a quote for each name: more of them mean that a name came twice, and with a
    # backslash in the line the count proves nothing.
    if (
        b"\\" in text
        or text.count(b'":') != len(event) + len(features)
        or not _FIELDS.issuperset(event)
        or not _FEATURES.issuperset(features)
    ):
        return None
    return event, codes, [features.get(name, math.nan) for name in LOG_NAMES], ids


def _parse(text: bytes) -> dict[str, Any]:
    """Return the object of a line; refuses what JSON parsers commonly let through."""
    if b"\0" in text:
        raise _Refused("nul", f"Expected text; got a NUL at byte {text.index(0) + 1}.")
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        _explain(text, error)
    if type(event) is not dict:
        raise _Refused("not_an_object", f"Expected a JSON object; got {_kind(event)}.")
    _refuse_depth(text)
    json.loads(text, object_pairs_hook=_unique)
    if b"\\u0000" in text and _holds_nul(event):
        raise _Refused("nul", "Expected text; got the escape \\u0000.")
    return event


def _explain(text: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    """Raise the reason why a line is no JSON."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as problem:
        raise _Refused(
            "bad_utf8",
            f"Expected UTF-8; got byte 0x{text[problem.start]:02x} at {problem.start + 1}.",
        ) from None

    def refuse(constant: str) -> NoReturn:
        raise _Refused("not_finite", f"Expected a finite number; got {constant}.")

    _refuse_depth(text)
    with suppress(ValueError):
        json.loads(decoded, parse_constant=refuse)
    raise _Refused("bad_json", f"Expected JSON; {error.msg} (character {error.pos + 1}).") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _Refused("duplicate_key", f"Expected each name once; {twice[:40]!r} came again.")
    return unique


def _refuse_depth(text: bytes) -> None:
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH:  # else it cannot be that deep
        depth = _depth(text)
        if depth > MAX_DEPTH:
            raise _Refused("too_deep", f"Expected at most {MAX_DEPTH} levels; got {depth}.")


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


def _check(event: dict[str, Any], limits: tuple[int, int]) -> tuple[_Codes, _Ids]:
    """Return codes and ids of an event whose every known field is as it should be."""
    match_type = _code(event, "matchType", _MATCH_TYPE_CODES, required=True)
    outcome = _code(event, "outcome", _OUTCOME_CODES, required=True)
    preset = _code(event, "preset", _PRESET_CODES)
    timestamp = event.get("timestamp")
    if type(timestamp) is not int:
        _wrong_type("timestamp", "whole milliseconds since 1970", timestamp)
    if not limits[0] <= timestamp <= limits[1]:
        raise _Refused(
            "impossible_timestamp",
            f"Expected timestamp from {limits[0]} (2000-01-01) to {limits[1]} (a day from now) in "
            f"milliseconds; got {timestamp}.",
        )
    label = event.get("label")
    if label is not None:
        if type(label) is not int:
            _wrong_type("label", "0 or 1", label)
        if label != (outcome <= POSITIVE_OUTCOMES):
            raise _Refused(
                "label_contradicts_outcome",
                f"Expected label {int(outcome <= POSITIVE_OUTCOMES)} for outcome {event['outcome']}; "
                f"got {label}.",
            )
    features = event.get("features")
    if type(features) is not dict:
        _wrong_type("features", "an object", features)
    for name, value in features.items():
        if type(value) is not float:
            if value is None or name not in _FEATURES:
                continue
            if type(value) is not int:
                _wrong_type(f"features.{name}", "a number from 0 to 1", value)
            if value in (0, 1):  # others are refused below, as they came
                value = features[name] = float(value)
        if not 0.0 <= value <= 1.0 and name in _FEATURES:
            raise _Refused(
                "out_of_range", f"Expected features.{name} from 0 to 1; got {value:.10g}."
            )
    source = event.get("source")
    if source is not None and type(source) is not str:
        _wrong_type("source", "a text", source)
    ids = tuple(map(event.get, ID_FIELDS))
    for name, value in zip(ID_FIELDS, ids, strict=True):
        if value is None:
            continue
        if type(value) is not str:
            _wrong_type(name, "a text", value)
        if not 0 < len(value) <= MAX_ID_LENGTH:
            raise _Refused(
                "bad_id", f"Expected {name} of 1 to {MAX_ID_LENGTH} characters; got {len(value)}."
            )
    source_code = _SOURCE_CODES.get(source or "", 0)
    if source and source.lower().startswith("synthetic"):
        source_code = _SOURCE_CODES["synthetic"]  # "synthetic_v2" must not pass for real
    codes = (match_type, outcome, preset, source_code, timestamp)
    return codes, ids


def _code(
    event: dict[str, Any], name: str, codes: dict[str, int], *, required: bool = False
) -> int:
    value = event.get(name)
    if value is None and not required:
        return 0
    if type(value) is not str:
        _wrong_type(name, f"one of {', '.join(codes)}", value)
    code = codes.get(value)
    if code is None:
        raise _Refused(
            "unknown_value", f"Expected {name} to be one of {', '.join(codes)}; got {value[:40]!r}."
        )
    return code


def _wrong_type(name: str, expected: str, value: Any) -> NoReturn:
    if value is None:
        raise _Refused("missing_field", f"Expected {name}, {expected}; it is absent.")
    raise _Refused("wrong_type", f"Expected {name} to be {expected}; got {_kind(value)}.")


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


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _prefixed(prefix: str, values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, values, "")


def _names(words: Sequence[str], codes: npt.NDArray[np.int16]) -> pa.Array:
    """Quoted words of codes; null for 0."""
    quoted = pa.array([None, *(f'"{word}"' for word in words)], pa.string())
    return quoted.take(pa.array(codes))
