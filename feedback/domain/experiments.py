"""What the variants of an A/B experiment change, and whether chance explains it.

References
----------
.. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from feedback.domain.comparisons import (
    MINIMUM_SAMPLES,
    NOT_ENOUGH,
    Difference,
    mean_difference,
    mean_variance,
)
from feedback.domain.means import GroupMeans
from project.measure.intervals import SIGNIFICANCE, detectable, holm, rows_to_decide

CONTROL_NAMES = ("control", "baseline")


@dataclass(frozen=True)
class VariantEffect:
    """What one variant changes against the control.

    Attributes
    ----------
    difference : Difference to the control; p_adjusted is Holm's over the experiment's variants.
    verdict : "better", "worse" or "not enough evidence".
    rows_to_decide : rows of each of the two that find the measured difference in 80 % of the cases;
        None where it is zero or unknown.
    detectable : smallest difference that the present rows find in 80 % of the cases; NaN if
        unknown.
    """

    difference: Difference
    verdict: Literal["better", "worse", "not enough evidence"]
    reason: str
    rows_to_decide: int | None
    detectable: float


def control_variant(variants: Sequence[str]) -> str:
    """Return the variant that the others are held against: named so, else the first by name."""
    ordered = sorted(variants)
    named = (one for name in CONTROL_NAMES for one in ordered if one.strip().casefold() == name)
    return next(named, ordered[0])


def variant_effects(
    means: GroupMeans, control: str, *, minimum: int = MINIMUM_SAMPLES
) -> tuple[VariantEffect, ...]:
    """Hold each variant of one experiment against the control.

    Parameters
    ----------
    means : of the variants of one experiment.
    control : label of the control.
    minimum : a verdict needs as many rows of the variant and of the control.

    Returns
    -------
    One effect for each other variant, in the order of `means`. Intervals are 95 % each; p-values
    are adjusted by Holm's method [1]_ over the variants, and the verdict follows the adjusted one.

    Notes
    -----
    Rows to decide: (z_{1 - alpha/2} + z_{power})^2 (v_a + v_b) / difference^2 with the variances v
    of one row, clusters included.
    """
    base = means.labels.index(control)
    found = [mean_difference(means, index, base) for index in range(len(means)) if index != base]
    adjusted = holm([one.p_value for one in found])
    effects = []
    for one, p_adjusted in zip(found, adjusted, strict=True):
        index = means.labels.index(one.label)
        row_variance = sum(mean_variance(means, at) * means.count[at] for at in (index, base))
        error = np.sqrt(mean_variance(means, index) + mean_variance(means, base))
        short = [means.labels[at] for at in (base, index) if means.count[at] < minimum]
        verdict: Literal["better", "worse", "not enough evidence"] = NOT_ENOUGH
        if short:
            reason = f"Fewer than {minimum} rows of {' and '.join(short)}."
        elif p_adjusted < SIGNIFICANCE:
            verdict = "better" if one.difference > 0 else "worse"
            reason = "The difference is larger than chance explains."
        else:
            reason = "Chance alone may explain the difference."
        effects.append(
            VariantEffect(
                Difference(
                    one.label, control, one.difference, one.low, one.high, one.p_value, p_adjusted
                ),
                verdict,
                reason,
                rows_to_decide(one.difference, float(np.sqrt(row_variance)), 1),
                detectable(float(error)),
            )
        )
    return tuple(effects)
