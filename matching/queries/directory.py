"""The directory as this process answers from it: mapped, and opened anew when it is written."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from django.conf import settings

from matching.domain.directory import Directory, Roll, Side
from matching.domain.lexicon.folding import Lexicon
from matching.domain.travellers import Vocabulary

logger = logging.getLogger(__name__)

FRESH_SECONDS: Final = 5.0  # since whoever keeps it looked last; an older one is not relied on
_WORDS: Final = ("interests", "languages", "nationalities", "religions", "personalities")
_SIDES: Final = ("users", "groups")


def directory_folder() -> Path:
    """Return where the directory lies."""
    return Path(settings.VAR) / "directory"


def directory_age() -> float | None:
    """Seconds since the directory was last compared with the database; None where there is none."""
    try:
        touched = (directory_folder() / "alive").stat().st_mtime
    except OSError:
        return None
    return max(0.0, time.time() - touched)


@dataclass(frozen=True)
class _Opened:
    stamp: tuple[int, int]
    large: str
    rolls: Mapping[str, Roll]
    vocabulary: Vocabulary
    directory: Directory


class DirectoryView:
    """What one process has mapped of the directory."""

    def __init__(self) -> None:
        self._opened: _Opened | None = None

    def renew(self, shares: Mapping[str, float]) -> Directory | None:
        """Return the directory as it is now; None where nobody keeps one.

        `shares` says how rare interests are that are none of ours, as a `Lexicon` has it.
        """
        age = directory_age()
        if age is None or age > FRESH_SECONDS:
            return None
        try:
            self._opened = self._open(shares)
        except (OSError, ValueError) as error:
            # It was written anew while it was opened: the next look finds it.
            logger.info("The directory cannot be opened: %s", error)
        return None if self._opened is None else self._opened.directory

    def _open(self, shares: Mapping[str, float]) -> _Opened:
        folder, before = directory_folder(), self._opened
        found = (folder / "current.json").stat()
        stamp = (found.st_ino, found.st_mtime_ns)
        is_same = before is not None and before.vocabulary.lexicon.shares is shares
        if before is not None and before.stamp == stamp and is_same:
            return before
        state = orjson.loads((folder / "current.json").read_bytes())
        lexicon = (
            before.vocabulary.lexicon
            if before is not None
            and is_same
            and before.vocabulary.lexicon.version == state["lexicon_version"]
            else Lexicon(state["lexicon_version"], {}, shares)
        )
        words = {name: tuple(state[name]) for name in _WORDS}
        vocabulary = Vocabulary(**words, lexicon=lexicon)
        large = (
            before.rolls
            if before is not None and before.large == state["large"]
            else {side: Roll.open(folder / state["large"] / side) for side in _SIDES}
        )
        small = {side: Roll.open(folder / state["small"] / side) for side in _SIDES}
        sides = {
            side: Side(
                large[side],
                small[side],
                state["gone"],
                vocabulary,
                None if before is None else getattr(before.directory, side),
            )
            for side in _SIDES
        }
        return _Opened(stamp, state["large"], large, vocabulary, Directory(**sides))
