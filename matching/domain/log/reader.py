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
    LABELS,
    MAX_LINE_BYTES,
    PREFIX,
    VIEW,
    EventColumns,
    LoggedEvent,
    as_columns,
)
from project.tabular.mend import EXCERPT_LENGTH, excerpt_of

CHUNK_LINES: Final = 16_384
CHUNK_BYTES: Final = 32 * 1024 * 1024  # of a chunk's lines, however few they are
READ_BYTES: Final = 1024 * 1024
BLOCK_LINES: Final = (
    2_048  # lines that are parsed together: an unusual one slows no more than these
)
NEWLINE, OPENING, CLOSING = b"\n{}"
NAME_END = int.from_bytes(b'":', "little")

_decode = msgspec.json.Decoder(LoggedEvent).decode
_decode_lines = msgspec.json.Decoder(LoggedEvent).decode_lines
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_encode_lines = msgspec.json.Encoder(order="sorted").encode_lines
_said_together = attrgetter("label", "outcome", "source")


@dataclass(frozen=True)
class RejectedLine:
    """A line that was not taken.

    line : number in the file, from 1
    reason : a key of REASONS
    message : what was expected and what came
    raw : the line as it stands in the file, of a long one the beginning
    field : what is at fault, empty where all of the line is
    is_cut : whether `raw` is not all that stands there
    """

    line: int
    reason: str
    message: str
    raw: bytes
    field: str = ""
    is_cut: bool = False

    @property
    def excerpt(self) -> str:
        """The beginning of the line."""
        return excerpt_of(self.raw)


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
    """A line of which only the beginning was kept; it is as long as it was."""

    head: bytes
    length: int

    def __len__(self) -> int:
        return self.length


Line = bytes | LongLine


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
    held: list[Line] = []
    size = 0

    def read() -> LogChunk:
        nonlocal held, size, line, offset
        numbers = range(line, line + len(held))
        line, offset = numbers.stop, offset + size
        taken, held, size = held, [], 0
        return read_lines(taken, now=now, origin=origin, numbers=numbers, next_offset=offset)

    for lines, ends in _blocks(stream):
        start = 0
        while start < len(lines):
            some = lines[start : start + chunk_lines - len(held)]
            start += len(some)
            held += some
            size += sum(map(len, some)) + len(some)
            if start == len(lines):
                size -= not ends
            if len(held) == chunk_lines or size >= CHUNK_BYTES:
                yield read()
    if held or line == 1:
        yield read()


def read_lines(
    lines: Sequence[Line],
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
    if next_line is None:
        next_line = numbers[-1] + 1 if len(numbers) else 1
    chunk = _Chunk(_limits(now), origin)
    for start in range(0, len(lines), BLOCK_LINES):
        block = slice(start, start + BLOCK_LINES)
        chunk.take(lines[block], numbers[block], None if originals is None else originals[block])
    return chunk.finish(next_line, next_offset)


def event_key(event_id: str) -> bytes:
    """Digest of an eventId: the 16 bytes under which the event is known."""
    return blake2b(b"eventId:" + event_id.encode(), digest_size=16).digest()


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

    def take(
        self, lines: Sequence[Line], numbers: Sequence[int], originals: Sequence[bytes] | None
    ) -> None:
        """Take a block of lines; `originals` are what they were written from, where given."""
        if max(map(len, lines)) > MAX_LINE_BYTES:
            short = [place for place, line in enumerate(lines) if not self._is_long(line)]
            for place, line in enumerate(lines):
                if self._is_long(line):
                    self._refuse_long(line, numbers[place], originals[place] if originals else None)
            self._take_some(lines, numbers, originals, short)
            return
        texts = [line.strip() for line in lines]  # type: ignore[union-attr]  # none is long
        if numbers[0] == 1 and texts[0].startswith(BYTE_ORDER_MARK):
            texts[0] = texts[0][len(BYTE_ORDER_MARK) :].strip()
        if not all(texts):
            full = [place for place, text in enumerate(texts) if text]
            if numbers[0] == 1 and 0 in full:
                lines = [texts[0], *lines[1:]]  # its mark is gone
            self._take_some(lines, numbers, originals, full)
            return
        if any(text.startswith(PREFIX) for text in texts):
            texts = [
                text[len(PREFIX) :].lstrip() if text.startswith(PREFIX) else text for text in texts
            ]
        self._settle(texts, numbers, originals or lines)  # type: ignore[arg-type]

    def _take_some(
        self,
        lines: Sequence[Line],
        numbers: Sequence[int],
        originals: Sequence[bytes] | None,
        places: list[int],
    ) -> None:
        if places:
            self.take(
                [lines[place] for place in places],
                [numbers[place] for place in places],
                None if originals is None else [originals[place] for place in places],
            )

    @staticmethod
    def _is_long(line: Line) -> bool:
        return len(line) > MAX_LINE_BYTES

    def _refuse_long(self, line: Line, number: int, original: bytes | None) -> None:
        head = line.head if isinstance(line, LongLine) else line
        message = f"Expected at most {MAX_LINE_BYTES:,} bytes; got {len(line):,}."
        raw = (head if original is None else original)[: 4 * EXCERPT_LENGTH]
        self.rejected.append(RejectedLine(number, "line_too_long", message, raw, is_cut=True))

    def _settle(
        self, texts: list[bytes], numbers: Sequence[int], originals: Sequence[bytes]
    ) -> None:
        """Read a block: together where all of its lines are plain, else one by one."""
        together = read_plain_lines(texts)
        if together is None:
            for number, text, original in zip(numbers, texts, originals, strict=True):
                self._read(number, text, original)
            return
        events, canonical = together
        if self._are_consistent(events):
            self.lines += numbers
            self.originals += originals
            self.events += events
            self.keys += keys_of(events, canonical)
            return
        for number, text, original, event, written in zip(
            numbers, texts, originals, events, canonical, strict=True
        ):
            if is_consistent(event, self.limits, self.origin):
                self._add(number, event, written, original)
            else:
                self._read(number, text, original)  # which says why not

    def _are_consistent(self, events: list[LoggedEvent]) -> bool:
        """Whether `is_consistent` says so of all, and none is a view; told by what differs."""
        moments = [event.timestamp for event in events]
        return (
            self.limits[0] <= min(moments)
            and max(moments) <= self.limits[1]
            and all(
                (label is None or label == LABELS.get(outcome))
                and outcome != VIEW
                and (self.origin is None or source is None or source == self.origin)
                for label, outcome, source in set(map(_said_together, events))
            )
        )

    def _read(self, line: int, text: bytes, raw: bytes) -> None:
        plain = read_plain(text, self.limits, self.origin)
        if plain is not None:
            self._add(line, *plain, raw)
            return
        try:
            event, canonical, ignored = read_carefully(text, self.limits, self.origin)
        except RefusedLine as refused:
            self.rejected.append(
                RejectedLine(line, refused.reason, refused.message, raw, refused.field)
            )
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
        self.keys += keys_of([event], [canonical])

    def finish(self, next_line: int, next_offset: int) -> LogChunk:
        self.rejected.sort(key=attrgetter("line"))  # long lines were refused at once
        feature_sets = Counter(event.feature_set for event in self.events)
        return LogChunk(
            events=as_columns(self.events),
            lines=np.array(self.lines, np.int64),
            keys=np.frombuffer(b"".join(self.keys), np.uint8).reshape(len(self.keys), 16),
            originals=self.originals,
            rejected=self.rejected,
            ignored=self.ignored,
            exposures=self.exposures,
            feature_sets={name or "": count for name, count in feature_sets.items()},
            next_line=next_line,
            next_offset=next_offset,
        )


def keys_of(events: Sequence[LoggedEvent], canonical: Sequence[bytes]) -> list[bytes]:
    """Return the digests under which events are known: of their eventId, else of their line."""
    return [
        blake2b(line, digest_size=16).digest()
        if event.event_id is None
        else event_key(event.event_id)
        for event, line in zip(events, canonical, strict=True)
    ]


def read_plain_lines(texts: Sequence[bytes]) -> tuple[list[LoggedEvent], list[bytes]] | None:
    """Read lines that are in no way unusual, all of them at once, in half the time of one by one.

    They are parsed as one text. That each line is one event follows from what is looked at before:
    no text holds the end of a line, which the parser refuses, so that none reaches into the next
    line; and since no event holds a list, what begins with "{" and ends with "}" and is not one
    event is an error there, where the next line begins, or changes their number. Names that come
    twice are counted, as in `read_plain`.

    Returns
    -------
    The events and their canonical lines; None when that leaves any doubt.
    """
    joined = b"\n".join(texts)
    if not joined or b"\\" in joined:
        return None
    characters = np.frombuffer(joined, np.uint8)
    breaks = np.flatnonzero(characters == NEWLINE)
    if len(breaks) != len(texts) - 1 or characters[-1] == NEWLINE:
        return None
    starts, ends = np.append(breaks + 1, 0), np.append(breaks - 1, -1)
    if (characters[starts] != OPENING).any() or (characters[ends] != CLOSING).any():
        return None
    try:
        events = _decode_lines(joined)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    written = _encode_lines(events)
    if len(events) != len(texts) or _count_names(joined) != _count_names(written):
        return None
    return events, written.split(b"\n")[:-1]


def _count_names(text: bytes) -> int:
    """Count a quote before a colon: as pairs of bytes, which begin at even or at odd places."""
    pairs = (np.frombuffer(text, "<u2", (len(text) - start) // 2, start) for start in (0, 1))
    return sum(int(np.count_nonzero(some == NAME_END)) for some in pairs)


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


def _blocks(stream: BinaryIO) -> Iterator[tuple[list[Line], bool]]:
    """Lines without their ends, some at a time, and whether the last of them has an end.

    Long lines are not held.
    """
    rest = b""
    long: LongLine | None = None
    while block := stream.read(READ_BYTES):
        first, *others = block.split(b"\n")
        last = others.pop() if others else first
        if len(block) > len(last):
            if long is not None:
                long.length += len(first)
            yield [_held(rest + first) if long is None else long, *others], True
            rest, long = b"", None
        if long is not None:
            long.length += len(last)
        else:
            rest += last
            if len(rest) > MAX_LINE_BYTES:
                long, rest = _shortened(rest), b""
    if long is not None or rest:
        yield [rest if long is None else long], False


def _held(line: bytes) -> Line:
    return line if len(line) <= MAX_LINE_BYTES else _shortened(line)


def _shortened(line: bytes) -> LongLine:
    return LongLine(line[: 4 * EXCERPT_LENGTH], len(line))


def _limits(now: datetime) -> tuple[int, int]:
    return _milliseconds(EARLIEST), _milliseconds(now + CLOCK_SKEW)


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
