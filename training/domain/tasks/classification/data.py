"""What the labels of a dataset, and single columns beside them, have to show."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from project.measure.auc import auc_of_counts, count_labels
from training.domain.checks import Check, Gate, Verdict
from training.domain.tasks.base import (
    GIVEAWAY_MINIMUM_ROWS,
    BoolArray,
    FloatArray,
    Target,
    mean_of_known,
)

MINORITY_WARN_SHARE = 0.05
# The best possible model of these labels reaches an AUC of about 0.88; a single column beyond 0.95
# has seen the answer.
GIVEAWAY_AUC = 0.95

LABEL_VALUES = Gate("label_values", target="labels are 0 or 1", limit=0)
LABELS = Gate("labels", target=f"both, rarer one >= {MINORITY_WARN_SHARE:.0%}", limit=0.0)
GIVEAWAY = Gate(
    "giveaway", target=f"ROC-AUC of any one feature <= {GIVEAWAY_AUC:g}", limit=GIVEAWAY_AUC
)


def check_labels(values: FloatArray, in_train: BoolArray | None, target: Target) -> list[Check]:
    """Hold the labels, and those of each part of a split, to the gates."""
    known = values[~np.isnan(values)]
    strange = int(((known != 0) & (known != 1)).sum())
    checks = []
    if strange:
        remedy = f"{strange} values of {target.name} are neither 0 nor 1: correct the file."
        checks.append(LABEL_VALUES.check(strange, "refuse", remedy))
    parts = {"": known}
    if in_train is not None:
        parts |= {":train": values[in_train], ":validation": values[~in_train]}
    for part, labels in parts.items():
        share = mean_of_known(labels)
        minority = 0.0 if share is None else min(share, 1 - share)
        verdict: Verdict = "pass"
        remedy = ""
        if minority <= 0:
            verdict = "refuse"
            remedy = (
                f"{len(labels)} rows and only one label among them: both outcomes are needed, "
                "change the preset or add batches, or split at another place."
            )
        elif minority < MINORITY_WARN_SHARE:
            verdict = "warn"
            remedy = (
                f"Only {100 * minority:.1f} % of the rows have the rarer label: add events, or use "
                "a preset that is less one-sided."
            )
        checks.append(LABELS.check(share, verdict, remedy, of=part))
    return checks


def measure_column(
    known: npt.NDArray[np.float32], known_target: FloatArray, missing: BoolArray, target: FloatArray
) -> tuple[int, float]:
    """Distinct values, and the ROC-AUC of one column alone or of its mere absence."""
    positive, negative = count_labels(known, known_target > 0.5)
    separates = _either_way(float(auc_of_counts(positive, negative)))
    if len(known) < len(missing):
        is_positive = target > 0.5
        absent = [np.bincount(missing[side], minlength=2) for side in (is_positive, ~is_positive)]
        separates = max(separates, _either_way(float(auc_of_counts(*absent))))
    return len(positive), separates


def check_giveaway(measured: Mapping[str, float], values: FloatArray, target: Target) -> Check:
    """Hold the best single column to its gate."""
    guilty = sorted(name for name, value in measured.items() if value > GIVEAWAY_AUC)
    rarer = min(int((values == 1).sum()), int((values == 0).sum()))
    verdict: Verdict = "pass"
    if guilty:
        verdict = "refuse" if rarer >= GIVEAWAY_MINIMUM_ROWS else "warn"
    remedy = (
        f"{', '.join(guilty)} alone tells the {target.name}: it was computed from the answer or "
        "after it. Leave it out, or compute it from what is known beforehand."
    )
    return GIVEAWAY.check(max(measured.values(), default=None), verdict, remedy)


def _either_way(auc: float) -> float:
    """The ROC-AUC in whichever direction is better; a half where it does not exist."""
    return 0.5 if np.isnan(auc) else max(auc, 1 - auc)
