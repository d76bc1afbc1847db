"""What the labels of a dataset, and single columns beside them, have to show."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from project import words
from project.measure.auc import auc_of_counts, count_labels
from training.domain.checks import Check, Gate, Verdict
from training.domain.expectations import DISTINCT_DEFAULT, DISTINCT_REFUSE
from training.domain.tasks.base import (
    GIVEAWAY_MINIMUM_ROWS,
    BoolArray,
    FloatArray,
    Target,
    mean_of_known,
)
from training.domain.tasks.classification.balance import (
    ENOUGH_OF_A_LABEL,
    MINORITY_WARN_SHARE,
    Balance,
)

# The best possible model of these labels reaches an AUC of about 0.88; a single column beyond 0.95
# has seen the answer.
GIVEAWAY_AUC = 0.95

MOST_VALUES = 5  # of strange labels that are named

LABEL_VALUES = Gate("label_values", target="labels are 0 or 1", limit=0)
LABELS = Gate("labels", target=f"both, rarer one >= {MINORITY_WARN_SHARE:.0%}", limit=0.0)
DISTINCT_VECTORS = Gate("distinct_vectors", target=f">= {DISTINCT_DEFAULT}", limit=DISTINCT_REFUSE)
GIVEAWAY = Gate(
    "giveaway", target=f"ROC-AUC of any one feature <= {GIVEAWAY_AUC:g}", limit=GIVEAWAY_AUC
)


def check_labels(values: FloatArray, in_train: BoolArray | None, target: Target) -> list[Check]:
    """Hold the labels, and those of each part of a split, to the gates."""
    known = values[~np.isnan(values)]
    is_label = (values == 0) | (values == 1)
    strange = len(known) - int(is_label.sum())
    checks = []
    if strange:
        remedy = (
            f"{words.tally(strange, 'value')} of {target.name} "
            f"{words.bend(strange, 'is', 'are')} neither 0 nor 1{_said(known)}: correct the "
            "file, so that who said yes has 1 and who said no has 0."
        )
        checks.append(LABEL_VALUES.check(strange, "refuse", remedy))
    parts = {"": is_label}
    if in_train is not None:
        parts |= {":train": is_label & in_train, ":validation": is_label & ~in_train}
    balance = Balance.of(values[is_label])
    for part, inside in parts.items():
        labels = values[inside]
        share = mean_of_known(labels)
        minority = 0.0 if share is None else min(share, 1 - share)
        verdict: Verdict = "pass"
        remedy = ""
        if minority <= 0:
            verdict = "refuse"
            needed = _both_needed(balance, target.made_here)
            if strange and not balance.rarer:
                needed = "correct the file first, which may bring the other one"
            remedy = (
                f"{words.counted(len(labels), 'row')} and only one label among them, both are "
                f"needed: {needed}."
            )
        elif minority < MINORITY_WARN_SHARE:
            verdict = "warn"
            remedy = (
                f"Only {100 * minority:.1f} % of the rows have the rarer label: "
                f"{_more_needed(balance, target.made_here)}."
            )
        checks.append(LABELS.check(share, verdict, remedy, of=part))
    return checks


def _said(known: FloatArray) -> str:
    """The values that stand for labels, where they are few."""
    values = np.unique(known)
    if len(values) > MOST_VALUES:
        return ""
    return f" (they are {', '.join(f'{value:g}' for value in values)})"


def _both_needed(balance: Balance, made_here: bool) -> str:
    if balance.rarer >= ENOUGH_OF_A_LABEL:
        return (
            f"{balance.said}, enough for both parts, so split by lot (--split random) or at "
            "another --train-share"
        )
    return _more_needed(balance, made_here)


def _more_needed(balance: Balance, made_here: bool) -> str:
    if made_here:
        return f"{balance.said}, generate with a preset that is less one-sided, or more events"
    if balance.rarer >= ENOUGH_OF_A_LABEL:
        return (
            f"{balance.said}, what is said of that label rests on those; read scores by their "
            "order, as all of them will be near that share"
        )
    if not balance.rarer:
        return (
            f"{balance.said}; import events of the other outcome, and build with both batches "
            "(--batch)"
        )
    return (
        f"{balance.said}, too few to learn from or to split; about {balance.rows_to_enough:,} more "
        f"rows like these would bring {ENOUGH_OF_A_LABEL} of them, so import more of the log"
    )


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


def check_vectors(vectors: int) -> Check:
    """Hold the different vectors of all inputs to their gate: a model has no more scores."""
    verdict: Verdict = "pass"
    if vectors < DISTINCT_DEFAULT:
        verdict = "refuse" if vectors < DISTINCT_REFUSE else "warn"
    return DISTINCT_VECTORS.check(
        vectors,
        verdict,
        f"All inputs together have {vectors} different vectors, so that a model of them gives at "
        f"most {vectors} different scores, however many rows there are. Bring the rows again with "
        "inputs that vary more: finer scores, or columns that were left out.",
    )


def check_giveaway(measured: Mapping[str, float], values: FloatArray, target: Target) -> Check:
    """Hold the best single column to its gate."""
    guilty = sorted(name for name, value in measured.items() if value > GIVEAWAY_AUC)
    rarer = min(int((values == 1).sum()), int((values == 0).sum()))
    verdict: Verdict = "pass"
    named = f"{', '.join(guilty)} alone tells the {target.name}"
    remedy = (
        f"{named}: it was computed from the answer or after it. Build with --without "
        f"{' '.join(guilty)}, or compute it from what is known beforehand."
    )
    if guilty:
        verdict = "refuse"
        if rarer < GIVEAWAY_MINIMUM_ROWS:
            verdict = "warn"
            remedy = (
                f"{named}, which may be chance while only {words.counted(rarer, 'row')} "
                f"{'has' if rarer == 1 else 'have'} the rarer one: with "
                f"{GIVEAWAY_MINIMUM_ROWS} of them it can be told. Where it was computed after the "
                f"answer, build with --without {' '.join(guilty)}."
            )
    return GIVEAWAY.check(max(measured.values(), default=None), verdict, remedy)


def _either_way(auc: float) -> float:
    """The ROC-AUC in whichever direction is better; a half where it does not exist."""
    return 0.5 if np.isnan(auc) else max(auc, 1 - auc)
