"""Batches of synthetic match events: each chunk a pure function of specification, population,
number."""

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from hashlib import blake2b, sha256
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from matching.domain.ceilings import Ceiling, ceiling_of
from matching.domain.features.columns import applicable
from matching.domain.features.compute import FeatureBlock, compute_features
from matching.domain.features.names import FEATURE_NAMES
from matching.domain.lexicon.folding import OWN_WORDS, Lexicon
from matching.domain.outcomes import (
    PersonalEffects,
    draw_outcomes,
    feature_probability,
    personal_effects,
)
from matching.domain.pairing import (
    Candidates,
    Diversity,
    expected_duplicate_share,
    find_candidates,
    own_groups,
    sample_pairs,
)
from matching.domain.personality import extraversion_of
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import FeatureSet, MatchType, Preset
from project.origin import Origin

CHUNK_ROWS: Final = 65_536  # events that land together: about 0.2 s of work
# What `feature_probability` is the ceiling of: up to the first revision of the smooth features,
# whatever was logged; from the second on of the features that are logged.
CEILING_REVISION: Final = 2
WINDOW_DAYS: Final = 30  # events are spread over this many days before `as_of`
# Ids differ from one database to the next; what an event is must not.
DATABASE_IDS: Final = ("user_id", "group_id")
MILLISECONDS_PER_DAY: Final = 24 * 3600 * 1000

IntArray = npt.NDArray[Any]
Columns = dict[str, npt.NDArray[Any]]


def ceiling_set(feature_set: str, ceiling_revision: int) -> str:
    """Return the feature set whose ceiling a batch of that revision has beside each event."""
    return feature_set if ceiling_revision > 1 else FeatureSet.SMOOTH.value


@dataclass(frozen=True)
class Specification:
    """What a batch is asked to be.

    count : events in all
    match_types : ("user_user",), ("user_group",) or both; both share the count evenly
    preset : "balanced", "strict" or "loose"
    seed : any whole number
    feature_set : "smooth-1" or "tiered-1"
    allow_repeats : whether an ordered pair may come again when all have come
    as_of : the day before which the events happened; part of the recipe, so that no clock is
    feature_revision : revision of the feature set; batches of before revisions have the first
    ceiling_revision : CEILING_REVISION of then; batches of before have the first
    lexicon : the vocabulary of then, with how rare interests were; batches of before have our own
    """

    count: int
    match_types: tuple[str, ...]
    preset: str
    seed: int
    feature_set: str
    allow_repeats: bool
    as_of: date
    feature_revision: int = 1
    ceiling_revision: int = 1
    lexicon: Lexicon = OWN_WORDS

    @property
    def ceiling_set(self) -> str:
        """The feature set whose ceiling stands beside each event."""
        return ceiling_set(self.feature_set, self.ceiling_revision)

    def as_dict(self) -> dict[str, Any]:
        """Return the specification as JSON.

        Our own words alone leave no trace: the same recipe names the same content as ever.
        """
        written = {
            **asdict(self),
            "match_types": list(self.match_types),
            "as_of": self.as_of.isoformat(),
        }
        del written["lexicon"]
        if self.lexicon != OWN_WORDS:
            written["vocabulary"] = self.lexicon.as_dict()
        return written

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Specification":
        """Read what `as_dict` wrote."""
        known = {name: value for name, value in given.items() if name != "vocabulary"}
        return cls(
            **{
                **known,
                "match_types": tuple(given["match_types"]),
                "as_of": date.fromisoformat(given["as_of"]),
                "lexicon": Lexicon.from_dict(given.get("vocabulary", {})),
            }
        )


@dataclass(frozen=True)
class Population:
    """The travellers of a batch, as they were when it was asked for.

    users : travellers frame with external_id and user_id
    groups : travellers frame with external_id, group_id and member_ids; empty for users alone
    """

    users: pd.DataFrame
    groups: pd.DataFrame

    def to_parquet(self) -> bytes:
        """Return both frames as one parquet file: a row with a list of records for each."""
        lists = {
            name: pa.ListArray.from_arrays(
                [0, len(table)], table.to_struct_array().combine_chunks()
            )
            for name, table in self._tables().items()
        }
        buffer = io.BytesIO()
        pq.write_table(pa.table(lists), buffer, compression="zstd")
        return buffer.getvalue()

    @classmethod
    def from_parquet(cls, data: bytes) -> "Population":
        """Read what `to_parquet` wrote."""
        table = pq.read_table(io.BytesIO(data))
        frames = {
            name: pa.Table.from_struct_array(table[name].combine_chunks().flatten()).to_pandas()
            for name in table.column_names
        }
        return cls(frames["users"], frames.get("groups", frames["users"].iloc[:0]))

    def as_stored_now(self, feature_revision: int) -> "Population":
        """Return the population as it would be stored today.

        Up to the first revision a label of which no extraversion was known was stored as the middle
        of its range. What a group's mean was made of is not kept: groups stay as they are.
        """
        if feature_revision > 1 or "extraversion" not in self.users:
            return self
        users = self.users.copy()
        for label, stored in (("introvert", 1 / 6), ("extrovert", 5 / 6)):
            rows = (users["personality"] == label) & (users["extraversion"] == stored)
            users.loc[rows, "extraversion"] = extraversion_of(label)
        return Population(users, self.groups)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of who the travellers are, whatever ids a database gave them."""
        digest = sha256()
        for name, table in self._tables().items():
            digest.update(name.encode())
            for row in table.to_pylist():
                known = {k: v for k, v in row.items() if v is not None and k not in DATABASE_IDS}
                digest.update(json.dumps(known, sort_keys=True, default=str).encode())
        return digest.digest()

    def _tables(self) -> dict[str, pa.Table]:
        frames = {"users": self.users, "groups": self.groups}
        return {
            name: pa.Table.from_pandas(frame, preserve_index=False)
            for name, frame in frames.items()
            if len(frame)
        }


@dataclass(frozen=True)
class _Part:
    """The events of one match type: a stretch of the batch's rows and chunks."""

    match_type: str
    count: int
    first_row: int
    first_chunk: int
    left: Travellers
    right: Travellers
    right_ids: IntArray
    candidates: Candidates
    effects: PersonalEffects

    @property
    def chunk_count(self) -> int:
        return -(-self.count // CHUNK_ROWS)


class Generation:
    """A batch that can be made: its parts, its chunks, what is to be expected of it.

    Parameters
    ----------
    specification : Specification
    population : Population
    """

    def __init__(self, specification: Specification, population: Population) -> None:
        self.specification = specification
        self.population = population
        unknown = set(specification.match_types) - set(MatchType)
        if unknown or not specification.match_types:
            raise ValueError(f"Expected match types of {', '.join(MatchType)}; got {unknown}.")
        vocabulary = Vocabulary.of(
            population.users, population.groups, lexicon=specification.lexicon
        )
        users = Travellers.from_frame(population.users, vocabulary)
        who = np.array([_number_of(name) for name in population.users["external_id"]], np.int64)
        effects = personal_effects(specification.seed, who)
        self._parts: list[_Part] = []
        self._ceilings: dict[str, Ceiling] = {}
        row = chunk = 0
        share, rest = divmod(specification.count, len(specification.match_types))
        for place, match_type in enumerate(specification.match_types):
            count = share + (place < rest)
            right, right_ids = users, users.user_id
            if match_type == MatchType.USER_GROUP:
                right = Travellers.from_frame(population.groups, vocabulary)
                right_ids = _ids(population.groups, "group_id")
            candidates = _candidates(population, users, right, match_type)
            part = _Part(
                match_type, count, row, chunk, users, right, right_ids, candidates, effects
            )
            self._parts.append(part)
            row += part.count
            chunk += part.chunk_count

    @property
    def uid(self) -> UUID:
        """Name of the batch's content: the same recipe and population give the same."""
        recipe = json.dumps(self.specification.as_dict(), sort_keys=True).encode()
        return UUID(bytes=blake2b(recipe + self.population.digest, digest_size=16).digest())

    @property
    def chunk_count(self) -> int:
        """Chunks in the batch."""
        return sum(part.chunk_count for part in self._parts)

    def pair_counts(self) -> dict[str, int]:
        """Count for each match type the pairs that differ by more than their order."""
        return {part.match_type: part.candidates.pair_count for part in self._parts}

    def diversity(self) -> dict[str, Diversity]:
        """Predict for each match type whether its events can be made and how many are copies."""
        return {
            part.match_type: expected_duplicate_share(
                part.candidates,
                part.left,
                part.right if part.match_type == "user_group" else None,
                part.count,
                self.specification.seed,
                self.specification.feature_set,
                self.specification.allow_repeats,
            )
            for part in self._parts
        }

    def make_chunk(self, number: int) -> Columns:
        """Make the events of one chunk.

        Parameters
        ----------
        number : int in [0, chunk_count)

        Returns
        -------
        Columns named as in the table of events, of equal length; `row` (int64, from 0 in the batch)
        stands for the id. A feature is NaN where an input was missing or it does not apply;
        the other match type's identifier is -1.
        """
        part = next(p for p in reversed(self._parts) if number >= p.first_chunk)
        specification = self.specification
        within = number - part.first_chunk
        # Each part has a stream of its own: both would otherwise draw the same numbers.
        match_type = MatchType(part.match_type)
        stream = match_type.code - 1
        pairs = sample_pairs(
            part.candidates,
            part.count,
            specification.seed,
            within,
            CHUNK_ROWS,
            specification.allow_repeats,
        )
        smooth = self._features(part, pairs.left, pairs.right, "smooth-1")
        rng = np.random.default_rng(
            [abs(specification.seed), specification.seed < 0, stream, within]
        )
        # People answer to the travellers, not to the formulas that happen to be logged.
        outcomes = draw_outcomes(
            smooth.values, part.match_type, specification.preset, part.effects, rng, pairs.left
        )
        block = smooth
        if specification.feature_set != "smooth-1":
            block = self._features(part, pairs.left, pairs.right, specification.feature_set)
        values = np.where(block.missing, np.float32(np.nan), block.values)
        best = outcomes.feature_probability
        if specification.ceiling_set != FeatureSet.SMOOTH:
            best = self._ceiling(part).probability(values, specification.preset)
        rows = np.arange(len(pairs)) + within * CHUNK_ROWS
        is_group = part.match_type == "user_group"
        none = np.full(len(pairs), -1, np.int64)
        partner = part.right_ids[pairs.right]
        count = len(pairs)
        return {
            "row": part.first_row + rows,
            "match_type": np.full(count, match_type.code, np.int16),
            "origin": np.full(count, Origin.SYNTHETIC.code, np.int16),
            "preset": np.full(count, Preset(specification.preset).code, np.int16),
            "outcome": outcomes.outcome.astype(np.int16),
            "label": outcomes.label.astype(bool),
            "occurred_at": self._times(rows, part.count, rng),
            "user_id": part.left.user_id[pairs.left],
            "target_id": none if is_group else partner,
            "group_id": partner if is_group else none,
            **{name: values[:, place] for place, name in enumerate(FEATURE_NAMES)},
            "true_probability": outcomes.true_probability,
            "feature_probability": best,
        }

    def _ceiling(self, part: _Part) -> Ceiling:
        if part.match_type not in self._ceilings:
            self._ceilings[part.match_type] = ceiling_of(
                part.candidates, part.left, part.right, self.specification.feature_set
            )
        return self._ceilings[part.match_type]

    def _features(
        self,
        part: _Part,
        left: IntArray,
        right: IntArray,
        feature_set: str,
    ) -> FeatureBlock:
        return compute_features(
            part.left,
            part.right,
            feature_set,
            part.match_type,
            left_index=left,
            right_index=right,
        )

    def _times(
        self, rows: IntArray, count: int, rng: np.random.Generator
    ) -> npt.NDArray[np.datetime64]:
        """Spread events evenly over the window, in order, each somewhere inside its own slot."""
        window = WINDOW_DAYS * MILLISECONDS_PER_DAY
        end = datetime.combine(self.specification.as_of, datetime.min.time(), UTC)
        start = int((end - timedelta(days=WINDOW_DAYS)).timestamp() * 1000)
        offsets = (rows + rng.random(len(rows))) / max(count, 1) * window
        return (start + offsets.astype(np.int64)).astype("datetime64[ms]")


def recompute_features(
    events: pd.DataFrame,
    population: Population,
    feature_set: str,
    lexicon: Lexicon = OWN_WORDS,
) -> FeatureBlock:
    """Compute the features of generated events anew, from the population they were made of.

    Parameters
    ----------
    events : DataFrame of n rows
        match_type ("user_user" or "user_group"), user_id, target_id, group_id as in the table.
    population : Population of the events' batch
    feature_set : "smooth-1" or "tiered-1"
    lexicon : what words mean, and how rare interests are

    Returns
    -------
    FeatureBlock with n rows; features that do not apply are NaN and not missing.

    Raises
    ------
    KeyError
        When an event names somebody who is not in the population.
    """
    values = np.full((len(events), len(FEATURE_NAMES)), np.nan, np.float32)
    missing = np.zeros(values.shape, bool)
    for known in _known_again(events, population, lexicon):
        block = known.features(feature_set)
        values[known.rows] = block.values
        missing[known.rows] = block.missing & applicable(known.match_type)
    return FeatureBlock(values, missing)


def recompute_ceiling(
    events: pd.DataFrame,
    population: Population,
    feature_set: str,
    preset: str,
    lexicon: Lexicon = OWN_WORDS,
) -> npt.NDArray[np.float32]:
    """Compute anew the best probability that a feature set allows for generated events.

    Parameters
    ----------
    events, population, feature_set, lexicon : as for `recompute_features`
    preset : of the events' batch

    Returns
    -------
    float32 array of shape (n,): `feature_probability` of a batch that has this feature set.

    Raises
    ------
    KeyError
        When an event names somebody who is not in the population.
    """
    best = np.full(len(events), np.nan, np.float32)
    for known in _known_again(events, population, lexicon):
        block = known.features(feature_set)
        if feature_set == FeatureSet.SMOOTH:
            best[known.rows] = feature_probability(block.values, known.match_type, preset)
            continue
        candidates = _candidates(population, known.left, known.right, known.match_type)
        ceiling = ceiling_of(candidates, known.left, known.right, feature_set)
        values = np.where(block.missing, np.float32(np.nan), block.values)
        best[known.rows] = ceiling.probability(values, preset)
    return best


@dataclass(frozen=True)
class _Known:
    """Events of one match type whose travellers are found again in their population."""

    match_type: MatchType
    rows: IntArray
    left: Travellers
    right: Travellers
    left_index: IntArray
    right_index: IntArray

    def features(self, feature_set: str) -> FeatureBlock:
        return compute_features(
            self.left,
            self.right,
            feature_set,
            self.match_type,
            left_index=self.left_index,
            right_index=self.right_index,
        )


def _known_again(
    events: pd.DataFrame, population: Population, lexicon: Lexicon
) -> Iterator[_Known]:
    vocabulary = Vocabulary.of(population.users, population.groups, lexicon=lexicon)
    users = Travellers.from_frame(population.users, vocabulary)
    for match_type in MatchType:
        rows = np.flatnonzero((events["match_type"] == match_type).to_numpy())
        if not len(rows):
            continue
        right, ids, column = users, users.user_id, "target_id"
        if match_type == MatchType.USER_GROUP:
            right = Travellers.from_frame(population.groups, vocabulary)
            ids, column = _ids(population.groups, "group_id"), "group_id"
        yield _Known(
            match_type,
            rows,
            users,
            right,
            _places(users.user_id, events["user_id"].to_numpy()[rows], "user_id"),
            _places(ids, events[column].to_numpy()[rows], column),
        )


def _candidates(
    population: Population, users: Travellers, right: Travellers, match_type: str
) -> Candidates:
    """Every pair of a population that passes the gates; nobody is paired with an own group."""
    if match_type == MatchType.USER_USER:
        return find_candidates(users)
    return find_candidates(users, right, own_groups(population.users, population.groups))


def _places(known: IntArray, wanted: npt.NDArray[Any], column: str) -> IntArray:
    order = np.argsort(known, kind="stable")
    numbers = np.asarray(wanted, np.int64)
    places = np.searchsorted(known, numbers, sorter=order).clip(max=max(len(known) - 1, 0))
    found = order[places] if len(known) else places
    strangers = numbers[known[found] != numbers] if len(known) else numbers
    if len(strangers):
        raise KeyError(f"The population has no {column} {strangers[0]}.")
    return found


def _ids(frame: pd.DataFrame, column: str) -> IntArray:
    ids: IntArray = (
        pd.to_numeric(frame[column]).to_numpy(np.int64) if len(frame) else np.empty(0, np.int64)
    )
    return ids


def _number_of(external_id: str) -> int:
    """Return a number that stands for a user in every database."""
    digest = blake2b(str(external_id).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
