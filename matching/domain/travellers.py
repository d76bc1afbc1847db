"""Travellers as columns: words become bits and codes, so that millions of pairs are scored fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from matching.domain.cells import (
    distinct_words,
    read_days,
    read_degrees,
    read_numbers,
    read_objects,
    words_of,
)
from matching.domain.geo import unit_vectors
from matching.domain.lexicon.folding import OWN_WORDS, Lexicon
from matching.domain.personality import (
    EXTROVERT_FROM,
    INTROVERT_BELOW,
    PERSONALITIES,
    label_likeness,
)
from matching.domain.words import (
    EVEN_HABITS,
    GRADED_HABITS,
    INTEREST_SHARES,
    INTERESTS,
    LANGUAGES,
    NATIONALITIES,
    RELIGIONS,
    UNKNOWN_INTEREST_SHARE,
    nationality_similarity,
    religion_similarity,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Vocabulary:
    """The words behind the bits and codes of encoded travellers: known words first, then others.

    Both sides of a pair must share one. Scores do not depend on it: another vocabulary that has
    the words moves bits around and nothing else. What words mean, and how rare interests are, the
    lexicon says. Interests that nobody knows are among the words; a language, nationality or
    religion that nobody knows is not: it counts as missing.
    """

    interests: tuple[str, ...] = INTERESTS
    languages: tuple[str, ...] = LANGUAGES
    nationalities: tuple[str, ...] = tuple(NATIONALITIES)
    religions: tuple[str, ...] = RELIGIONS
    personalities: tuple[str, ...] = tuple(PERSONALITIES)
    lexicon: Lexicon = OWN_WORDS

    @classmethod
    def of(cls, *frames: pd.DataFrame, lexicon: Lexicon = OWN_WORDS) -> Vocabulary:
        """Extend the known words by those that the given travellers frames use besides."""
        return cls(lexicon=lexicon).extended_by(*frames)

    def extended_by(self, *frames: pd.DataFrame) -> Vocabulary:
        """Return a vocabulary with the words that travellers frames use besides, behind those that
        are there: what was encoded with this one can be read with that one."""

        def extended(known: tuple[str, ...], column: str, kind: str) -> tuple[str, ...]:
            written = set().union(*(distinct_words(frame, column) for frame in frames))
            used = {self.read(kind, word) for word in written}
            return (*known, *sorted(used.difference({*known, ""})))

        return Vocabulary(
            extended(self.interests, "interests", "interest"),
            extended(self.languages, "languages", "language"),
            extended(self.nationalities, "nationality", "nationality"),
            extended(self.religions, "religion", "religion"),
            extended(self.personalities, "personality", "personality"),
            self.lexicon,
        )

    def read(self, kind: str, written: str) -> str:
        """Return the word by which one that was written takes part; empty where it does not."""
        return read_word(self.lexicon, kind, written)

    @cached_property
    def interest_weights(self) -> FloatArray:
        """Inverse document frequency, ln(1 / share), of each interest: shape (n_interests,)."""
        measured = self.lexicon.shares
        shares = [
            INTEREST_SHARES.get(tag) or measured.get(tag, UNKNOWN_INTEREST_SHARE)
            for tag in self.interests
        ]
        weights: FloatArray = -np.log(np.array(shares))
        return weights

    @cached_property
    def interest_tables(self) -> FloatArray:
        """Total weight of every byte value: shape (n_bytes, 256); sums over set bits by lookup."""
        weights = np.zeros(_byte_count(len(self.interests)) * 8)
        weights[: len(self.interests)] = self.interest_weights
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
        return np.stack([bits @ weights[k : k + 8] for k in range(0, len(weights), 8)])

    @cached_property
    def nationality_table(self) -> FloatArray:
        """Likeness of nationalities: shape (n + 1, n + 1), last row and column NaN for code -1."""
        return _similarity_table(self.nationalities, nationality_similarity)

    @cached_property
    def religion_table(self) -> FloatArray:
        """Likeness of religions: shape (n + 1, n + 1), last row and column NaN for code -1."""
        return _similarity_table(self.religions, religion_similarity)

    @cached_property
    def personality_table(self) -> FloatArray:
        """Likeness of labels: shape (n + 1, n + 1), NaN where nothing is known of the two."""
        return _similarity_table(self.personalities, label_likeness)


@dataclass(frozen=True)
class Travellers:
    """Encoded travellers, one row per live session or per travelling group, column by column.

    Days are whole days since 1970-01-01. The end date is the day of departure and does not count: a
    trip from the 1st to the 5th lasts 4 days, as in production. Numbers are float64 with NaN where
    unknown; float64 so that tier boundaries fall as they do in plain Python. Word sets are bits
    over `vocabulary`; no bit at all means unknown. Codes are -1 where unknown. A group of nobody
    has no size, and no languages or nationalities are none that are known: NaN, like every count
    below 1.
    """

    vocabulary: Vocabulary
    external_id: npt.NDArray[np.object_]
    user_id: IntArray  # int64; -1 for a group
    destination: FloatArray  # (n, 3) unit vector of the destination, NaN unknown
    destination_lat: FloatArray  # degrees
    destination_lon: FloatArray  # degrees
    start_day: FloatArray
    end_day: FloatArray
    budget: FloatArray  # currency units for the trip; a group's mean
    interests: npt.NDArray[np.uint8]  # (n, n_bytes) bits
    interest_weight: FloatArray  # total rarity of the interests
    age: FloatArray  # years; a group's mean
    extraversion: FloatArray  # [0, 1]; a group's mean
    personality: IntArray  # code of the label
    languages: npt.NDArray[np.uint64]  # (n, n_words) bits
    smoking: FloatArray  # [0, 1] by GRADED_HABITS; a group's mean
    drinking: FloatArray  # [0, 1] by GRADED_HABITS; a group's mean
    smoking_even: FloatArray  # [0, 1] by EVEN_HABITS; a group's mean
    drinking_even: FloatArray  # [0, 1] by EVEN_HABITS; a group's mean
    nationality: IntArray  # code; a group's most common
    religion: IntArray  # code; a group's most common
    home: FloatArray  # (n, 3) unit vector of the home town, NaN unknown
    group_size: FloatArray  # people; NaN for a single traveller
    n_languages: FloatArray  # distinct languages within a group; NaN for a single traveller
    n_nationalities: FloatArray  # distinct nationalities within a group

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, index: IntArray | slice) -> Travellers:
        """The travellers at the given rows, in that order."""
        columns = {
            field.name: getattr(self, field.name)[index]
            for field in fields(self)
            if field.name != "vocabulary"
        }
        return Travellers(vocabulary=self.vocabulary, **columns)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, vocabulary: Vocabulary | None = None) -> Travellers:
        """Encode a travellers frame.

        Parameters
        ----------
        frame : DataFrame, one row per live session or group
            Columns, all optional (an absent column is wholly missing): external_id, user_id,
            destination_lat, destination_lon, home_lat, home_lon (degrees), start_date, end_date
            (dates, timestamps or ISO text), budget, age, extraversion, personality (label),
            interests, languages (lists of words), smoking, drinking (yes, occasionally, no; a list
            of those; or a number in [0, 1] by GRADED_HABITS), nationality, religion; for groups
            also group_size, n_languages, n_nationalities. Words are folded by the lexicon of the
            vocabulary. Where only one of extraversion and personality is known, the other follows
            from it.
        vocabulary : Vocabulary, optional
            Must hold every word of the frame; by default it is made from the frame. Two frames
            that are to be compared need a shared one.

        Raises
        ------
        KeyError
            When the vocabulary lacks a word of the frame.
        """
        vocabulary = vocabulary or Vocabulary.of(frame)
        count = len(frame)
        interests = _bits(frame, "interests", vocabulary, "interest", vocabulary.interests)
        destination_lat = read_numbers(frame, "destination_lat")
        destination_lon = read_numbers(frame, "destination_lon")
        return cls(
            vocabulary=vocabulary,
            external_id=read_objects(frame, "external_id"),
            user_id=(
                frame["user_id"].fillna(-1).to_numpy(np.int64)
                if "user_id" in frame
                else np.full(count, -1, np.int64)
            ),
            destination=unit_vectors(destination_lat, destination_lon),
            destination_lat=destination_lat,
            destination_lon=destination_lon,
            start_day=read_days(frame, "start_date"),
            end_day=read_days(frame, "end_date"),
            budget=read_numbers(frame, "budget"),
            interests=interests,
            interest_weight=weigh_bits(interests, vocabulary.interest_tables),
            age=read_numbers(frame, "age"),
            extraversion=read_temperament(frame, vocabulary.lexicon),
            personality=_labels(frame, vocabulary),
            languages=_bits(frame, "languages", vocabulary, "language", vocabulary.languages).view(
                np.uint64
            ),
            smoking=_degrees(frame, "smoking", vocabulary, GRADED_HABITS),
            drinking=_degrees(frame, "drinking", vocabulary, GRADED_HABITS),
            smoking_even=_even_degrees(frame, "smoking", vocabulary),
            drinking_even=_even_degrees(frame, "drinking", vocabulary),
            nationality=_codes(frame, "nationality", vocabulary, vocabulary.nationalities),
            religion=_codes(frame, "religion", vocabulary, vocabulary.religions),
            home=unit_vectors(read_numbers(frame, "home_lat"), read_numbers(frame, "home_lon")),
            group_size=_counts(frame, "group_size"),
            n_languages=_counts(frame, "n_languages"),
            n_nationalities=_counts(frame, "n_nationalities"),
        )


class PairSide:
    """Some rows of travellers: each column is gathered when it is first asked for."""

    vocabulary: Vocabulary

    def __init__(self, travellers: Travellers | PairSide, rows: IntArray | slice) -> None:
        self._travellers, self._rows = travellers, rows
        self.vocabulary = travellers.vocabulary

    def __len__(self) -> int:
        rows = self._rows
        if isinstance(rows, slice):
            return len(range(*rows.indices(len(self._travellers))))
        return len(rows)

    def __getattr__(self, name: str) -> Any:
        column = getattr(self._travellers, name)
        rows = self._rows
        gathered = column[rows] if isinstance(rows, slice) else column.take(rows, axis=0)
        setattr(self, name, gathered)
        return gathered


def read_word(lexicon: Lexicon, kind: str, written: str) -> str:
    """Return the word by which one that was written takes part in features; empty where it does
    not.

    An interest counts whether it is known or not: who shares one that nobody knows shares something
    rare. So does a label of temperament, which `tiered-1` compares as a word. Any other word that
    is not known counts as missing: that two words differ does not say that two people do.
    """
    folded = lexicon.fold(kind, written)
    return folded.identity if folded.is_known or kind in ("interest", "personality") else ""


def read_temperament(frame: pd.DataFrame, lexicon: Lexicon = OWN_WORDS) -> FloatArray:
    """Extraversion, or what the personality label says where none was measured.

    Parameters
    ----------
    frame : DataFrame of n rows with the columns extraversion and personality, both optional

    Returns
    -------
    float64 array of shape (n,) in [0, 1]; NaN where neither is known.
    """
    measured = read_numbers(frame, "extraversion")
    label = read_degrees(
        frame, "personality", _meant(frame, "personality", "personality", lexicon, PERSONALITIES)
    )
    return np.where(np.isnan(measured), label, measured)


def weigh_bits(bits: npt.NDArray[np.uint8], tables: FloatArray) -> FloatArray:
    """Total weight of the words in each bit set.

    Parameters
    ----------
    bits : uint8 array of shape (n, n_bytes)
    tables : float64 array of shape (n_bytes, 256), the weight of every byte value

    Returns
    -------
    float64 array of shape (n,)
    """
    total: FloatArray = tables[0].take(bits[:, 0])
    for byte in range(1, len(tables)):
        total += tables[byte].take(bits[:, byte])
    return total


def _labels(frame: pd.DataFrame, vocabulary: Vocabulary) -> IntArray:
    """Codes of the labels: a known word, else what the extraversion says, else the unknown word."""
    words = _codes(frame, "personality", vocabulary, vocabulary.personalities)
    extraversion = read_numbers(frame, "extraversion")
    # The labels come first in a vocabulary, in order of extraversion.
    measured = np.digitize(extraversion, [INTROVERT_BELOW, EXTROVERT_FROM])
    is_label = (words >= 0) & (words < len(PERSONALITIES))
    return np.where(np.isnan(extraversion) | is_label, words, measured)


def _meant(
    frame: pd.DataFrame, column: str, kind: str, lexicon: Lexicon, degrees: Mapping[str, float]
) -> dict[str, float]:
    """Each word of a column that means a known one, with the number of that one."""
    meant = {word: lexicon.fold(kind, word).word for word in distinct_words(frame, column)}
    return {word: degrees[known] for word, known in meant.items() if known in degrees}


def _degrees(
    frame: pd.DataFrame, column: str, vocabulary: Vocabulary, degrees: Mapping[str, float]
) -> FloatArray:
    return read_degrees(frame, column, _meant(frame, column, "habit", vocabulary.lexicon, degrees))


def _even_degrees(frame: pd.DataFrame, column: str, vocabulary: Vocabulary) -> FloatArray:
    """Habits on even steps; a number is a mean by GRADED_HABITS, whose steps are evened out."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    degrees = _degrees(frame, column, vocabulary, EVEN_HABITS)
    given = np.array([isinstance(value, Real) for value in frame[column]], np.bool_)
    evened = np.interp(degrees, list(GRADED_HABITS.values()), list(EVEN_HABITS.values()))
    return np.where(given, evened, degrees)


def _counts(frame: pd.DataFrame, column: str) -> FloatArray:
    numbers = read_numbers(frame, column)
    return np.where(numbers >= 1, numbers, np.nan)


def _byte_count(n_words: int) -> int:
    return max(1, -(-n_words // 8))


def _similarity_table(words: Sequence[str], similarity: Callable[[str, str], float]) -> FloatArray:
    table = np.full((len(words) + 1, len(words) + 1), np.nan)
    table[:-1, :-1] = [[similarity(a, b) for b in words] for a in words]
    return table


def _bits(
    frame: pd.DataFrame, column: str, vocabulary: Vocabulary, kind: str, words: Sequence[str]
) -> npt.NDArray[np.uint8]:
    """Bit sets of shape (n, n_bytes), padded so that they can be read as 64-bit words."""
    n_bytes = -(-_byte_count(len(words)) // 8) * 8
    flags = np.zeros((len(frame), n_bytes * 8), np.bool_)
    if column in frame:
        places = _Places(vocabulary, kind, words)
        for row, value in enumerate(frame[column]):
            for word in words_of(value):
                if (place := places[word]) >= 0:
                    flags[row, place] = True
    return np.packbits(flags, axis=1, bitorder="little")


def _codes(
    frame: pd.DataFrame, column: str, vocabulary: Vocabulary, words: Sequence[str]
) -> IntArray:
    codes = np.full(len(frame), -1, np.int64)
    if column in frame:
        places = _Places(vocabulary, column, words)
        for row, value in enumerate(frame[column]):
            for word in words_of(value)[:1]:
                codes[row] = places[word]
    return codes


class _Places(dict[str, int]):
    """Where each written word stands among those of a vocabulary, -1 for one that does not count;
    folded once for each distinct word."""

    def __init__(self, vocabulary: Vocabulary, kind: str, words: Sequence[str]) -> None:
        super().__init__()
        self._vocabulary, self._kind = vocabulary, kind
        self._position = {word: place for place, word in enumerate(words)} | {"": -1}

    def __missing__(self, written: str) -> int:
        place = self._position[self._vocabulary.read(self._kind, written)]
        self[written] = place
        return place
