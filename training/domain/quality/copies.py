"""Rows that are there more than once."""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.hashing import hash_rows, hash_sets, mix
from training.domain.checks import Check, Gate, Verdict
from training.domain.expectations import QualitySpec
from training.domain.tasks import get_task
from training.domain.tasks.base import FloatArray

DUPLICATE_WARN_SHARE = 0.10
DUPLICATE_REFUSE_SHARE = 0.20
SHUFFLE_SEED = 20_260_101  # the same rows always measure alike

DUPLICATE_SHARE = Gate(
    "duplicate_share", target=f"< {DUPLICATE_WARN_SHARE:.0%}", limit=DUPLICATE_REFUSE_SHARE
)
REPEATED_ANSWERS = Gate(
    "repeated_answers",
    target=f"< {DUPLICATE_WARN_SHARE:.0%} beyond chance",
    limit=DUPLICATE_REFUSE_SHARE,
)
REPEATED_VECTORS = Gate(
    "repeated_vectors",
    target=f"< {DUPLICATE_WARN_SHARE:.0%} of different pairs",
    limit=DUPLICATE_WARN_SHARE,
)
GENERATED_VECTORS = Gate(
    "generated_vectors", target=f"< {DUPLICATE_WARN_SHARE:.0%}", limit=DUPLICATE_REFUSE_SHARE
)

CONTRADICTIONS = Gate("contradictions", target="no pair with both answers", limit=0)


class RepeatFields(TypedDict):
    """A `Repeats` as JSON."""

    share: float
    of_one_pair: float
    by_chance: float


@dataclass(frozen=True)
class Repeats:
    """How often a vector of inputs comes again.

    Attributes
    ----------
    share : rows whose vector an earlier row has, of all rows, in [0, 1].
    of_one_pair : those among them that are about the same two people, in either direction, of all
        rows.
    vectors : how many differ; 0 without an input.
    by_chance : the repeats that as many different pairs would have if each input were drawn by
        itself from the values it has here, of all rows: what so coarse a grid gives anyway. Inputs
        that hang together repeat more often.
    """

    share: float
    of_one_pair: float
    by_chance: float
    vectors: int

    @property
    def of_different_pairs(self) -> float:
        """The repeats that are not those of one pair, of all rows."""
        return self.share - self.of_one_pair

    def as_dict(self) -> RepeatFields:
        return {
            "share": self.share,
            "of_one_pair": self.of_one_pair,
            "by_chance": self.by_chance,
        }


def copied_by(spec: QualitySpec) -> tuple[str, ...]:
    """Return the columns whose equality makes two rows copies.

    For a kind of pairs that is who, about whom and the vector. Those who are not known are all
    equal, so that among them the vector alone decides.
    """
    if spec.copy_columns is not None:
        return spec.copy_columns
    by_task = get_task(spec.task).copied_by(spec.feature_names, spec.target)
    return (*by_task, *spec.pair)


def fingerprint_rows(frame: pd.DataFrame, spec: QualitySpec) -> npt.NDArray[np.uint64]:
    """Fingerprints of shape (n_rows,), equal where two rows are copies under the spec."""
    present = [frame[name] for name in copied_by(spec) if name in frame.columns]
    return hash_rows(present) if present else np.zeros(len(frame), dtype=np.uint64)


def excess_repeats(inputs: npt.NDArray[np.uint64], target: FloatArray) -> float:
    """Share of rows that repeat another one's inputs and answer beyond what chance explains.

    Parameters
    ----------
    inputs : array of shape (n_rows,), uint64; equal where the inputs are equal.
    target : array of shape (n_rows,).

    Returns
    -------
    Between 0 and 1; 0 without rows. The share of repeated rows, times where their number lies
        between that after the answers were shuffled (0: ratings of few values repeat so by
        chance) and the largest that these inputs allow (1: equal inputs always have equal
        answers, as copies do).
    """
    if not len(inputs):
        return 0.0
    shuffled = target[np.random.default_rng(SHUFFLE_SEED).permutation(len(target))]
    repeats, by_chance = (
        len(inputs) - len(np.unique(hash_rows([inputs, answers]))) for answers in (target, shuffled)
    )
    largest = len(inputs) - len(np.unique(inputs))
    if repeats <= by_chance:
        return 0.0
    return (repeats - by_chance) / (largest - by_chance) * repeats / len(inputs)


def count_copies(hashes: npt.NDArray[np.uint64]) -> tuple[int, int]:
    """Distinct fingerprints, and the rows that share theirs with another one."""
    if not len(hashes):
        return 0, 0
    ordered = np.sort(hashes)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(starts, len(ordered)))
    return len(starts), int(sizes[sizes > 1].sum())


def measure_repeats(frame: pd.DataFrame, spec: QualitySpec) -> Repeats:
    """Measure the repeats of vectors beside what chance gives.

    Parameters
    ----------
    frame : n rows; columns of `spec.pair` may be absent or missing, and such rows count as pairs
        of their own.
    """
    names = [name for name in spec.feature_names if name in frame.columns]
    if not len(frame) or not names:
        return Repeats(0.0, 0.0, 0.0, vectors=0)
    vectors = hash_rows([frame[name] for name in names])
    n_rows, unique = len(frame), len(np.unique(vectors))
    if unique == n_rows:
        return Repeats(0.0, 0.0, 0.0, vectors=unique)
    of_pairs = len(np.unique(hash_rows([vectors, _pairs(frame, spec)])))
    return Repeats(
        share=(n_rows - unique) / n_rows,
        of_one_pair=(n_rows - of_pairs) / n_rows,
        by_chance=_repeats_by_chance(frame, names, of_pairs, spec) / n_rows,
        vectors=unique,
    )


def count_vectors(frame: pd.DataFrame, spec: QualitySpec) -> int:
    """Return how many vectors of inputs differ; 0 without an input."""
    present = [frame[name] for name in spec.feature_names if name in frame.columns]
    return len(np.unique(hash_rows(present))) if present else 0


def _pairs(frame: pd.DataFrame, spec: QualitySpec) -> npt.NDArray[np.uint64]:
    """Codes of shape (n_rows,) of the two people of a row; of the row where they are not known."""
    rows = mix(np.arange(len(frame), dtype=np.uint64))
    if not spec.pair or any(name not in frame.columns for name in spec.pair):
        return rows
    columns = [frame[name] for name in spec.pair]
    known = np.logical_and.reduce([column.notna().to_numpy() for column in columns])
    return np.where(known, hash_sets(columns), rows)


def _repeats_by_chance(frame: pd.DataFrame, names: list[str], count: int, spec: QualitySpec) -> int:
    """Repeats among `count` vectors whose every input was drawn by itself, within a match type.

    An input that is computed from others is left out: it tells no two vectors apart.
    """
    free = [
        feature.name
        for feature in spec.features
        if feature.name in names and not (feature.factors and set(feature.factors) <= set(names))
    ]
    rng = np.random.default_rng(SHUFFLE_SEED)
    stratum = np.zeros(len(frame), dtype=np.int64)
    if spec.match_type_column in frame.columns:
        stratum = pd.factorize(frame[spec.match_type_column])[0]
    order = np.argsort(stratum, kind="stable")
    drawn = []
    for name in free:
        # Sorted by stratum and then by lot, a column is shuffled within each stratum.
        lot = np.lexsort((rng.random(len(frame)), stratum))
        values = frame[name].iloc[lot].to_numpy()
        placed = np.empty_like(values)
        placed[order] = values
        drawn.append(placed)
    chosen = np.sort(rng.choice(len(frame), size=count, replace=False))
    return count - len(np.unique(hash_rows([column[chosen] for column in drawn])))


def check_repeated_vectors(repeats: Repeats) -> Check:
    """Name the repeats of vectors among rows from elsewhere; they may all be honest."""
    share = repeats.of_different_pairs
    beyond = share - repeats.by_chance
    found = (
        f"{100 * share:.1f} % of the rows repeat the vector of another pair, and values so coarse "
        f"give {100 * repeats.by_chance:.1f} % by chance alone"
    )
    advice = (
        "nothing is wrong with the rows, finer scores would tell more pairs apart"
        if beyond < DUPLICATE_WARN_SHARE
        else "look whether the source writes rows again under other names, or whether its scores "
        "hang together so closely; where neither is so, train on them as they are"
    )
    verdict: Verdict = "warn" if share >= DUPLICATE_WARN_SHARE else "pass"
    return REPEATED_VECTORS.check(share, verdict, f"{found}: {advice}.")


def check_contradictions(frame: pd.DataFrame, target: FloatArray, spec: QualitySpec) -> Check:
    """Name the pairs of whom some rows have one answer and some the other.

    Parameters
    ----------
    frame : n rows; those that do not name both of `spec.pair` contradict nobody.
    target : float64 (n,), 0 or 1.
    """
    several = both = left = 0
    columns = [frame[name] for name in spec.pair if name in frame.columns]
    if len(columns) == len(spec.pair) and len(frame):
        known = np.logical_and.reduce([column.notna().to_numpy() for column in columns])
        pairs = hash_rows(columns)[known]
        count = pd.Series(target[known]).groupby(pairs).agg(["size", "min", "max"])
        several = int((count["size"] > 1).sum())
        both = int((count["min"] < count["max"]).sum())
        left = len(frame) - len(pairs) + len(count)
    remedy = "Build with --outcomes last or best to take one of each pair."
    if left < spec.minimum_rows:
        remedy = (
            f"One of each pair would leave {_too_few(left, spec)}: bring rows of more pairs before "
            "you take one of each (--outcomes)."
        )
    return CONTRADICTIONS.check(
        both,
        "warn" if both else "pass",
        f"{both} of {several} pairs with several rows have both answers: each counts as it stands. "
        f"{remedy}",
    )


def _too_few(rows: int, spec: QualitySpec) -> str:
    return f"{words.counted(rows, 'row')} of the {spec.minimum_rows} that are needed"


def check_generated_vectors(frame: pd.DataFrame, spec: QualitySpec) -> Check:
    """Hold the share of repeated vectors among rows generated here to its gate."""
    names = [name for name in spec.feature_names if name in frame.columns]
    n_rows = len(frame)
    unique = len(np.unique(hash_rows([frame[name] for name in names]))) if names else n_rows
    share = (n_rows - unique) / n_rows if n_rows else 0.0
    verdict: Verdict = "pass"
    if share >= DUPLICATE_WARN_SHARE:
        verdict = "refuse" if share >= DUPLICATE_REFUSE_SHARE else "warn"
    return GENERATED_VECTORS.check(
        share,
        verdict,
        f"{n_rows - unique} of {n_rows} generated rows repeat an earlier vector: "
        f"{spec.vectors_remedy}.",
    )


def check_duplicates(share: float, unique: int, n_rows: int, spec: QualitySpec) -> Check:
    """Hold the share of copies to its gate; `unique` of `n_rows` are different."""
    verdict: Verdict = "pass"
    remedy = ""
    if share >= DUPLICATE_WARN_SHARE:
        verdict = "refuse" if share >= DUPLICATE_REFUSE_SHARE else "warn"
        excess = n_rows - int(unique / (1 - DUPLICATE_WARN_SHARE))
        remedy = (
            f"{n_rows - unique} of {n_rows} rows repeat an earlier one: remove at least {excess} "
            f"copies, or {spec.copies_remedy}."
        )
        if n_rows - excess < spec.minimum_rows:
            remedy += (
                f" That leaves at most {_too_few(n_rows - excess, spec)}: bring others that are no "
                "copies as well."
            )
    return DUPLICATE_SHARE.check(share, verdict, remedy)


def check_repeats(frame: pd.DataFrame, target: FloatArray, spec: QualitySpec) -> Check:
    """Hold repeated inputs and answers to their gate, with and without who gave them."""
    share = 0.0
    # Copies may keep the identity of their row or have one of their own.
    for names in (spec.feature_names, (*spec.feature_names, *spec.identity)):
        present = [frame[name] for name in names if name in frame.columns]
        if present:
            share = max(share, excess_repeats(hash_rows(present), target))
    verdict: Verdict = "pass"
    remedy = ""
    if share >= DUPLICATE_WARN_SHARE:
        verdict = "refuse" if share >= DUPLICATE_REFUSE_SHARE else "warn"
        are = "are" if verdict == "refuse" else "may be"
        remedy = (
            f"{100 * share:.1f} % of the rows repeat inputs and {spec.target} of another one where "
            f"chance would have given another {spec.target}: they {are} copies of a few rows. Look "
            "at where they were written twice, and leave the copies out."
        )
    return REPEATED_ANSWERS.check(share, verdict, remedy)
