"""Two models on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.hashing import hash_rows
from project.measure.paired import PairedDifference, PairedFields, paired_difference
from project.refusal import Refusal
from project.storage.failures import ArtifactCorrupt, StoreAway, StoreRefused
from training.domain.checks import Check, Gate
from training.domain.kind import ModelKind, Recipe
from training.domain.tasks import get_task
from training.domain.tasks.base import say_interval
from training.kinds import get_kind
from training.models import ModelVersion
from training.queries.datasets import read_part
from training.queries.loading import LoadedModel, load_model

# Fewer rows that the champion was not trained on decide nothing.
MINIMUM_COMPARED_ROWS = 30

AGAINST_CHAMPION = Gate(
    "against_champion", target="not significantly worse than the champion", limit=0.0
)


class ComparisonFields(TypedDict):
    """A `Comparison` as JSON."""

    rows: int
    difference: PairedFields | None
    note: str


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows; `difference` is None where they cannot be compared."""

    rows: int
    difference: PairedDifference | None
    note: str = ""

    def as_dict(self) -> ComparisonFields:
        difference = None if self.difference is None else self.difference.as_dict()
        return {"rows": self.rows, "difference": difference, "note": self.note}


def compare(candidate: ModelVersion, other: ModelVersion) -> Comparison:
    """Compare two models on the candidate's validation rows.

    Rows of whom the training part of the other model has a copy are left out: it has seen their
    answers. Equal inputs of other people are none.
    """
    if candidate.kind != other.kind:
        raise Refusal(
            f"{candidate} and {other} are of different kinds.",
            remedy="Compare two versions of one kind.",
        )
    kind = get_kind(candidate.kind)
    mine, theirs = candidate.dataset, other.dataset
    if mine.feature_set != theirs.feature_set:
        return Comparison(
            0, None, f"{candidate} reads {mine.feature_set}, {other} reads {theirs.feature_set}."
        )
    rows = read_part(mine, "val")
    if mine.pk != theirs.pk:
        told_apart_by = _told_apart_by(kind)
        seen = read_part(theirs, "train", columns=told_apart_by)
        rows = rows[~_stands_in(told_apart_by, rows, seen)]
    if len(rows) < MINIMUM_COMPARED_ROWS:
        return Comparison(
            len(rows),
            None,
            f"Only {len(rows)} validation rows of {candidate} are new to {other}; "
            f"{MINIMUM_COMPARED_ROWS} are needed.",
        )
    measured_as = kind.held_out_by(mine.split)
    return Comparison(
        len(rows), _paired(measured_as, rows, load_model(candidate), load_model(other))
    )


def check_against(model: ModelVersion, champion: ModelVersion) -> Check:
    """Hold a candidate against the champion; what cannot be compared warns and says why."""
    try:
        comparison = compare(model, champion)
    except (StoreAway, StoreRefused):
        raise
    except ArtifactCorrupt as error:
        comparison = Comparison(0, None, f"A file is not what was written: {error}")
    difference = comparison.difference
    if difference is None:
        return AGAINST_CHAMPION.check(None, "warn", f"Not compared: {comparison.note}")
    return AGAINST_CHAMPION.check(
        difference.difference,
        "refuse" if difference.verdict == "worse" else "pass",
        f"{difference.metric} differs from that of version {champion.version} by "
        f"{say_interval(difference)} on {words.tally(comparison.rows, 'row')}: keep the champion.",
    )


def _paired(
    kind: ModelKind, rows: pd.DataFrame, a: LoadedModel, b: LoadedModel
) -> PairedDifference:
    answers = kind.rows(rows)
    return paired_difference(
        a.predict(rows),
        b.predict(rows),
        answers.target,
        get_task(kind.task).paired_metric,
        clusters=answers.clusters,
    )


def _told_apart_by(kind: ModelKind) -> list[str]:
    """The inputs, and who gave an answer to what where a kind names that."""
    spec = kind.quality_of(Recipe())
    return [*kind.features, *spec.pair, *spec.identity]


def _stands_in(
    told_apart_by: Sequence[str], rows: pd.DataFrame, seen: pd.DataFrame
) -> npt.NDArray[np.bool_]:
    shared = [name for name in told_apart_by if name in rows and name in seen]
    if not shared or not len(seen):
        return np.zeros(len(rows), dtype=np.bool_)
    # Text is fingerprinted by codes that hold within one column, so both frames are one here.
    both = pd.concat([seen[shared], rows[shared]], ignore_index=True)
    hashes = hash_rows([both[name] for name in shared])
    return np.isin(hashes[len(seen) :], hashes[: len(seen)])
