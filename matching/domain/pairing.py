"""Finds the pairs that pass the hard gates without building all of them, and samples them by
rank."""

import itertools
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.features.compute import compute_features
from matching.domain.geo import EARTH_RADIUS_KM, distance_km
from matching.domain.travellers import Travellers
from matching.domain.trips import MAX_DISTANCE_KM, MIN_OVERLAP_DAYS
from project.measure.hashing import GOLDEN_GAMMA, hash_rows, mix

IntArray = npt.NDArray[np.int64]

CHUNK_ROWS: Final = 16_384  # events of one chunk of a batch
BLOCK_PAIRS: Final = 2_000_000  # pairs of places, or segments, that are looked at in one go
FEISTEL_ROUNDS: Final = 4
DUPLICATE_SHARE_WARN: Final = 0.10  # of the dataset gate: from here on it warns
DUPLICATE_SHARE_REFUSE: Final = 0.20  # from here on it refuses
DIVERSITY_SAMPLE: Final = 1_000_000  # pairs looked at to predict duplicates


class NotEnoughPairs(ValueError):
    """More events were asked for than there are distinct pairs."""

    def __init__(self, asked: int, available: int) -> None:
        super().__init__(
            f"Expected at most {available} events, one for each ordered pair; {asked} were asked "
            "for. Add seed users with sessions, ask for fewer, or allow repeats."
        )


@dataclass(frozen=True)
class Candidates:
    """All pairs that pass the hard gates, as runs: an owner and a stretch of its partners.

    Travellers are sorted by place and start date. Those at one place who start before another's
    trip ends are neighbours in that order, so a run needs one row, however many pairs it stands
    for. The rank of a pair, 0 to `pair_count` - 1, is its position when the runs are laid end to
    end; ranks in `skipped` (a user with themselves, a member with the own group) are left out.
    """

    match_type: str
    owner: IntArray  # (n_runs,) row of the traveller whose trip starts first
    first: IntArray  # (n_runs,) position in `partners` of the run's first partner
    offsets: IntArray  # (n_runs + 1,) rank of the run's first pair; the last is the total
    owner_is_right: npt.NDArray[np.bool_]  # (n_runs,)
    partners: IntArray  # rows of travellers by place and start date
    skipped: IntArray  # sorted ranks that are no pairs

    @property
    def pair_count(self) -> int:
        """Distinct pairs; two users count once, whichever of them is asked first."""
        return int(self.offsets[-1]) - len(self.skipped)

    @property
    def ordered_count(self) -> int:
        """Pairs with an order: two for each pair of users, one for a user and a group."""
        return self.pair_count * (2 if self.match_type == "user_user" else 1)

    def decode(self, ranks: npt.NDArray[Any]) -> tuple[IntArray, IntArray]:
        """Turn ranks of pairs into rows of travellers.

        Parameters
        ----------
        ranks : int array of shape (n,), each in [0, pair_count)

        Returns
        -------
        left, right : int64 arrays of shape (n,)

        Raises
        ------
        IndexError
            For a rank outside the range.
        """
        ranks = np.asarray(ranks, np.int64)
        if len(ranks) and not 0 <= ranks.min() <= ranks.max() < self.pair_count:
            raise IndexError(f"Expected ranks from 0 to {self.pair_count - 1}.")
        gaps = self.skipped - np.arange(len(self.skipped))
        places = ranks + np.searchsorted(gaps, ranks, side="right")
        run = np.searchsorted(self.offsets, places, side="right") - 1
        owner = self.owner[run]
        partner = self.partners[self.first[run] + places - self.offsets[run]]
        swapped = self.owner_is_right[run]
        return np.where(swapped, partner, owner), np.where(swapped, owner, partner)


@dataclass(frozen=True)
class PairSample:
    """Rows of the left and right travellers of sampled pairs: int64 arrays of shape (n,)."""

    left: IntArray
    right: IntArray

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True)
class Diversity:
    """Whether a population can give the asked events, and how many vectors would be copies.

    distinct_pairs : ordered pairs that can be asked for without repeats
    pair_count : pairs that differ by more than their order
    expected_duplicate_share : 1 - unique / n over the feature vectors, predicted for `asked` (for
        as many as there are, when they are too few)
    fitting : the most events, up to `asked`, whose share of copies does not warn; the first ones
        of the batch, so that asking for so many gives just these
    met : the count can be made and stays under the share that a dataset is refused for
    """

    asked: int
    distinct_pairs: int
    pair_count: int
    expected_duplicate_share: float
    fitting: int
    met: bool

    @property
    def is_enough(self) -> bool:
        """Whether all events can be made, with fewer copies than warn."""
        return self.fitting >= self.asked

    @property
    def is_alike(self) -> bool:
        """Whether there are too many copies among pairs that differ."""
        return self.fitting < min(self.asked, self.pair_count)


def find_candidates(
    left: Travellers, right: Travellers | None = None, excluded: npt.NDArray[Any] | None = None
) -> Candidates:
    """Find every pair that passes the hard gates.

    Parameters
    ----------
    left : Travellers; users
    right : Travellers, optional
        Groups, for user_group; without it the users are paired among themselves (user_user).
    excluded : int array of shape (m, 2), optional
        Rows (left, right) that must not be paired, such as `own_groups`. Sessions of the same
        user are never paired.

    Returns
    -------
    Candidates. Memory grows with travellers times the places near each, not with pairs.
    """
    skip = np.empty((0, 2), np.int64) if excluded is None else np.asarray(excluded, np.int64)
    pool = _Pool(left)
    if right is None:
        # Within one pool a pair belongs to whoever stands first by start date, then by row.
        runs = [_runs(left, pool, pool.order + 1)]
        skip = np.vstack([skip, _same_user(left.user_id)])
        skip = np.vstack([skip, skip[:, ::-1]])
        unwanted = [(0, skip[:, 0], pool.position[skip[:, 1]])]
        partners = pool.rows
    else:
        groups = _Pool(right)
        # Between users and groups it belongs to whoever starts first; on one day, to the user.
        runs = [
            _runs(left, groups, np.searchsorted(groups.starts, left.start_day, side="left")),
            _runs(right, pool, np.searchsorted(pool.starts, right.start_day, side="right")),
        ]
        runs[1].first += len(groups.rows)
        in_groups, in_users = groups.position[skip[:, 1]], pool.position[skip[:, 0]]
        unwanted = [
            (0, skip[:, 0], in_groups),
            (1, skip[:, 1], np.where(in_users < 0, -1, in_users + len(groups.rows))),
        ]
        partners = np.concatenate([groups.rows, pool.rows])
    side = np.repeat(np.arange(len(runs)), [len(r.owner) for r in runs])
    owner = np.concatenate([r.owner for r in runs])
    first = np.concatenate([r.first for r in runs])
    count = np.concatenate([r.count for r in runs])
    offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    # Runs come sorted by side, owner and first partner, so one search finds a pair's run.
    owners, span = max(len(left), 0 if right is None else len(right)) + 1, len(partners) + 1
    keys = (side * owners + owner) * span + first
    ranks = []
    for unwanted_side, unwanted_owner, position in unwanted:
        run = (
            np.searchsorted(
                keys, (unwanted_side * owners + unwanted_owner) * span + position, side="right"
            )
            - 1
        )
        found = (run >= 0) & (position >= 0)
        run, who, position = run[found], unwanted_owner[found], position[found]
        hit = (side[run] == unwanted_side) & (owner[run] == who)
        hit &= position < first[run] + count[run]
        ranks.append(offsets[run[hit]] + position[hit] - first[run[hit]])
    return Candidates(
        match_type="user_user" if right is None else "user_group",
        owner=owner,
        first=first,
        offsets=offsets,
        owner_is_right=side == 1,
        partners=partners,
        skipped=np.unique(np.concatenate(ranks)).astype(np.int64),
    )


def own_groups(users: pd.DataFrame, groups: pd.DataFrame) -> IntArray:
    """Rows (user, group) of each user who is a member of a group: int64 (m, 2), for `excluded`.

    Parameters
    ----------
    users : DataFrame with external_id
    groups : DataFrame with member_ids, lists of external_id
    """
    if not len(groups) or "member_ids" not in groups:
        return np.empty((0, 2), np.int64)
    members = pd.DataFrame(
        {"group": np.arange(len(groups)), "external_id": groups["member_ids"].to_numpy(object)}
    ).explode("external_id")
    people = pd.DataFrame(
        {"user": np.arange(len(users)), "external_id": users["external_id"].to_numpy(object)}
    )
    return people.merge(members, on="external_id")[["user", "group"]].to_numpy(np.int64)


def sample_pairs(
    candidates: Candidates,
    count: int,
    seed: int,
    chunk: int,
    chunk_rows: int = CHUNK_ROWS,
    allow_repeats: bool = False,
) -> PairSample:
    """Draw one chunk of a batch of pairs without replacement.

    Chunk c holds the events from c x `chunk_rows` on; it depends on nothing but the arguments, so
    that any worker can make it. A seeded permutation of the ranks gives each pair once. Two users
    come in the other order only after every pair has come once, because both orders have the same
    features: a batch has no copies for as long as the population allows it.

    Parameters
    ----------
    candidates : Candidates
    count : int
        Events in the whole batch.
    seed, chunk : int
    chunk_rows : int
    allow_repeats : bool
        Start over when all ordered pairs are used up.

    Returns
    -------
    PairSample; empty past the end of the batch.

    Raises
    ------
    NotEnoughPairs
        When `count` exceeds the ordered pairs and repeats are not allowed, or there is no pair.
    """
    available = candidates.ordered_count
    if count > available and not (allow_repeats and available):
        raise NotEnoughPairs(count, available)
    start = min(chunk * chunk_rows, count)
    positions = np.arange(start, min(start + chunk_rows, count), dtype=np.int64)
    if not len(positions):
        return PairSample(positions, positions)
    ranks = _permute(positions % candidates.pair_count, candidates.pair_count, seed)
    left, right = candidates.decode(ranks)
    if candidates.match_type == "user_group":
        return PairSample(left, right)
    turn = (positions // candidates.pair_count) & 1
    swap = (mix64(ranks.astype(np.uint64), _key(seed, FEISTEL_ROUNDS)) & np.uint64(1)) != turn
    return PairSample(np.where(swap, right, left), np.where(swap, left, right))


def expected_duplicate_share(
    candidates: Candidates,
    left: Travellers,
    right: Travellers | None,
    count: int,
    seed: int,
    feature_set: str = "smooth-1",
    allow_repeats: bool = False,
) -> Diversity:
    """Predict the copies among the feature vectors of a batch before it is generated.

    Exact for up to a million distinct pairs: the batch's own pairs are scored. Beyond that the
    share of distinct vectors among the first million is taken for the rest.

    Parameters
    ----------
    candidates, left, right : as given to and by `find_candidates`
    count, seed, allow_repeats : as for `sample_pairs`
    feature_set : "smooth-1" or "tiered-1"

    Returns
    -------
    Diversity
    """
    available = candidates.ordered_count
    made = count if allow_repeats and available else min(count, available)
    distinct = min(made, candidates.pair_count)
    looked_at = min(distinct, DIVERSITY_SAMPLE)
    share, fitting = 0.0, 0
    if looked_at:
        digests = np.empty(looked_at, np.uint64)
        for chunk, start in enumerate(range(0, looked_at, CHUNK_ROWS)):
            pairs = sample_pairs(candidates, looked_at, seed, chunk)
            block = compute_features(
                left,
                left if right is None else right,
                feature_set,
                candidates.match_type,
                left_index=pairs.left,
                right_index=pairs.right,
            )
            digests[start : start + len(pairs)] = hash_rows(list(block.values.T))
        ordered = np.sort(digests)  # np.unique would hash them, which takes 40 times as long
        different = 1 + int((ordered[1:] != ordered[:-1]).sum())
        # A division at the end: a share that lies on a limit is on it, not a hair below.
        share = (made - different * distinct / looked_at) / made
        fitting = count
        if count > available or share >= DUPLICATE_SHARE_WARN:
            fitting = _most_without_copies(digests, count, distinct, available)
    enough = count <= available or (allow_repeats and available > 0)
    return Diversity(
        asked=count,
        distinct_pairs=available,
        pair_count=candidates.pair_count,
        expected_duplicate_share=share,
        fitting=fitting,
        met=enough and (share < DUPLICATE_SHARE_REFUSE or allow_repeats),
    )


def _most_without_copies(
    digests: npt.NDArray[np.uint64], count: int, distinct: int, available: int
) -> int:
    """Return how many of the first events have fewer copies than warn.

    Parameters
    ----------
    digests : uint64 array of the vectors of distinct pairs, in the order of the batch
    count, distinct, available : events asked for, distinct pairs among them, ordered pairs
    """
    is_first = np.ones(len(digests), np.bool_)
    order = np.argsort(digests, kind="stable")
    is_first[order[1:]] = digests[order[1:]] != digests[order[:-1]]
    seen = np.cumsum(is_first)
    events = np.arange(1, len(digests) + 1)
    fits = np.flatnonzero((events - seen) / events < DUPLICATE_SHARE_WARN)
    most = int(fits[-1]) + 1 if len(fits) else 0
    if most < len(digests) or not most:
        return min(most, count)
    # Every pair that was looked at fits; the pairs in the other order are copies.
    unlike = int(seen[-1] / len(digests) * distinct)
    beyond = math.ceil(unlike / (1 - DUPLICATE_SHARE_WARN))
    while (beyond - unlike) / beyond >= DUPLICATE_SHARE_WARN:
        beyond -= 1
    return min(max(beyond, most), available, count)


class _Pool:
    """Travellers who can be a candidate's partner, by place and start date."""

    def __init__(self, travellers: Travellers) -> None:
        length = travellers.end_day - travellers.start_day
        usable = (length >= MIN_OVERLAP_DAYS) & ~np.isnan(travellers.destination).any(axis=1)
        valid = np.flatnonzero(usable)
        self.places, place = np.unique(travellers.destination[valid], axis=0, return_inverse=True)
        by_start = np.lexsort((valid, travellers.start_day[valid]))
        self.starts = travellers.start_day[valid][by_start]
        rank = np.empty(len(valid), np.int64)
        rank[by_start] = np.arange(len(valid))
        keys = place.reshape(-1) * len(valid) + rank
        by_place = np.argsort(keys)
        self.keys = keys[by_place]
        self.rows = valid[by_place]
        # Rank by start date, and position in `rows`, of each traveller; -1 for those left out.
        self.order = np.full(len(travellers), -1, np.int64)
        self.order[valid] = rank
        self.position = np.full(len(travellers), -1, np.int64)
        self.position[self.rows] = np.arange(len(valid))


@dataclass
class _Runs:
    owner: IntArray
    first: IntArray
    count: IntArray


def _runs(owners: Travellers, pool: _Pool, lowest: IntArray) -> _Runs:
    """Stretches of the pool that start by date rank `lowest` and before the owner's trip ends."""
    length = owners.end_day - owners.start_day
    usable = (length >= MIN_OVERLAP_DAYS) & ~np.isnan(owners.destination).any(axis=1)
    valid = np.flatnonzero(usable)
    empty = np.empty(0, np.int64)
    if not len(valid) or not len(pool.rows):
        return _Runs(empty, empty, empty)
    places, place = np.unique(owners.destination[valid], axis=0, return_inverse=True)
    here, there = _near_places(places, pool.places)
    degree = np.bincount(here, minlength=len(places))
    begin = np.cumsum(degree) - degree
    place = place.reshape(-1)
    highest = np.searchsorted(pool.starts, owners.end_day - MIN_OVERLAP_DAYS, side="right")
    parts = []
    for block in _blocks(degree[place]):
        nth, at = _expand(begin[place[block]], degree[place[block]])
        owner = valid[block][nth]
        base = there[at] * len(pool.rows)
        first = np.searchsorted(pool.keys, base + lowest[owner], side="left")
        count = np.searchsorted(pool.keys, base + highest[owner], side="left") - first
        some = count > 0
        parts.append((owner[some], first[some], count[some]))
    owner, first, count = (
        np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True)
    )
    return _Runs(owner, first, count)


def _near_places(
    here: npt.NDArray[np.float64], there: npt.NDArray[np.float64]
) -> tuple[IntArray, IntArray]:
    """Pairs of places within the distance gate, sorted: only a band of latitudes is compared."""
    latitude, other = np.arcsin(np.clip(here[:, 2], -1, 1)), np.arcsin(np.clip(there[:, 2], -1, 1))
    north = np.argsort(other, kind="stable")
    band = MAX_DISTANCE_KM / EARTH_RADIUS_KM * (1 + 1e-9) + 1e-12
    low = np.searchsorted(other[north], latitude - band, side="left")
    high = np.searchsorted(other[north], latitude + band, side="right")
    parts = []
    for block in _blocks(high - low):
        nth, at = _expand(low[block], (high - low)[block])
        a, b = np.arange(len(here))[block][nth], north[at]
        near = distance_km(here[a], there[b]) <= MAX_DISTANCE_KM
        parts.append((a[near], b[near]))
    a, b = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((b, a))
    return a[order], b[order]


def _blocks(counts: npt.NDArray[Any]) -> list[slice]:
    """Slices of consecutive rows whose counts add up to about BLOCK_PAIRS."""
    group = np.cumsum(counts) // BLOCK_PAIRS
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1), len(counts)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _expand(first: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """Row numbers and positions of every element of the stretches [first, first + count)."""
    row = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, first[row] + within


def _same_user(user_id: npt.NDArray[Any]) -> IntArray:
    """Rows (a, b), a before b, of sessions of one user."""
    table = pd.DataFrame({"user": user_id, "row": np.arange(len(user_id))})
    table = table[(table["user"] >= 0) & table["user"].duplicated(keep=False)]
    pairs = table.merge(table, on="user")
    return pairs.loc[pairs["row_x"] < pairs["row_y"], ["row_x", "row_y"]].to_numpy(np.int64)


def mix64(
    x: npt.NDArray[np.uint64], key: np.uint64 | npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64, keyed."""
    return mix((x ^ key) * GOLDEN_GAMMA)


def _key(seed: int, number: int) -> np.uint64:
    return np.uint64(
        np.random.SeedSequence([abs(seed), seed < 0, number]).generate_state(1, np.uint64)[0]
    )


def _permute(index: IntArray, size: int, seed: int) -> IntArray:
    """A seeded bijection of [0, size): a Feistel network, walked until it lands inside.

    Needs no memory and no history, so any stretch of a permutation of any size can be made alone.
    """
    half = np.uint64(max(1, math.ceil(max(size - 1, 1).bit_length() / 2)))
    low = (np.uint64(1) << half) - np.uint64(1)
    keys = [_key(seed, number) for number in range(FEISTEL_ROUNDS)]
    image = index.astype(np.uint64)
    outside = np.arange(len(image))
    while len(outside):
        x = image[outside]
        a, b = x >> half, x & low
        for key in keys:
            a, b = b, a ^ (mix64(b, key) & low)
        image[outside] = (a << half) | b
        outside = outside[image[outside] >= size]
    return image.astype(np.int64)
