"""What training and validation have in common."""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.hashing import hash_sets
from training.domain.checks import Check, Gate
from training.domain.expectations import QualitySpec
from training.domain.tasks.base import BoolArray

COPY = "copy"  # beside the groups of a kind


class SharedFields(TypedDict):
    """What stands on both sides of a split: how many, on how many rows of validation, and which
    share of these."""

    shared: int
    validation_rows: int
    validation_share: float | None


# Rows of both sides, what they share by name, and how well each input alone tells the answer.
LeakageFields = dict[str, int | SharedFields | dict[str, float | None]]

SHARED = Gate("shared:", target="none in both train and validation", limit=0)


def measure_sharing(
    frame: pd.DataFrame,
    copies: npt.NDArray[np.uint64],
    in_train: BoolArray,
    spec: QualitySpec,
) -> tuple[LeakageFields, list[Check]]:
    """Count what stands on both sides of a split, and hold to the gate what must not.

    Parameters
    ----------
    copies : array of shape (n_rows,), uint64; fingerprints of the rows.
    in_train : boolean array of shape (n_rows,).
    """
    n_validation = int((~in_train).sum())
    leakage: LeakageFields = {
        "train_rows": int(in_train.sum()),
        "validation_rows": n_validation,
    }
    hashes = {COPY: copies}
    sides = {COPY: in_train}
    for name, columns in spec.groups.items():
        if all(column in frame.columns for column in columns):
            # What nobody knows is no common thing: rows without an identifier share nothing.
            rows_of = [frame[column] for column in columns]
            known = np.logical_or.reduce([column.notna().to_numpy() for column in rows_of])
            if not known.all():
                rows_of = [column[known] for column in rows_of]
            hashes[name] = hash_sets(rows_of)
            sides[name] = in_train[known]
    checks = []
    for name, values in hashes.items():
        shared, rows = count_shared(values, sides[name])
        leakage[name] = SharedFields(
            shared=shared,
            validation_rows=rows,
            validation_share=rows / n_validation if n_validation else None,
        )
        if name != COPY and name not in spec.disjoint:
            continue
        checks.append(
            SHARED.check(
                shared,
                "refuse" if shared else "pass",
                f"{shared} {name}s stand in train and in validation ({rows} validation rows): "
                "split again, keeping each on one side.",
                of=name,
            )
        )
    return leakage, checks


def count_shared(hashes: npt.NDArray[np.uint64], in_train: BoolArray) -> tuple[int, int]:
    """How many fingerprints stand on both sides, and on how many validation rows.

    Parameters
    ----------
    hashes : array of shape (n_rows,), uint64
    in_train : boolean array of shape (n_rows,)

    Returns
    -------
    (distinct fingerprints on both sides, validation rows that carry one of them)
    """
    if not len(hashes):
        return 0, 0
    # The side takes the place of the lowest bit, so that one sort answers both questions.
    keys = np.sort((hashes & ~np.uint64(1)) | in_train.astype(np.uint64))
    starts = np.flatnonzero(
        np.append(True, (keys[1:] >> np.uint64(1)) != (keys[:-1] >> np.uint64(1)))
    )
    size = np.diff(np.append(starts, len(keys)))
    trained = np.add.reduceat((keys & np.uint64(1)).astype(np.int64), starts)
    is_shared = (trained > 0) & (trained < size)
    return int(is_shared.sum()), int((size - trained)[is_shared].sum())
