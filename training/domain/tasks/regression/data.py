"""What the numbers of a dataset's target, and single columns beside them, have to show."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.ranks import rank_correlation
from training.domain.checks import Check, Gate, Verdict
from training.domain.tasks.base import GIVEAWAY_MINIMUM_ROWS, FloatArray, Target

MINIMUM_DISTINCT = 2
TARGET_DISTINCT_WARN = 5  # a numeric target with fewer values is a class in disguise
# Absolute Spearman correlation of a single column with a numeric target. The strongest honest input
# of the quality formula (weight .25 of 1.05) stays below 0.7.
GIVEAWAY_CORRELATION = 0.98

TARGET_DISTINCT = Gate(
    "target_distinct", target=f">= {TARGET_DISTINCT_WARN} values", limit=MINIMUM_DISTINCT
)
TARGET_RANGE = Gate("target_range", target="every value of the target in its range", limit=0)
VARIED_INPUTS = Gate("varied_inputs", target=">= 1 input with two values", limit=1)
GIVEAWAY = Gate(
    "giveaway",
    target=f"|Spearman| of any one feature <= {GIVEAWAY_CORRELATION:g}",
    limit=GIVEAWAY_CORRELATION,
)


def check_numbers(values: FloatArray, target: Target) -> list[Check]:
    """Hold the values of a numeric target to the gates."""
    known = values[~np.isnan(values)]
    distinct = len(np.unique(known))
    verdict: Verdict = "pass"
    remedy = ""
    if distinct < MINIMUM_DISTINCT:
        verdict = "refuse"
        remedy = f"{target.name} has one value only: there is nothing to learn. Check the source."
    elif distinct < TARGET_DISTINCT_WARN:
        verdict = "warn"
        remedy = (
            f"{target.name} has only {words.tally(distinct, 'value')}: check that it was "
            "not rounded away."
        )
    low = -np.inf if target.minimum is None else target.minimum
    high = np.inf if target.maximum is None else target.maximum
    outside = int(((known < low) | (known > high) | np.isinf(known)).sum())
    return [
        TARGET_DISTINCT.check(distinct, verdict, remedy),
        TARGET_RANGE.check(
            outside,
            "refuse" if outside else "pass",
            f"{words.tally(outside, 'value')} of {target.name} "
            f"{words.bend(outside, 'is', 'are')} out of range: check the unit.",
            target=f"in [{low:g}, {high:g}]",
        ),
    ]


def check_inputs(distinct: Mapping[str, float | None]) -> Check:
    """Ask whether any input varies."""
    varied = sum((count or 0) > 1 for count in distinct.values())
    return VARIED_INPUTS.check(
        varied,
        "pass" if varied else "refuse",
        "Every input is constant: nothing can be learnt from them. Check what the source writes, "
        "and bring the rows again with inputs that vary.",
    )


def measure_column(known: npt.NDArray[np.float32], known_target: FloatArray) -> tuple[int, float]:
    """Distinct values, and how well one column alone orders the target."""
    ordered = np.sort(known)
    distinct = int((ordered[1:] != ordered[:-1]).sum()) + min(len(ordered), 1)
    return distinct, abs(_correlation(known, known_target))


def measure_names(column: pd.Series, target: FloatArray) -> float:
    """Rank correlation of a number with the mean of the other rows of the same name, at least 0.

    Leaving the row itself out keeps a column of many names from telling the answer by being one; it
    also makes the correlation within a name negative, which says nothing.
    """
    codes, names = pd.factorize(column)
    usable = (codes >= 0) & np.isfinite(target)
    codes, y = codes[usable], target[usable]
    counts = np.bincount(codes, minlength=len(names))
    others = counts[codes] - 1
    codes, y, others = codes[others > 0], y[others > 0], others[others > 0]
    sums = np.bincount(codes, weights=y, minlength=len(names))
    return max(0.0, _correlation((sums[codes] - y) / others, y))


def check_giveaway(measured: Mapping[str, float], values: FloatArray, target: Target) -> Check:
    """Hold the best single column to its gate."""
    guilty = sorted(name for name, value in measured.items() if value > GIVEAWAY_CORRELATION)
    verdict: Verdict = "pass"
    if guilty:
        verdict = "refuse" if len(values) >= GIVEAWAY_MINIMUM_ROWS else "warn"
    remedy = (
        f"{', '.join(guilty)} alone tells the {target.name}: it was computed from the answer or "
        f"after it. Build with --without {' '.join(guilty)}, or compute it from what is known "
        "beforehand."
    )
    return GIVEAWAY.check(max(measured.values(), default=None), verdict, remedy)


def _correlation(values: npt.NDArray[Any], target: FloatArray) -> float:
    return float(np.nan_to_num(rank_correlation(values, target)))
