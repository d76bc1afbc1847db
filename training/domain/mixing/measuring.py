"""The report of a mixture: real rows are what it is judged by, synthetic ones stand beside."""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.jackknife import FEWEST_CLUSTERS
from training.domain.checks import Check
from training.domain.expectations import QualitySpec
from training.domain.kind import ModelKind
from training.domain.mixing.gates import (
    check_copies_of_real,
    check_likeness,
    check_real_rows,
    check_synthetic_part,
)
from training.domain.mixing.likeness import Likeness, Nearness, compare_rows, nearest_rows
from training.domain.quality import QualityFields, QualityReport
from training.domain.splits import Split

BoolArray = npt.NDArray[np.bool_]
LIKENESS_SEED = 20_261_127  # the same rows always compare alike


class MixtureFields(TypedDict):
    """What a dataset keeps of its mixture."""

    real_rows: int
    synthetic_rows: int
    likeness: Likeness
    nearness: Nearness | None
    synthetic: QualityFields


@dataclass(frozen=True)
class MixtureReport:
    """Figures and checks of a mixture."""

    fields: MixtureFields
    checks: tuple[Check, ...]


def report_mixture(
    kind: ModelKind,
    spec: QualitySpec,
    frame: pd.DataFrame,
    is_real: BoolArray,
    split: Split,
    synthetic: QualityReport,
    is_foreign: BoolArray,
) -> MixtureReport:
    """Measure the two origins of a dataset against each other.

    Parameters
    ----------
    frame : every row of the dataset.
    is_real : which of them people made.
    split : where they go.
    synthetic : the quality report of the synthetic rows alone.
    is_foreign : rows that were not generated here, and may have been fitted to real ones.
    """
    rng = np.random.default_rng(LIKENESS_SEED)
    inputs = [name for name in spec.feature_names if name in frame]
    others = [name for name in ("occurred_at", spec.target) if name in frame]
    likeness = compare_rows(frame, is_real, inputs, others, rng)
    trained = is_real & split.train
    checks = []
    if trained.any():
        wanted = [name for name in (*kind.clusters, kind.target) if name in frame]
        rows = kind.rows(frame.loc[split.validation, wanted])
        counts = dict(zip(rows.clustered_by, rows.clusters.counts(), strict=True))
        noun = next(iter(counts), "")
        every = kind.rows(frame.loc[is_real, wanted])
        few = {
            what: count
            for what, count in zip(every.clustered_by, every.clusters.counts(), strict=True)
            if count < FEWEST_CLUSTERS
        }
        checks += check_real_rows(len(rows), counts.get(noun), noun, len(every), few)
    nearness = None
    fitted = ~is_real & is_foreign & split.train
    numbers = [name for name in inputs if name in kind.numeric]
    if trained.any() and fitted.any():
        nearness = nearest_rows(
            frame[fitted], frame[trained], frame[split.validation], numbers, rng
        )
        checks.append(check_copies_of_real(nearness))
    checks += [check_synthetic_part(synthetic.checks), check_likeness(likeness)]
    return MixtureReport(
        {
            "real_rows": int(is_real.sum()),
            "synthetic_rows": int((~is_real).sum()),
            "likeness": likeness,
            "nearness": nearness,
            "synthetic": synthetic.as_dict(),
        },
        tuple(checks),
    )
