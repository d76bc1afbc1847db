"""Which of several means is best, and whether chance explains a difference.

References
----------
.. [1] Agresti, A. & Caffo, B. (2000). Simple and effective confidence intervals for differences.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from feedback.domain.means import GroupMeans
from project import words
from project.measure.intervals import SIGNIFICANCE, student_p_value, student_reach

# Clusters (sessions; a row without one counts as one) below which a group is not compared: twenty
# rows of one session are one opinion.
MINIMUM_SAMPLES = 20

NOT_ENOUGH: Final = "not enough evidence"


@dataclass(frozen=True)
class Difference:
    """Mean of `label` minus mean of `other`, with its interval and p-values."""

    label: str
    other: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class Best:
    """Which group is best, or why that cannot be said.

    Attributes
    ----------
    verdict : "best" or "not enough evidence".
    label : the best group; empty without a verdict.
    reason : one sentence.
    leading : groups that may be the best: the highest mean and those not significantly below it.
    comparisons : the highest mean against each other group; intervals and p-values hold together.
    too_few : groups that are not compared, with fewer clusters than the minimum.
    """

    verdict: Literal["best", "not enough evidence"]
    label: str
    reason: str
    leading: tuple[str, ...]
    comparisons: tuple[Difference, ...]
    too_few: tuple[str, ...]


def best_group(means: GroupMeans, *, minimum: int = MINIMUM_SAMPLES) -> Best:
    """Find the group whose mean is above every other one, beyond chance.

    Parameters
    ----------
    means : from `group_means`.
    minimum : groups with fewer clusters are not compared.

    Returns
    -------
    Best

    Notes
    -----
    The highest mean is compared with each of the other G - 1 by a two-sided test, and Bonferroni's
    correction over G - 1 covers that it was chosen for being the highest: a wrong claim needs one
    of at most G groups to lie significantly above a group that is truly at least as good,
    one-sided, and G (alpha / 2) / (G - 1) <= alpha. Holm's steps would not be covered.
    """
    enough = [index for index in range(len(means)) if means.clusters[index] >= minimum]
    too_few = tuple(
        means.labels[index] for index in range(len(means)) if 0 < means.clusters[index] < minimum
    )
    if not enough:
        return Best(
            NOT_ENOUGH, "", f"No group has {words.tally(minimum, 'session')}.", (), (), too_few
        )
    enough.sort(key=lambda index: -means.mean[index])
    leader, others = enough[0], enough[1:]
    if not others:
        reason = (
            f"Only {means.labels[leader]} has {words.tally(minimum, 'session')}: there is "
            "nothing to compare it "
            "with."
        )
        return Best(NOT_ENOUGH, "", reason, (means.labels[leader],), (), too_few)
    comparisons = tuple(
        mean_difference(means, leader, other, share=SIGNIFICANCE / len(others), factor=len(others))
        for other in others
    )
    leading = (
        means.labels[leader],
        *(one.other for one in comparisons if not one.p_adjusted < SIGNIFICANCE),
    )
    if len(leading) == 1:
        closest = max(comparisons, key=lambda one: one.p_adjusted)
        reason = (
            f"Above all {len(others)} others after correction; the closest, {closest.other}, by "
            f"{closest.difference:.3f} ({closest.low:.3f} to {closest.high:.3f})."
            if len(others) > 1
            else f"Above {closest.other} by {closest.difference:.3f} "
            f"({closest.low:.3f} to {closest.high:.3f})."
        )
        return Best("best", means.labels[leader], reason, leading, comparisons, too_few)
    reason = f"{len(leading)} of {len(enough)} cannot be told apart."
    return Best(NOT_ENOUGH, "", reason, leading, comparisons, too_few)


def mean_difference(
    means: GroupMeans, index: int, other: int, *, share: float = SIGNIFICANCE, factor: int = 1
) -> Difference:
    """Compare two groups by Welch's test; both are taken as independent.

    A cluster with rows in both makes their errors alike, which the test does not use: it is then
    more careful than it needs to be.
    """
    a, b = mean_variance(means, index), mean_variance(means, other)
    difference = float(means.mean[index] - means.mean[other])
    if not np.isfinite(a + b):
        nan = float("nan")
        return Difference(means.labels[index], means.labels[other], difference, nan, nan, nan, nan)
    centres = [
        (means.effective[at] * means.mean[at] + 1.0) / (means.effective[at] + 2.0)
        for at in (index, other)
    ]
    centre, error = float(centres[0] - centres[1]), float(np.sqrt(a + b))
    degrees = (a + b) ** 2 / (a**2 / means.degrees[index] + b**2 / means.degrees[other])
    reach = student_reach(degrees, 1.0 - share) * error
    p_value = student_p_value(centre / error, degrees)
    return Difference(
        means.labels[index],
        means.labels[other],
        difference,
        centre - reach,
        centre + reach,
        p_value,
        min(1.0, factor * p_value),
    )


def mean_variance(means: GroupMeans, index: int) -> float:
    """Variance of a mean with one vote added on each side, so that it is never zero [1]_."""
    votes = float(means.effective[index])
    if not votes > 0.0 or not means.degrees[index] > 0.0:
        return float("nan")
    centre = (votes * means.mean[index] + 1.0) / (votes + 2.0)
    return float(centre * (1.0 - centre) / (votes + 2.0))
