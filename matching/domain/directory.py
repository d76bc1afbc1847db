"""Everybody who can be asked about, encoded once: columns in files that processes share.

A roll holds the users or the groups. Those who can be offered to somebody stand first, place by
place from south to north, so that whoever is near lies in a few stretches; the others follow, since
they can be asked about too. A directory is a roll of users and one of groups, with a small one
beside each of what changed since: a traveller of the small roll stands for the one of the large.

Everything is arrays, written once and mapped into memory by whoever answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.geo import EARTH_RADIUS_KM, distance_km
from matching.domain.travellers import PairSide, Travellers, Vocabulary, weigh_bits
from matching.domain.trips import MAX_DISTANCE_KM, MIN_OVERLAP_DAYS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
HashArray = npt.NDArray[np.uint64]

NOBODY: Final = -1
SPARE_BYTES: Final = 8  # of interests and of languages: 64 words that nobody used before
# What is written of travellers: their columns but the names, and what the lexicon of a model says.
COLUMNS: Final = tuple(
    each.name
    for each in fields(Travellers)
    if each.name not in ("vocabulary", "external_id", "interest_weight")
)
_WORD_SETS: Final = ("interests", "languages")
_BAND: Final = MAX_DISTANCE_KM / EARTH_RADIUS_KM * (1 + 1e-9) + 1e-12  # radians of latitude


class NoRoom(ValueError):
    """Words came that the bits of a directory have no place for: all of it is encoded anew."""


def hash_names(names: Iterable[str]) -> HashArray:
    """64 bits of each name: uint64 (n,)."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(digests), "<u8")


def width_for(n_words: int) -> int:
    """Bytes of a set of so many words, with some to spare; read as 64-bit words."""
    return -(-n_words // 64) * 8 + SPARE_BYTES


@dataclass(frozen=True)
class Encoded:
    """Travellers of one sort before they are put in order.

    names : external ids, n of them
    columns : COLUMNS, each of n rows
    can_be_offered : bool (n,); a complete profile, or of a group a member with one
    expires_at : float64 (n,), seconds since 1970 at which the live trip runs out; NaN without one
    members : uint64 (m,), `hash_names` of the members of groups; none of users
    member_of : int64 (m,), the row of the group of each of them
    former, former_of : former names of users, and the row of the user of each: int64
    """

    names: list[str]
    columns: dict[str, npt.NDArray[Any]]
    can_be_offered: BoolArray
    expires_at: FloatArray
    members: HashArray
    member_of: IntArray
    former: list[str] = field(default_factory=list)
    former_of: IntArray = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        vocabulary: Vocabulary,
        widths: tuple[int, int],
        can_be_offered: BoolArray,
        expires_at: FloatArray,
        former: Mapping[str, str] | None = None,
    ) -> Encoded:
        """Encode a travellers frame; `widths` are the bytes of interests and languages, `former`
        leads from former names to present ones.

        Raises
        ------
        NoRoom
            Where the words of the vocabulary need more.
        """
        encoded = Travellers.from_frame(frame, vocabulary)
        columns = {name: getattr(encoded, name) for name in COLUMNS}
        for name, width in zip(_WORD_SETS, widths, strict=True):
            dtype = columns[name].dtype
            columns[name] = _widened(columns[name].view(np.uint8), width).view(dtype)
        members = list(frame["member_ids"]) if "member_ids" in frame else [[]] * len(frame)
        names = [str(name) for name in frame["external_id"]] if len(frame) else []
        at = {name: row for row, name in enumerate(names)}
        had = [(name, at[now]) for name, now in (former or {}).items() if now in at]
        return cls(
            names,
            columns,
            can_be_offered,
            expires_at,
            hash_names(member for each in members for member in each),
            np.repeat(np.arange(len(members)), [len(each) for each in members]).astype(np.int64),
            [name for name, _ in had],
            np.array([row for _, row in had], np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Encoded]) -> Encoded:
        """Put parts below one another."""
        starts = np.cumsum([0, *(len(part.names) for part in parts)])
        return cls(
            [name for part in parts for name in part.names],
            {name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS},
            np.concatenate([part.can_be_offered for part in parts]),
            np.concatenate([part.expires_at for part in parts]),
            np.concatenate([part.members for part in parts]),
            np.concatenate(
                [part.member_of + start for part, start in zip(parts, starts, strict=False)]
            ),
            [name for part in parts for name in part.former],
            np.concatenate(
                [part.former_of + start for part, start in zip(parts, starts, strict=False)]
            ),
        )


@dataclass(frozen=True)
class Roll:
    """Users or groups, encoded and in order.

    columns : COLUMNS, each of n rows
    can_be_offered, expires_at : see `Encoded`
    blob, ends : names as UTF-8 end to end, uint8, and where each ends, int64 (n + f,): those of
        the rows, then former names
    former_of : int64 (f,), the row of each former name
    hashes, rows : `hash_names`, ascending, and the place of each among the names
    places : float64 (p, 3), unit vectors of the destinations of those who can be offered and have a
        trip, from south to north
    edges : int64 (p + 1,), the rows of place k are edges[k] up to edges[k + 1], by start day
    members, member_of : of groups, `hash_names` of members, ascending, and the row of the group
    """

    columns: dict[str, npt.NDArray[Any]]
    can_be_offered: BoolArray
    expires_at: FloatArray
    blob: npt.NDArray[np.uint8]
    ends: IntArray
    hashes: HashArray
    rows: IntArray
    places: FloatArray
    edges: IntArray
    members: HashArray
    member_of: IntArray
    former_of: IntArray

    def __len__(self) -> int:
        return len(self.can_be_offered)

    @classmethod
    def of(cls, encoded: Encoded) -> Roll:
        """Put travellers in order."""
        columns = encoded.columns
        days = columns["end_day"] - columns["start_day"]
        usable = encoded.can_be_offered & (days >= MIN_OVERLAP_DAYS)
        usable &= ~np.isnan(columns["destination"]).any(axis=1)
        offered = np.flatnonzero(usable)
        places, place = _places_of(columns["destination"][offered])
        by_place = np.lexsort((columns["start_day"][offered], place))
        order = np.concatenate([offered[by_place], np.flatnonzero(~usable)])
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        names = [encoded.names[row].encode() for row in order.tolist()]
        names += [name.encode() for name in encoded.former]
        hashes = np.concatenate([hash_names(encoded.names)[order], hash_names(encoded.former)])
        by_hash = np.argsort(hashes, kind="stable")
        by_member = np.argsort(encoded.members, kind="stable")
        return cls(
            columns={name: np.ascontiguousarray(column[order]) for name, column in columns.items()},
            can_be_offered=encoded.can_be_offered[order],
            expires_at=encoded.expires_at[order],
            blob=np.frombuffer(b"".join(names), np.uint8),
            ends=np.cumsum([len(name) for name in names], dtype=np.int64),
            hashes=hashes[by_hash],
            rows=by_hash.astype(np.int64),
            places=places,
            edges=np.searchsorted(place[by_place], np.arange(len(places) + 1)).astype(np.int64),
            members=encoded.members[by_member],
            member_of=back[encoded.member_of][by_member],
            former_of=back[encoded.former_of],
        )

    def rows_as_encoded(self, kept: BoolArray) -> Encoded:
        """Take out the rows that are kept, to put them in order with others."""
        places = np.flatnonzero(kept)
        back = np.full(len(self), NOBODY)
        back[places] = np.arange(len(places))
        of_kept, had = kept[self.member_of], np.flatnonzero(kept[self.former_of])
        return Encoded(
            [self.name_of(row) for row in places.tolist()],
            {name: column[places] for name, column in self.columns.items()},
            self.can_be_offered[places],
            self.expires_at[places],
            self.members[of_kept],
            back[self.member_of[of_kept]],
            [self.name_of(len(self) + place) for place in had.tolist()],
            back[self.former_of[had]],
        )

    def name_of(self, row: int) -> str:
        """The external id of a row; behind the rows stand former names."""
        start = 0 if row == 0 else int(self.ends[row - 1])
        return self.blob[start : int(self.ends[row])].tobytes().decode()

    def find(self, names: Sequence[str], hashes: HashArray, *, by_former: bool = True) -> IntArray:
        """The row of each name, NOBODY where there is none: int64 (n,).

        Parameters
        ----------
        names : n external ids.
        hashes : `hash_names` of them.
        by_former : whether former names find who had them.
        """
        found = np.full(len(names), NOBODY, np.int64)
        if not len(self.hashes):
            return found
        positions = np.searchsorted(self.hashes, hashes)
        for place, position in enumerate(positions.tolist()):
            # Names of one hash stand side by side.
            while position < len(self.hashes) and self.hashes[position] == hashes[place]:
                row = int(self.rows[position])
                if self.name_of(row) == names[place]:
                    if row < len(self):
                        found[place] = row
                    elif by_former:
                        found[place] = self.former_of[row - len(self)]
                    break
                position += 1
        return found

    def near(self, destination: FloatArray, start_day: float, end_day: float) -> IntArray:
        """Rows of those who can be offered to somebody there and then: int64 (n,).

        Destinations within 200 km, and a shared day. Whether their trips still live, and who asks,
        is not looked at.
        """
        south = np.arcsin(np.clip(destination[2], -1.0, 1.0)) - _BAND
        low = np.searchsorted(self.places[:, 2], _height(south), side="left")
        high = np.searchsorted(self.places[:, 2], _height(south + 2 * _BAND), side="right")
        far = distance_km(destination[None, :], self.places[low:high])
        close = low + np.flatnonzero(far <= MAX_DISTANCE_KM)
        rows = _stretches(self.edges[close], self.edges[close + 1])
        meets = self.columns["end_day"][rows] >= start_day + MIN_OVERLAP_DAYS
        meets &= self.columns["start_day"][rows] <= end_day - MIN_OVERLAP_DAYS
        return rows[meets]

    def groups_of(self, name: str) -> IntArray:
        """Rows of the groups that somebody is a member of: int64 (n,)."""
        wanted = hash_names([name])[0]
        first = np.searchsorted(self.members, wanted, side="left")
        last = np.searchsorted(self.members, wanted, side="right")
        return self.member_of[first:last]

    def save(self, folder: Path) -> None:
        """Write one file an array."""
        folder.mkdir(parents=True)
        for name, column in self.columns.items():
            np.save(folder / f"column_{name}.npy", column, allow_pickle=False)
        for each in fields(self)[1:]:
            np.save(folder / f"{each.name}.npy", getattr(self, each.name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Roll:
        """Map the files of a roll into memory."""
        return cls(
            {name: _mapped(folder / f"column_{name}.npy") for name in COLUMNS},
            *(_mapped(folder / f"{each.name}.npy") for each in fields(cls)[1:]),
        )


class Side:
    """The users or the groups as they are now: a large roll and a small one of what changed.

    Rows of the large roll come first; those of the small one follow, from len(large) on.
    """

    def __init__(
        self,
        large: Roll,
        small: Roll,
        gone: Sequence[str],
        vocabulary: Vocabulary,
        before: Side | None = None,
    ) -> None:
        """Take two rolls; `gone` are names that no longer exist, `before` what was answered from
        until now."""
        self.large, self.small, self.vocabulary = large, small, vocabulary
        self.weights: FloatArray
        changed = [small.name_of(row) for row in range(len(small))] + list(gone)
        replaced = large.find(changed, hash_names(changed), by_former=False)
        self.stands = np.ones(len(large), np.bool_)
        self.stands[replaced[replaced != NOBODY]] = False
        self._all_stand = not len(small) and bool(self.stands.all())
        is_same = before is not None and before.large is large
        if before is not None and is_same and before.vocabulary.lexicon is vocabulary.lexicon:
            self.weights = before.weights  # words to come weigh nothing here
        else:
            self.weights = weigh_bits(large.columns["interests"], vocabulary.interest_tables)
        self._of_large = _nameless(vocabulary, self.weights, large.columns)

    def find(self, names: Sequence[str], hashes: HashArray) -> IntArray:
        """The row of each name, NOBODY where there is none: int64 (n,)."""
        rows = self.large.find(names, hashes)
        if self._all_stand:
            return rows
        known = np.flatnonzero(rows != NOBODY)
        rows[known[~self.stands[rows[known]]]] = NOBODY
        changed = self.small.find(names, hashes)
        return np.where(changed == NOBODY, rows, changed + len(self.large))

    def name_of(self, row: int) -> str:
        """The external id of a row."""
        beyond = row - len(self.large)
        return self.large.name_of(row) if beyond < 0 else self.small.name_of(beyond)

    def take(self, rows: IntArray) -> PairSide:
        """The travellers of some rows, in that order, without their names."""
        beyond = rows >= len(self.large)
        if not beyond.any():
            return PairSide(self._of_large, rows)
        columns = {
            name: _from_both(self.large.columns[name], self.small.columns[name], rows, beyond)
            for name in COLUMNS
        }
        weights = weigh_bits(columns["interests"], self.vocabulary.interest_tables)
        return PairSide(_nameless(self.vocabulary, weights, columns), slice(None))

    def expires_at(self, rows: IntArray) -> FloatArray:
        """When the live trips of some rows run out: float64 (n,), seconds since 1970."""
        beyond = rows >= len(self.large)
        return _from_both(self.large.expires_at, self.small.expires_at, rows, beyond)

    def near(self, destination: FloatArray, start_day: float, end_day: float) -> IntArray:
        """Rows of those who can be offered there and then; see `Roll.near`."""
        rows = self.large.near(destination, start_day, end_day)
        changed = self.small.near(destination, start_day, end_day)
        return np.concatenate([rows[self.stands[rows]], changed + len(self.large)])

    def groups_of(self, name: str) -> IntArray:
        """Rows of the groups that somebody is a member of: int64 (n,)."""
        rows = self.large.groups_of(name)
        changed = self.small.groups_of(name)
        return np.concatenate([rows[self.stands[rows]], changed + len(self.large)])


@dataclass(frozen=True)
class Directory:
    """Everybody who can be asked about, as of a moment."""

    users: Side
    groups: Side


def _places_of(destinations: FloatArray) -> tuple[FloatArray, IntArray]:
    """Different destinations from south to north, and which of them each is."""
    # By their bytes as one value: several times as fast as by three columns.
    packed = np.ascontiguousarray(destinations).view([("", np.float64)] * 3).reshape(-1)
    found, place = np.unique(packed, return_inverse=True)
    places = found.view(np.float64).reshape(-1, 3)
    from_south = np.argsort(places[:, 2], kind="stable")
    rank = np.empty(len(places), np.int64)
    rank[from_south] = np.arange(len(places))
    return places[from_south], rank[place.reshape(-1)]


def _height(latitude: float) -> float:
    """The sine of a latitude in radians; of one beyond a pole, of the pole and a bit."""
    return float(np.sin(latitude)) if abs(latitude) < np.pi / 2 else float(2 * np.sign(latitude))


def _stretches(first: IntArray, last: IntArray) -> IntArray:
    """All numbers from each first up to its last."""
    counts = last - first
    offsets = np.cumsum(counts) - counts
    numbers: IntArray = np.arange(int(counts.sum())) + np.repeat(first - offsets, counts)
    return numbers


def _nameless(
    vocabulary: Vocabulary, weights: FloatArray, columns: Mapping[str, npt.NDArray[Any]]
) -> Travellers:
    nobody = np.broadcast_to(np.array(None, np.object_), len(weights))
    return Travellers(vocabulary=vocabulary, external_id=nobody, interest_weight=weights, **columns)


def _from_both(
    large: npt.NDArray[Any], small: npt.NDArray[Any], rows: IntArray, beyond: BoolArray
) -> npt.NDArray[Any]:
    found = np.empty((len(rows), *large.shape[1:]), large.dtype)
    found[~beyond] = large[rows[~beyond]]
    found[beyond] = small[rows[beyond] - len(large)]
    return found


def _widened(bits: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    missing = width - bits.shape[1]
    if missing < 0:
        raise NoRoom(f"Expected words of {width} bytes, got {bits.shape[1]}.")
    return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, missing))))


def _mapped(path: Path) -> npt.NDArray[Any]:
    # A plain array over the mapping: each slice of a memmap would be one more of them.
    found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return found
