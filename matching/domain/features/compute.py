"""The one way from two sides of travellers to the features of their pairs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.domain.features.columns import applicable
from matching.domain.features.names import COLUMN, FEATURE_NAMES, features_of
from matching.domain.features.smooth import smooth_scores
from matching.domain.features.tiered import tiered_scores
from matching.domain.travellers import PairSide, Travellers
from matching.domain.words import COMPUTED_SETS, FeatureSet, MatchType

IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

CHUNK_ROWS = 16_384  # rows at a time: the working columns stay within the L2 cache


class VocabularyMismatch(ValueError):
    """Two sets of travellers were encoded with different vocabularies."""

    def __init__(self) -> None:
        super().__init__(
            "Expected both sides encoded with one vocabulary; they differ. Build it with "
            "Vocabulary.of(left_frame, right_frame) and pass it to both Travellers.from_frame "
            "calls."
        )


@dataclass(frozen=True)
class FeatureBlock:
    """Features of n pairs.

    values : float32 (n, 13), in [0, 1]; NaN where the feature does not apply to the match type
        and, in smooth-1, where an input is missing (tiered-1 has 0.5 there).
    missing : bool (n, 13), True where an input was missing; never True for what does not apply.
    """

    values: npt.NDArray[np.float32]
    missing: BoolArray

    def __len__(self) -> int:
        return len(self.values)


def compute_features(
    left: Travellers | PairSide,
    right: Travellers | PairSide,
    feature_set: str = "smooth-1",
    match_type: str = "user_user",
    *,
    left_index: IntArray | None = None,
    right_index: IntArray | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> FeatureBlock:
    """Score pairs of travellers, row against row.

    Parameters
    ----------
    left, right : Travellers, or some rows of them
        Users on the left; users or groups on the right. Without indices, of equal length.
    feature_set : "smooth-1" or "tiered-1"
    match_type : "user_user" or "user_group"
    left_index, right_index : int arrays of shape (n,), optional
        Rows to pair, gathered chunk by chunk so that millions of pairs need no copy of the columns.
    chunk_rows : int
        Rows at a time; it does not change the result.

    Returns
    -------
    FeatureBlock with n rows.

    Raises
    ------
    ValueError
        For an unknown feature set or match type, or sides of different length.
    VocabularyMismatch
        When the sides were encoded with different vocabularies.
    """
    if feature_set not in COMPUTED_SETS:
        raise ValueError(
            f"Expected a feature set of {', '.join(COMPUTED_SETS)}; got {feature_set!r}."
        )
    used = applicable(match_type)
    if left.vocabulary != right.vocabulary:
        raise VocabularyMismatch
    count = len(left) if left_index is None else len(left_index)
    if count != (len(right) if right_index is None else len(right_index)):
        raise ValueError("Expected as many travellers on the left as on the right.")
    values = np.full((count, len(FEATURE_NAMES)), np.nan, np.float32)
    missing = np.zeros(values.shape, np.bool_)
    names, is_group = features_of(match_type), match_type == MatchType.USER_GROUP
    for rows in _chunks(count, chunk_rows):
        a, b = _some(left, left_index, rows), _some(right, right_index, rows)
        if feature_set == FeatureSet.TIERED:
            scores, unknown = tiered_scores(a, b, is_group)
            for name in names:
                missing[rows, COLUMN[name]] = unknown[name]
        else:
            scores = smooth_scores(a, b, is_group)
        for name in names:
            values[rows, COLUMN[name]] = scores[name]
    if feature_set != FeatureSet.TIERED:
        missing = np.isnan(values)
        missing &= used
    return FeatureBlock(values, missing)


def _some(travellers: Travellers | PairSide, index: IntArray | None, rows: slice) -> PairSide:
    is_all = index is None and rows == slice(0, len(travellers))
    if is_all and isinstance(travellers, PairSide):
        return travellers  # who asked for them before need not gather them again
    return PairSide(travellers, rows if index is None else index[rows])


def _chunks(count: int, chunk_rows: int) -> Iterator[slice]:
    for start in range(0, count, chunk_rows):
        yield slice(start, min(start + chunk_rows, count))
