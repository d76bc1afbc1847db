"""What predictions of a number must show on validation rows before the model may be promoted."""

import numpy as np

from project.measure.intervals import Metric
from project.measure.paired import PairedDifference, paired_difference
from training.domain.checks import Check, Gate, Verdict
from training.domain.tasks.base import (
    FloatArray,
    GateReport,
    Rows,
    check_groups,
    compare,
    say_interval,
    say_needed,
)

# Predictions whose standard deviation is below this share of the target's are one constant.
CONSTANT_SHARE = 0.01

PREDICTIONS_VARY = Gate(
    "predictions_vary",
    target=f"standard deviation >= {CONSTANT_SHARE:.0%} of the target's",
    limit=CONSTANT_SHARE,
)
AGAINST_CONSTANT = Gate(
    "against_constant",
    target="mean squared error below the constant's, interval excluding 0",
    limit=0.0,
)
AGAINST_GROUP_MEAN = Gate(
    "against_group_mean",
    target="mean squared error below that of the mean of the row's group",
    limit=0.0,
)
AGAINST_GIVEN = Gate(
    "against_given",
    target="mean squared error below that of the prediction that came with the row",
    limit=0.0,
)
TRUE_MEAN_CEILING = Gate(
    "true_mean_ceiling", target="mean squared error not below that of the true means", limit=0.0
)
GAINS = (
    ("group_mean", AGAINST_GROUP_MEAN, "the mean of the row's group"),
    ("given", AGAINST_GIVEN, "the prediction that came with the row"),
)


def gate_regressor(
    rows: Rows,
    prediction: FloatArray,
    *,
    constant: float,
    group_mean: FloatArray | None = None,
    given: FloatArray | None = None,
    true_mean: FloatArray | None = None,
) -> GateReport:
    """Hold predictions of a number to the limits.

    Parameters
    ----------
    rows : targets and their groups.
    prediction : array of shape (n_rows,), validation rows.
    constant : the mean of the training targets.
    group_mean, given : arrays of shape (n_rows,), optional
        The training mean of the row's group, and the prediction that came with the row; NaN rows
        are left out of that comparison.
    true_mean : array of shape (n_rows,), optional
        The mean of the target before noise, known for synthetic rows; NaN elsewhere.
    """
    comparisons: dict[str, PairedDifference] = {}
    checks = [*check_groups(rows), _check_varies(rows.target, prediction)]

    def against(name: str, other: FloatArray | None) -> PairedDifference | None:
        found = None if other is None else compare("squared_error", rows, prediction, other)
        if found is not None:
            comparisons[name] = found
        return found

    if found := against("constant", np.full(len(rows), constant)):
        checks.append(_check_constant(found, len(rows)))
    for (name, gate, words), other in zip(GAINS, (group_mean, given), strict=True):
        if found := against(name, other):
            checks.append(_check_gain(gate, words, found, len(rows)))
    if found := against("ceiling", true_mean):
        checks.append(_check_truth(found))
    return GateReport(tuple(checks), comparisons)


def distance_to_ceiling(rows: Rows, prediction: FloatArray, true_mean: FloatArray) -> Metric:
    """R2 of the true means minus R2 of the predictions, on the same rows.

    Parameters
    ----------
    rows : targets and their groups.
    prediction, true_mean : arrays of shape (n_rows,), finite, in the unit of the target.

    Returns
    -------
    Metric
        NaN where the target does not vary. Both figures have the variance of the target as their
        denominator, so that the interval is that of the paired difference of the squared errors.
    """
    y = rows.target
    paired = paired_difference(prediction, true_mean, y, "squared_error", clusters=rows.clusters)
    variance = float(y.var()) or float("nan")
    return Metric(paired.difference / variance, paired.low / variance, paired.high / variance)


def _check_varies(target: FloatArray, prediction: FloatArray) -> Check:
    spread = float(target.std())
    share = float(prediction.std()) / spread if spread > 0 else 0.0
    return PREDICTIONS_VARY.check(
        share,
        "pass" if share >= CONSTANT_SHARE else "refuse",
        "The model answers one constant: its inputs say nothing about the target. Collect inputs "
        "that do.",
    )


def _check_constant(comparison: PairedDifference, rows: int) -> Check:
    why = (
        "the inputs mislead; check that targets belong to their rows."
        if comparison.verdict == "worse"
        else say_needed(comparison, rows)
    )
    return AGAINST_CONSTANT.check(
        comparison.difference,
        "pass" if comparison.verdict == "better" else "refuse",
        f"Mean squared error differs from that of the training mean ({comparison.value_b:.5g}) by "
        f"{say_interval(comparison)}: {why}",
    )


def _check_gain(gate: Gate, words: str, comparison: PairedDifference, rows: int) -> Check:
    verdict: Verdict = "pass" if comparison.verdict == "better" else "warn"
    remedy = f"No gain over {words}, {say_interval(comparison)}: {say_needed(comparison, rows)}"
    if comparison.verdict == "worse":
        remedy = f"Worse than {words} by {say_interval(comparison)}: serve that instead."
    return gate.check(comparison.difference, verdict, remedy)


def _check_truth(comparison: PairedDifference) -> Check:
    return TRUE_MEAN_CEILING.check(
        comparison.difference,
        "refuse" if comparison.verdict == "better" else "pass",
        f"Mean squared error differs from that of the true means by {say_interval(comparison)}: "
        "something in the inputs has seen the answer. Look at the leakage meter of the dataset and "
        "split again.",
    )
