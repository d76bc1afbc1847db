"""What the variants of an A/B experiment change, and whether chance explains it.

References
----------
.. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from feedback.domain.comparisons import NOT_ENOUGH, Difference
from feedback.domain.means import cluster_codes, texts, unit_values
from feedback.domain.words import FEWEST_PLANNED, MOST_PLANNED, PLANNED_SESSIONS
from project.measure.intervals import SIGNIFICANCE, holm
from project.measure.sequential import (
    FEWEST_CLUSTERS,
    FEWEST_FOR_ONE_LOOK,
    ArmDifference,
    arm_difference,
    clusters_to_decide,
    detectable_difference,
)

CONTROL_NAMES = ("control", "baseline")


class UnusablePlan(ValueError):
    """A number of planned sessions cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class VariantEffect:
    """What one variant changes against the control; sessions are the units.

    Attributes
    ----------
    difference : Difference to the control. Interval and p-value hold at every look at once;
        p_adjusted is Holm's over the experiment's variants. NaN below `FEWEST_CLUSTERS` sessions.
    sessions, control_sessions : sessions with a row of the variant, and of the control.
    one_look_low, one_look_high : 95 % interval if looked at once, at the planned end; NaN below
        `FEWEST_FOR_ONE_LOOK` sessions of either.
    verdict : "better", "worse" or "not enough evidence", at any look.
    sessions_to_decide : sessions of each of the two with which a difference of the measured size is
        decided in 80 % of the cases; None where it is zero or unknown.
    detectable : smallest difference that the present sessions decide in 80 % of the cases; NaN if
        unknown.
    """

    difference: Difference
    sessions: int
    control_sessions: int
    one_look_low: float
    one_look_high: float
    verdict: Literal["better", "worse", "not enough evidence"]
    reason: str
    sessions_to_decide: int | None
    detectable: float


def control_variant(variants: Sequence[str]) -> str:
    """Return the variant that the others are held against: named so, else the first by name."""
    ordered = sorted(variants)
    named = (one for name in CONTROL_NAMES for one in ordered if one.strip().casefold() == name)
    return next(named, ordered[0])


def check_planned(sessions: int) -> int:
    """Return a number of planned sessions.

    Raises
    ------
    UnusablePlan
        Unless it lies from `FEWEST_PLANNED` to `MOST_PLANNED`.
    """
    if not FEWEST_PLANNED <= sessions <= MOST_PLANNED:
        raise UnusablePlan(
            f"Expected {FEWEST_PLANNED} to {MOST_PLANNED:,} planned sessions of an arm, got "
            f"{sessions:,}."
        )
    return sessions


def variant_effects(
    values: npt.ArrayLike,
    variants: npt.ArrayLike,
    clusters: npt.ArrayLike | None,
    control: str,
    *,
    planned: int = PLANNED_SESSIONS,
    is_whole: bool = True,
) -> tuple[VariantEffect, ...]:
    """Hold each variant of one experiment against the control; may be looked at every day.

    Parameters
    ----------
    values : array of shape (n_rows,), in [0, 1]; NaN is missing.
    variants : array of shape (n_rows,) of text; rows without one are left out.
    clusters : array of shape (n_rows,), sessions as in `group_means`.
    control : label of the control.
    planned : sessions of the smaller arm that were planned: there the boundary is narrowest.
    is_whole : whether these are all rows since the experiment began. A boundary that holds at
        every look is about rows that only grow: without the first ones there is no verdict.

    Returns
    -------
    One effect for each other variant, in their order by name. Intervals are 95 % each; the verdict
    follows the p-values adjusted by Holm's method [1]_ over all variants of the experiment, those
    with too few sessions too (as p = 1), so that it holds over all variants and all looks together
    (see `project.measure.sequential.anytime_p_value`).
    """
    y, label = unit_values(values), texts(variants)
    cluster = cluster_codes(clusters, len(y))
    keep = ~np.isnan(y) & (label != "")
    others = sorted(set(label[label != ""].tolist()) - {control})
    found = []
    for other in others:
        rows = keep & ((label == other) | (label == control))
        found.append(arm_difference(y[rows], label[rows] == other, cluster[rows]))
    p_values = [one.p_value(planned) if one.smaller >= FEWEST_CLUSTERS else 1.0 for one in found]
    strict = 1.0 - SIGNIFICANCE / max(len(others), 1)
    return tuple(
        _effect(other, control, one, p_value, p_adjusted, planned, strict, is_whole)
        for other, one, p_value, p_adjusted in zip(
            others, found, p_values, holm(p_values), strict=True
        )
    )


def _effect(
    label: str,
    control: str,
    found: ArmDifference,
    p_value: float,
    p_adjusted: float,
    planned: int,
    strict: float,
    is_whole: bool,
) -> VariantEffect:
    nan, middle = float("nan"), found.difference
    is_enough = found.smaller >= FEWEST_CLUSTERS
    reach = found.reach(planned) if is_enough and is_whole else nan
    once = found.reach_of_one_look() if found.smaller >= FEWEST_FOR_ONE_LOOK else nan
    short = [
        f"{name} has {count}"
        for name, count in ((control, found.other_clusters), (label, found.clusters))
        if count < FEWEST_CLUSTERS
    ]
    verdict: Literal["better", "worse", "not enough evidence"] = NOT_ENOUGH
    if short:
        reason = f"A verdict needs {FEWEST_CLUSTERS} sessions of each; {' and '.join(short)}."
    elif not is_whole:
        reason = (
            "The first rows of the experiment lie before the period: a verdict that holds at every "
            "look needs all of them. Ask for all time."
        )
    elif p_adjusted < SIGNIFICANCE:
        verdict = "better" if middle > 0 else "worse"
        reason = "The difference is larger than chance explains, however often one looks."
    else:
        reason = "Chance alone may explain the difference."
    low, high, one_look_low, one_look_high = np.clip(
        [middle - reach, middle + reach, middle - once, middle + once], -1.0, 1.0
    ).tolist()
    told = (p_value, p_adjusted) if is_enough and is_whole else (nan, nan)
    return VariantEffect(
        Difference(label, control, middle, low, high, *told),
        found.clusters,
        found.other_clusters,
        one_look_low,
        one_look_high,
        verdict,
        reason,
        clusters_to_decide(found, planned, strict) if is_enough else None,
        detectable_difference(found, planned, strict) if is_enough else nan,
    )
