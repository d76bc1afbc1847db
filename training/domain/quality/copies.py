"""Rows that are there more than once."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.hashing import hash_rows
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


def copied_by(spec: QualitySpec) -> tuple[str, ...]:
    """Return the columns whose equality makes two rows copies."""
    if spec.copy_columns is not None:
        return spec.copy_columns
    return get_task(spec.task).copied_by(spec.feature_names, spec.target)


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
