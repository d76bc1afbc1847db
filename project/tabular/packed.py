"""Unpacking what came from outside, block by block, with limits that no bomb passes."""

import io
import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, BinaryIO, Final, cast

from project import words

MAX_BYTES: Final = 4 * 1024**3  # unpacked; so a log has fewer lines than a batch has rows
MAX_RATIO: Final = 200  # text packs 10 to 30 times; a bomb packs a thousand times
RATIO_APPLIES_FROM: Final = 16 * 1024**2  # bytes unpacked
BLOCK_BYTES: Final = 1024 * 1024
_GZIP = b"\x1f\x8b"


class Unpackable(Exception):
    """A file cannot be unpacked, or is too large unpacked; the message says what to do."""


def unpacked(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a stream in blocks, unpacked where it begins like gzip.

    What begins like gzip and is not, as a whole, is refused: no text begins so.
    """
    first = stream.read(BLOCK_BYTES)
    blocks: Iterator[bytes] = itertools.chain([first], iter(lambda: stream.read(BLOCK_BYTES), b""))
    if first.startswith(_GZIP):
        blocks = _gunzip(blocks)
    size = 0
    for block in blocks:
        size += len(block)
        if size > MAX_BYTES:
            raise Unpackable(
                f"Expected at most {MAX_BYTES / 1024**3:.0f} GiB unpacked; there is more. Split "
                "the file and import the parts."
            )
        yield block


def is_packed(file: IO[bytes]) -> bool:
    """Whether what follows in a file begins like gzip; the file stands where it stood."""
    start = file.tell()
    beginning = file.read(len(_GZIP))
    file.seek(start)
    return beginning == _GZIP


def open_unpacked(file: BinaryIO) -> BinaryIO:
    """Return a stream of what a file at its beginning holds, unpacked where it is packed."""
    if not is_packed(file):
        return file
    return cast(BinaryIO, io.BufferedReader(_Blocks(unpacked(file)), BLOCK_BYTES))


class _Blocks(io.RawIOBase):
    """Blocks of bytes as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _gunzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    packed = total = 0
    member = zlib.decompressobj(wbits=31)
    is_inside = False
    for block in blocks:
        packed += len(block)
        rest = block
        while rest:
            try:
                text = member.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                raise Unpackable(
                    "Expected a whole gzip file; it is damaged after "
                    f"{words.tally(total, 'byte')} ({error}). "
                    "Pack or copy it again."
                ) from error
            is_inside = True
            total += len(text)
            if total > max(RATIO_APPLIES_FROM, MAX_RATIO * packed):
                raise Unpackable(
                    f"Expected a file of rows; {words.tally(packed, 'byte')} "
                    f"{words.bend(packed, 'unpacks', 'unpack')} to more than {total:,}, "
                    "which no text does. Unpack it yourself and look at it before importing it."
                )
            yield text
            rest = member.unconsumed_tail
            if member.eof:
                # Packs may be put one after another; zeros after the last are padding.
                rest = member.unused_data.lstrip(b"\0")
                member = zlib.decompressobj(wbits=31)
                is_inside = False
    if is_inside:
        raise Unpackable(
            f"Expected a whole gzip file; it ends after {words.tally(total, 'byte')} in the "
            "middle. Copy it "
            "again."
        )
