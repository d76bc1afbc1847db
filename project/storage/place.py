"""What a place for files must be able to do; a folder and a bucket both can."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

PIECE_BYTES = 1024 * 1024
Content = bytes | Path | Iterable[bytes]


class Stamp(NamedTuple):
    """What shows at a glance whether a file is the one that was looked at before."""

    inode: int
    size: int
    changed_ns: int


class Listed(NamedTuple):
    """One file of a place; `written_at` by the place's own clock."""

    key: str
    size: int
    written_at: datetime


class Place(Protocol):
    """Files by key, such as ``blobs/ab/abcd``; each is there whole or not at all.

    Every method raises what is wrong in words: ArtifactMissing, ArtifactUnreadable, StoreAway,
    StoreRefused, and where it writes ArtifactUnwritable.
    """

    @property
    def title(self) -> str:
        """Where it is, as people are told; holds no secret."""

    @property
    def staging_root(self) -> Path:
        """The folder of this machine in which files for it are best made."""

    def name(self, key: str) -> str:
        """Return where a key is, as people are told."""

    def create(self, key: str, content: Content) -> None:
        """Write a file that is not there yet; raises KeyTaken, and writes nothing, where it is."""

    def replace(self, key: str, content: Content) -> None:
        """Write a file, whatever is there."""

    def stamp(self, key: str, *, is_fresh: bool = False) -> Stamp:
        """Look at a file without reading it; `is_fresh` asks anew what was asked a moment ago."""

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield the bytes of a file, some at a time."""

    def listed(self, beginning: str) -> Iterator[Listed]:
        """Yield every file whose key begins so, in no order."""

    def remove(self, key: str) -> None:
        """Remove a file; one that is not there is no error."""
