"""Keeps the directory of everybody: encoded once, and what changed since beside it.

One process of a machine keeps it (`manage.py directory`), in a folder that all its processes read:

    current.json      names the folders that hold now, and says with which words they were encoded
    alive             is touched with each look at the database; an old one is not relied on, so
                      that while everybody is read anew the database answers
    <name>/           one generation of rolls: users/ and groups/, one file an array
"""

import fcntl
import logging
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import orjson

from matching.domain.directory import NOBODY, Encoded, NoRoom, Roll, hash_names, width_for
from matching.domain.lexicon.folding import Lexicon
from matching.domain.travellers import Vocabulary
from matching.queries.changes import (
    changes_since,
    everybody,
    load_frames,
    snapshot_now,
    vocabulary_of_all,
    with_their_groups,
)
from matching.queries.words import taught_lexicon
from project import clock

logger = logging.getLogger(__name__)

MOST_CHANGED: Final = 3_000  # travellers of the small rolls; more are merged into the large ones
MOST_NOTED: Final = 50_000  # changes read at once; beyond, reading everybody anew is as fast
UNSEEN_SECONDS: Final = 1_800.0  # without a look, after which changes may have been forgotten


class AlreadyKept(RuntimeError):
    """Another process of this machine keeps the directory."""


@dataclass
class _Rolls:
    """A generation on disk."""

    name: str
    users: Roll
    groups: Roll


class Keeper:
    """Builds the directory, and follows what changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rolls: tuple[_Rolls, ...] = ()  # the large and the small; none before the first look
        self._vocabulary = Vocabulary()
        self._widths = (0, 0)
        self._changed: set[str] = set()
        self._snapshot = ""
        self._looked_at = 0.0  # seconds since 1970

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from keeping it too.

        Raises
        ------
        AlreadyKept
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "kept").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise AlreadyKept(
                    f"Another process keeps the directory in {self._folder}."
                ) from error
            # Nobody is led to what another process kept: much may have changed since.
            (self._folder / "alive").unlink(missing_ok=True)
            self._sweep()
            yield

    def look(self) -> int:
        """Take in what changed since the last look; return how many travellers that were."""
        now = clock.now().timestamp()
        lexicon = taught_lexicon()
        if (
            not self._rolls
            or lexicon.version != self._vocabulary.lexicon.version
            or not 0 <= now - self._looked_at < UNSEEN_SECONDS
        ):
            return self._build(now, lexicon)
        changes = changes_since(self._snapshot, MOST_NOTED)
        if changes.names is None:
            return self._build(now, lexicon)
        ended = self._ended(self._looked_at, now)
        found = with_their_groups(changes.names | ended) if changes.names or ended else set()
        if found:
            try:
                self._take_in(found)
            except NoRoom:
                return self._build(now, lexicon)
        self._snapshot, self._looked_at = changes.snapshot, now
        (self._folder / "alive").touch()
        return len(found)

    def __len__(self) -> int:
        return sum(len(rolls.users) + len(rolls.groups) for rolls in self._rolls[:1])

    def _build(self, now: float, lexicon: Lexicon) -> int:
        """Read and encode everybody."""
        snapshot = snapshot_now()  # before anything is read: what changes meanwhile comes again
        vocabulary = vocabulary_of_all(lexicon)
        self._widths = (width_for(len(vocabulary.interests)), width_for(len(vocabulary.languages)))
        parts: list[tuple[Encoded, Encoded]] = []
        for names in everybody():
            # Words may come while this reads.
            encoded, vocabulary = self._encode(names, vocabulary)
            parts.append(encoded)
        if not parts:
            encoded, vocabulary = self._encode([], vocabulary)
            parts.append(encoded)
        users, groups = zip(*parts, strict=True)
        large = self._write(Encoded.joined(users), Encoded.joined(groups))
        self._settle(large, vocabulary, snapshot, now)
        return len(self)

    def _take_in(self, found: set[str]) -> None:
        large = self._rolls[0]
        self._changed |= found
        (users, groups), vocabulary = self._encode(self._changed, self._vocabulary)
        if len(self._changed) <= MOST_CHANGED:
            self._vocabulary = vocabulary
            self._rolls = (large, self._write(users, groups))
            self._point()
            return
        merged = [
            Encoded.joined([roll.rows_as_encoded(_without(roll, self._changed)), fresh])
            for roll, fresh in ((large.users, users), (large.groups, groups))
        ]
        self._settle(self._write(*merged), vocabulary, self._snapshot, self._looked_at)

    def _settle(self, large: _Rolls, vocabulary: Vocabulary, snapshot: str, now: float) -> None:
        """Go on from large rolls that hold everybody."""
        self._vocabulary, self._snapshot, self._looked_at = vocabulary, snapshot, now
        self._changed = set()
        (users, groups), _ = self._encode([], vocabulary)
        self._rolls = (large, self._write(users, groups))
        self._point()
        (self._folder / "alive").touch()

    def _encode(
        self, names: Collection[str], vocabulary: Vocabulary
    ) -> tuple[tuple[Encoded, Encoded], Vocabulary]:
        frames = load_frames(names)
        vocabulary = vocabulary.extended_by(frames.users.frame, frames.groups.frame)
        users, groups = (
            Encoded.of(
                one.frame,
                vocabulary,
                self._widths,
                one.can_be_offered,
                one.expires_at,
                one.former,
            )
            for one in (frames.users, frames.groups)
        )
        return (users, groups), vocabulary

    def _ended(self, since: float, until: float) -> set[str]:
        """Whose live trip ran out between two moments."""
        found: set[str] = set()
        for rolls in self._rolls:
            for roll in (rolls.users, rolls.groups):
                ends = roll.expires_at
                rows = ((ends > since) & (ends <= until)).nonzero()[0]
                found.update(roll.name_of(row) for row in rows.tolist())
        return found

    def _write(self, users: Encoded, groups: Encoded) -> _Rolls:
        name = uuid4().hex  # never that of another process: who has it mapped goes by the name
        for kind, encoded in (("users", users), ("groups", groups)):
            Roll.of(encoded).save(self._folder / name / kind)
        return _Rolls(
            name, *(Roll.open(self._folder / name / kind) for kind in ("users", "groups"))
        )

    def _point(self) -> None:
        """Let everybody read from now on what was written, and remove what nobody is led to."""
        large, small = self._rolls
        words = self._vocabulary
        present = {
            roll.name_of(row) for roll in (small.users, small.groups) for row in range(len(roll))
        }
        state = {
            "large": large.name,
            "small": small.name,
            "gone": sorted(self._changed - present),
            "lexicon_version": words.lexicon.version,
            "interests": words.interests,
            "languages": words.languages,
            "nationalities": words.nationalities,
            "religions": words.religions,
            "personalities": words.personalities,
        }
        new = self._folder / "current.json.new"
        new.write_bytes(orjson.dumps(state))
        new.replace(self._folder / "current.json")
        self._sweep({large.name, small.name})

    def _sweep(self, kept: frozenset[str] | set[str] = frozenset()) -> None:
        """Remove generations; who has one mapped keeps what it has."""
        for path in self._folder.iterdir():
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)


def _without(roll: Roll, names: set[str]) -> npt.NDArray[np.bool_]:
    wanted = list(names)
    found = roll.find(wanted, hash_names(wanted), by_former=False)
    kept = np.ones(len(roll), np.bool_)
    kept[found[found != NOBODY]] = False
    return kept
