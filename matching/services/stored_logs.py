"""Logs laid down for a job: unpacked, named by their digest, opened once more by a worker."""

import hashlib
import itertools
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from django.conf import settings

from project.refusal import Refusal

MAX_LOG_BYTES = 4 * 1024**3  # unpacked; so a file has fewer lines than a batch has rows
MAX_PACKED_RATIO = 200  # event logs pack 10 to 30 times; a bomb packs a thousand times
RATIO_APPLIES_FROM = 16 * 1024**2  # bytes unpacked
BLOCK_BYTES = 1024 * 1024
KEEP_SECONDS = 7 * 24 * 3600  # of a stored log whose import was never finished


class LogUnreadable(Exception):
    """A file cannot be unpacked, or is too large unpacked."""


@dataclass(frozen=True)
class StoredLog:
    """A log laid down for a job, unpacked, under the SHA-256 of its bytes.

    name : what the person called it; shown, never used as a path
    """

    sha256: str
    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"Expected a SHA-256 in hexadecimal digits; got {self.sha256!r}.")

    @property
    def path(self) -> Path:
        return _folder() / self.sha256

    def as_dict(self) -> dict[str, str]:
        """Return the log as a job's argument."""
        return {"sha256": self.sha256, "name": self.name}


def store_log(stream: BinaryIO, name: str, *, folder: Path | None = None) -> StoredLog:
    """Lay a log down, unpacked when it begins like gzip; the same bytes are stored once.

    Raises
    ------
    LogUnreadable
        When it cannot be unpacked or is larger than MAX_LOG_BYTES.
    """
    folder = folder or _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_old(folder)
    digest = hashlib.sha256()
    with NamedTemporaryFile(dir=folder, prefix="incoming-", delete=False) as target:
        try:
            for block in _unpacked(stream):
                digest.update(block)
                target.write(block)
            target.close()
            Path(target.name).replace(folder / digest.hexdigest())
        finally:
            Path(target.name).unlink(missing_ok=True)
    shown = Path(name.replace("\0", "")).name[-255:]
    return StoredLog(digest.hexdigest(), shown or "log")


def _folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "event-logs"


def _remove_old(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_file() and time.time() - path.stat().st_mtime > KEEP_SECONDS:
            path.unlink(missing_ok=True)


def _unpacked(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of the log's text; a pack is opened block by block and never trusted."""
    first = stream.read(BLOCK_BYTES)
    blocks: Iterator[bytes] = itertools.chain([first], iter(lambda: stream.read(BLOCK_BYTES), b""))
    if first.startswith(b"\x1f\x8b"):
        blocks = _gunzip(blocks)
    size = 0
    for block in blocks:
        size += len(block)
        if size > MAX_LOG_BYTES:
            raise LogUnreadable(
                f"Expected at most {MAX_LOG_BYTES / 1024**3:.0f} GiB of lines; there is more. "
                "Split the "
                "log and import the parts."
            )
        yield block


def _gunzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    packed = unpacked = 0
    member = zlib.decompressobj(wbits=31)
    is_inside = False
    for block in blocks:
        packed += len(block)
        rest = block
        while rest:
            try:
                text = member.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                raise LogUnreadable(
                    f"Expected a whole gzip file; it is damaged after {unpacked:,} bytes "
                    f"({error}). "
                    "Pack or copy it again."
                ) from error
            is_inside = True
            unpacked += len(text)
            if unpacked > max(RATIO_APPLIES_FROM, MAX_PACKED_RATIO * packed):
                raise LogUnreadable(
                    f"Expected a log; {packed:,} bytes unpack to more than {unpacked:,}, which no "
                    "log "
                    "does. Unpack it yourself and look at it before importing it."
                )
            yield text
            rest = member.unconsumed_tail
            if member.eof:
                # Packs may be put one after another; zeros after the last are padding.
                rest = member.unused_data.lstrip(b"\0")
                member = zlib.decompressobj(wbits=31)
                is_inside = False
    if is_inside:
        raise LogUnreadable(
            f"Expected a whole gzip file; it ends after {unpacked:,} bytes in the middle. Copy it "
            "again."
        )


@contextmanager
def open_log(stored: StoredLog) -> Iterator[BinaryIO]:
    try:
        stream = stored.path.open("rb")
    except FileNotFoundError:
        raise Refusal(
            f"The stored copy of {stored.name} is not there any more.",
            remedy="Import the file again.",
        ) from None
    with stream:
        yield stream
