"""A strict, streaming reader: every line gives an event, a refused line or, when blank, nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from operator import attrgetter
from typing import BinaryIO, Final

import msgspec
import numpy as np
import numpy.typing as npt

from matching.domain.log.careful import (
    RefusedLine,
    is_consistent,
    read_carefully,
    require_consistent,
    sum_ignored,
)
from matching.domain.log.format import (
    BYTE_ORDER_MARK,
    CLOCK_SKEW,
    EARLIEST,
    EXCERPT_LENGTH,
    MAX_LINE_BYTES,
    PREFIX,
    VIEW,
    EventColumns,
    LoggedEvent,
    as_columns,
)

CHUNK_LINES: Final = 16_384
CHUNK_BYTES: Final = 32 * 1024 * 1024  # of a chunk's lines, however few they are
READ_BYTES: Final = 1024 * 1024
BLOCK_LINES: Final = (
    2_048  # lines that are parsed together: an unusual one slows no more than these
)
QUOTE, OPENING, CLOSING = b'"{}'

_decode = msgspec.json.Decoder(LoggedEvent).decode
_decode_all = msgspec.json.Decoder(list[LoggedEvent]).decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


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
class LogChunk:
    """What a stretch of a log holds.

    events, lines, keys : the good events; their line numbers, int64 (n,); their keys, uint8 (n, 16)
    originals : the good lines as they stood in the file
    rejected : the other lines that are not blank
    ignored : unknown name ("features.x", "x", "source x") to how often it came
    exposures : good lines that say only that somebody was shown: no events
    feature_sets : name of the formulas that a good line says, empty where it says none, to how
        often
    next_line, next_offset : number and byte offset of the first line after the stretch
    """

    events: EventColumns
    lines: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint8]
    originals: list[bytes]
    rejected: list[RejectedLine]
    ignored: dict[str, int]
    exposures: int
    feature_sets: dict[str, int]
    next_line: int
    next_offset: int

    def take(self, rows: npt.NDArray[np.int64]) -> "LogChunk":
        """Return the chunk with some of its good events, and all that it says of other lines."""
        return replace(
            self,
            events=self.events.take(rows),
            lines=self.lines[rows],
            keys=self.keys[rows],
            originals=[self.originals[row] for row in rows],
        )


@dataclass
class LongLine:
    """A line of which only the beginning was kept."""

    head: bytes
    length: int

    def __len__(self) -> int:
        return len(self.head)


def read_log(
    stream: BinaryIO,
    *,
    now: datetime,
    origin: str | None = None,
    line: int = 1,
    offset: int = 0,
    chunk_lines: int = CHUNK_LINES,
) -> Iterator[LogChunk]:
    """Read a log chunk by chunk; memory depends on the chunk, not on the file or its lines.

    An event's key is a 128-bit BLAKE2b digest of its eventId or, without one, of the canonical
    line: the parsed object written again without spaces, names sorted, features as floating-point
    numbers. So neither the order of names, spaces, the prefix nor line ends make another event.

    Parameters
    ----------
    stream : binary file, positioned at `offset`
    now : aware datetime; an event may lie at most CLOCK_SKEW after it
    origin : "real" or "synthetic", optional
        Lines that say that they are of the other are rejected.
    line, offset : number of the first line to read, from 1, and where it begins
    chunk_lines : lines of a chunk, blank ones included

    Yields
    ------
    LogChunk; at least one, so that an empty log says that it is empty.
    """
    held: list[bytes | LongLine] = []
    size = 0
    for raw, end in _lines(stream, offset):
        held.append(raw)
        size += len(raw)
        offset = end
        if len(held) == chunk_lines or size >= CHUNK_BYTES:
            numbers = range(line, line + len(held))
            line = numbers.stop
            yield read_lines(held, now=now, origin=origin, numbers=numbers, next_offset=offset)
            held, size = [], 0
    if held or line == 1:
        numbers = range(line, line + len(held))
        yield read_lines(held, now=now, origin=origin, numbers=numbers, next_offset=offset)


def read_lines(
    lines: Sequence[bytes | LongLine],
    *,
    now: datetime,
    origin: str | None = None,
    numbers: Sequence[int] | None = None,
    originals: Sequence[bytes] | None = None,
    next_line: int | None = None,
    next_offset: int = 0,
) -> LogChunk:
    """Read lines that are separated already; `read_log` reads those of a stream with it.

    So rows of another format, written as lines of the log, land by the very same rules.

    Parameters
    ----------
    lines : one JSON object each, without line ends; blank ones count nowhere
    now, origin : as of `read_log`
    numbers : their numbers in the file that they came from, ascending; without any, from 1
    originals : as they stood in that file, for the excerpt of a refused one; else the lines
    next_line, next_offset : where to go on after them; only passed along

    Returns
    -------
    LogChunk; `next_line` is one more than the last number where it is not given.
    """
    if numbers is None:
        numbers = range(1, len(lines) + 1)
    chunk = _Chunk(_limits(now), origin)
    for place, (number, line) in enumerate(zip(numbers, lines, strict=True)):
        chunk.take(number, _held(line), None if originals is None else originals[place])
    if next_line is None:
        next_line = numbers[-1] + 1 if len(numbers) else 1
    return chunk.finish(next_line, next_offset)


def event_key(event_id: str) -> bytes:
    """Digest of an eventId: the 16 bytes under which the event is known."""
    return blake2b(b"eventId:" + event_id.encode(), digest_size=16).digest()


def excerpt_of(raw: bytes) -> str:
    """The beginning of a line as text that can be stored: no NUL, no broken UTF-8."""
    text = raw[: 4 * EXCERPT_LENGTH].decode("utf-8", "replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:EXCERPT_LENGTH]


@dataclass
class _Chunk:
    limits: tuple[int, int]
    origin: str | None = None
    lines: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    originals: list[bytes] = field(default_factory=list)
    events: list[LoggedEvent] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)
    exposures: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[int, bytes, bytes]] = field(default_factory=list)

    def take(self, line: int, raw: bytes | LongLine, original: bytes | None = None) -> None:
        """Take a line; `original` is what it was written from, where it did not stand so."""
        if isinstance(raw, LongLine):
            message = f"Expected at most {MAX_LINE_BYTES:,} bytes; got {raw.length:,}."
            excerpt = excerpt_of(raw.head if original is None else original)
            self.rejected.append(RejectedLine(line, "line_too_long", message, excerpt))
            return
        if line == 1 and raw.startswith(BYTE_ORDER_MARK):
            raw = raw[len(BYTE_ORDER_MARK) :]
        text = raw.strip()
        if not text:
            return
        if text.startswith(PREFIX):
            text = text[len(PREFIX) :].lstrip()
        self.waiting.append((line, text, raw if original is None else original))
        if len(self.waiting) == BLOCK_LINES:
            self._settle()

    def _settle(self) -> None:
        """Read the lines that wait: together where all of them are plain, else one by one."""
        texts = [text for _, text, _ in self.waiting]
        together = read_plain_lines(texts)
        if together is None:
            for line, text, raw in self.waiting:
                self._read(line, text, raw)
        else:
            for (line, text, raw), event, canonical in zip(self.waiting, *together, strict=True):
                if is_consistent(event, self.limits, self.origin):
                    self._add(line, event, canonical, raw)
                else:
                    self._read(line, text, raw)  # which says why not
        self.waiting.clear()

    def _read(self, line: int, text: bytes, raw: bytes) -> None:
        plain = read_plain(text, self.limits, self.origin)
        if plain is not None:
            self._add(line, *plain, raw)
            return
        try:
            event, canonical, ignored = read_carefully(text, self.limits, self.origin)
        except RefusedLine as refused:
            excerpt = excerpt_of(raw)
            self.rejected.append(RejectedLine(line, refused.reason, refused.message, excerpt))
            return
        sum_ignored(self.ignored, ignored)
        self._add(line, event, canonical, raw)

    def _add(self, line: int, event: LoggedEvent, canonical: bytes, raw: bytes) -> None:
        if event.outcome == VIEW:
            self.exposures += 1
            return
        self.lines.append(line)
        self.originals.append(raw)
        self.events.append(event)
        self.keys.append(
            blake2b(canonical, digest_size=16).digest()
            if event.event_id is None
            else event_key(event.event_id)
        )

    def finish(self, next_line: int, next_offset: int) -> LogChunk:
        self._settle()
        self.rejected.sort(key=attrgetter("line"))  # long lines were refused at once
        return LogChunk(
            events=as_columns(self.events),
            lines=np.array(self.lines, np.int64),
            keys=np.frombuffer(b"".join(self.keys), np.uint8).reshape(len(self.keys), 16),
            originals=self.originals,
            rejected=self.rejected,
            ignored=self.ignored,
            exposures=self.exposures,
            feature_sets=dict(Counter(event.feature_set or "" for event in self.events)),
            next_line=next_line,
            next_offset=next_offset,
        )


def read_plain_lines(texts: Sequence[bytes]) -> tuple[list[LoggedEvent], list[bytes]] | None:
    """Read lines that are in no way unusual, all of them at once, in half the time of one by one.

    They are parsed as one list. That each line is one event follows from what is looked at before:
    without a backslash, an even number of quotes ends every text within its line, and since no
    event holds a list, a line from "{" to "}" that is not an event of its own is an error there or
    changes their number. Names that come twice are counted, as in `read_plain`.

    Returns
    -------
    The events and their canonical lines; None when that leaves any doubt.
    """
    joined = b",".join(texts)
    if not joined or b"\\" in joined:
        return None
    characters = np.frombuffer(joined, np.uint8)
    ends = np.cumsum([len(text) + 1 for text in texts]) - 1  # where the commas are
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (starts >= ends).any():
        return None
    quotes = np.add.reduceat(characters == QUOTE, starts)
    is_object = (characters[starts] == OPENING) & (characters[ends - 1] == CLOSING)
    if (quotes % 2).any() or not is_object.all():
        return None
    try:
        events = _decode_all(b"[%b]" % joined)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    canonical = [_encode_sorted(event) for event in events]
    if len(events) != len(texts) or joined.count(b'":') != b"".join(canonical).count(b'":'):
        return None
    return events, canonical


def read_plain(
    text: bytes, limits: tuple[int, int], origin: str | None
) -> tuple[LoggedEvent, bytes] | None:
    """Read a line that is in no way unusual; None leaves the verdict to `read_carefully`.

    Nearly every line of a log is plain. The same types are asked for as there. A name that comes
    twice escapes the parser, but not the count of names: one colon follows a quote for each, unless
    there is a backslash in the line, and then the count proves nothing.

    Returns
    -------
    The event and its canonical line, or None.
    """
    try:
        event = _decode(text)
        require_consistent(event, limits, origin)
    except (msgspec.MsgspecError, RefusedLine, UnicodeDecodeError, RecursionError):
        return None
    canonical = _encode_sorted(event)
    if b"\\" in text or text.count(b'":') != canonical.count(b'":'):
        return None
    return event, canonical


def _lines(stream: BinaryIO, offset: int) -> Iterator[tuple[bytes | LongLine, int]]:
    """Lines without their ends, each with the offset behind it; long ones are not held."""
    rest = b""
    long: LongLine | None = None
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
            yield _held(piece), offset
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


def _held(line: bytes | LongLine) -> bytes | LongLine:
    if isinstance(line, LongLine) or len(line) <= MAX_LINE_BYTES:
        return line
    return _shortened(line)


def _shortened(line: bytes) -> LongLine:
    return LongLine(line[: 4 * EXCERPT_LENGTH], len(line))


def _limits(now: datetime) -> tuple[int, int]:
    return _milliseconds(EARLIEST), _milliseconds(now + CLOCK_SKEW)


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
