"""What a trained model must show on validation rows before it may be promoted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from project.measure.intervals import Metric
from project.measure.paired import PairedDifference, PairedMetric, paired_bootstrap
from training.domain.checks import Check, Verdict, verdict_of
from training.domain.evaluation import ClassificationReport, evaluate_classifier

FloatArray = npt.NDArray[np.float64]

# Limits of the model gate (docs/gates.md).
CHANCE_AUC = 0.5
MINIMUM_WIDTH = 0.2  # 5th to 95th percentile of the scores
MAXIMUM_REPEATED_SHARE = 0.20  # rows that carry the most frequent score, rounded to 3 places
MAXIMUM_ECE = 0.05
# Targets shown beside the figures; missing one warns and does not refuse.
TARGET_AUC = 0.70
TARGET_ACCURACY = 0.55
TARGET_COVERAGE = 1.0  # of the range 0.30 to 0.70
# Predictions whose standard deviation is below this share of the target's are one constant.
CONSTANT_SHARE = 0.01


@dataclass(frozen=True)
class GateReport:
    """The checks of one model and the paired comparisons behind them."""

    checks: tuple[Check, ...]
    comparisons: dict[str, PairedDifference]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.checks)

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "checks": [check.as_dict() for check in self.checks],
            "comparisons": {name: item.as_dict() for name, item in self.comparisons.items()},
        }


def gate_classifier(
    label: npt.ArrayLike,
    score: npt.ArrayLike,
    rule_score: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    feature_probability: npt.ArrayLike | None = None,
    champion_score: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    report: ClassificationReport | None = None,
) -> GateReport:
    """Hold a classifier's validation scores to the limits.

    Parameters
    ----------
    label : array of shape (n_rows,), 0 or 1.
    score : array of shape (n_rows,), the model's probabilities.
    rule_score : array of shape (n_rows,), the baseline; NaN rows are left out of that comparison.
    rng : draws the bootstrap replicates.
    feature_probability : array of shape (n_rows,), optional
        The best probability that the features allow, known for synthetic rows; NaN elsewhere.
    champion_score : array of shape (n_rows,), optional; the live model's scores of the same rows.
    groups : array of shape (n_rows,), optional; rows of one group are resampled together.
    report : the evaluation of the same score, if it was already made.

    Returns
    -------
    GateReport
        Refused: no better than chance, significantly worse than the rule or the champion, scores
        that do not vary, or a ROC-AUC whose whole interval lies above the feature ceiling (a
        leak). Warned: not significantly better than the rule, calibration error above its limit
        beyond its interval, a missed target, or above the ceiling in the paired comparison only.
    """
    y = np.asarray(label, dtype=np.float64)
    scores = np.asarray(score, dtype=np.float64)
    group_array = None if groups is None else np.asarray(groups)
    if report is None:
        report = evaluate_classifier(y, scores, rng=rng, groups=group_array)

    def compare(other: npt.ArrayLike) -> PairedDifference | None:
        return _compare(scores, other, y, "roc_auc", group_array, rng)

    comparisons: dict[str, PairedDifference] = {}
    checks = [_check_chance(report), *_check_spread(report)]
    against_rule = compare(rule_score)
    if against_rule is not None:
        comparisons["rule_score"] = against_rule
        checks.append(_check_rule(against_rule, report.rows))
    if feature_probability is not None:
        against_ceiling = compare(feature_probability)
        if against_ceiling is not None:
            comparisons["feature_ceiling"] = against_ceiling
            low = _auc_low(y, scores, feature_probability, group_array, report, rng)
            checks.append(_check_ceiling(against_ceiling, low))
    if champion_score is not None:
        against_champion = compare(champion_score)
        if against_champion is not None:
            comparisons["champion"] = against_champion
            checks.append(_check_champion(against_champion))
    checks += [_check_calibration(report.metrics["ece"]), *_check_targets(report)]
    return GateReport(tuple(checks), comparisons)


def measure_ceilings(
    label: npt.ArrayLike,
    *,
    true_probability: npt.ArrayLike | None,
    feature_probability: npt.ArrayLike | None,
    rng: np.random.Generator,
    groups: npt.ArrayLike | None = None,
) -> dict[str, Metric | None]:
    """ROC-AUC that the stored probabilities reach on these labels.

    Parameters
    ----------
    label : array of shape (n_rows,), 0 or 1.
    true_probability, feature_probability : arrays of shape (n_rows,), optional
        NaN where a row has none (a real event); such rows are left out.
    rng, groups : as in `evaluate_classifier`.

    Returns
    -------
    dict with `oracle` (who knew the user) and `feature` (who knew the features); None where no
    row has a probability.
    """
    y = np.asarray(label, dtype=np.float64)
    ceilings: dict[str, Metric | None] = {}
    for name, probability in (("oracle", true_probability), ("feature", feature_probability)):
        ceilings[name] = None
        if probability is None:
            continue
        values = np.asarray(probability, dtype=np.float64)
        known = np.isfinite(values)
        if known.any():
            inside = None if groups is None else np.asarray(groups)[known]
            ceilings[name] = evaluate_classifier(y[known], values[known], rng=rng, groups=inside)[
                "roc_auc"
            ]
    return ceilings


def gate_regressor(
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    constant: float,
    rng: np.random.Generator,
    group_mean: npt.ArrayLike | None = None,
    given: npt.ArrayLike | None = None,
    true_mean: npt.ArrayLike | None = None,
    champion: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
) -> GateReport:
    """Hold predictions of a number to the limits.

    Parameters
    ----------
    target, prediction : arrays of shape (n_rows,), validation rows.
    constant : the mean of the training targets.
    rng : draws the bootstrap replicates.
    group_mean, given, champion : arrays of shape (n_rows,), optional
        The training mean of the row's group, the prediction that came with the row, and the live
        model's prediction; NaN rows are left out of that comparison.
    true_mean : array of shape (n_rows,), optional
        The mean of the target before noise, known for synthetic rows; NaN elsewhere.
    groups : array of shape (n_rows,), optional; rows of one group are resampled together.

    Returns
    -------
    GateReport
        Refused: constant predictions, a mean squared error that is not significantly below the
        constant's, one significantly above the champion's, or one significantly below that of the
        true means (a leak). Warned: no significant gain over the group mean or the given
        prediction.
    """
    y = np.asarray(target, dtype=np.float64)
    p = np.asarray(prediction, dtype=np.float64)
    group_array = None if groups is None else np.asarray(groups)

    def compare(other: npt.ArrayLike) -> PairedDifference | None:
        return _compare(p, other, y, "squared_error", group_array, rng)

    comparisons: dict[str, PairedDifference] = {}
    checks = [_check_varies(y, p)]
    against_constant = compare(np.full_like(y, constant))
    if against_constant is not None:
        comparisons["constant"] = against_constant
        checks.append(_check_constant(against_constant, len(y)))
    for name, other, words in (
        ("group_mean", group_mean, "the mean of the row's group"),
        ("given", given, "the prediction that came with the row"),
    ):
        comparison = None if other is None else compare(other)
        if comparison is not None:
            comparisons[name] = comparison
            checks.append(_check_gain(name, words, comparison, len(y)))
    against_truth = None if true_mean is None else compare(true_mean)
    if against_truth is not None:
        comparisons["ceiling"] = against_truth
        checks.append(_check_truth(against_truth))
    against_champion = None if champion is None else compare(champion)
    if against_champion is not None:
        comparisons["champion"] = against_champion
        checks.append(_check_champion(against_champion))
    return GateReport(tuple(checks), comparisons)


def distance_to_ceiling(
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    true_mean: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    groups: npt.ArrayLike | None = None,
) -> Metric:
    """R2 of the true means minus R2 of the predictions, on the same rows.

    Parameters
    ----------
    target, prediction, true_mean : arrays of shape (n_rows,), finite, in the unit of the target.
    rng, groups : as in `gate_regressor`.

    Returns
    -------
    Metric
        NaN where the target does not vary. Both figures have the variance of the target as their
        denominator, so that the interval is that of the paired difference of the squared errors.
    """
    y = np.asarray(target, dtype=np.float64)
    paired = paired_bootstrap(prediction, true_mean, y, "squared_error", rng, groups=groups)
    variance = float(y.var()) or float("nan")
    return Metric(paired.difference / variance, paired.low / variance, paired.high / variance)


def _compare(
    mine: FloatArray,
    other: npt.ArrayLike,
    target: FloatArray,
    metric: PairedMetric,
    groups: npt.NDArray[Any] | None,
    rng: np.random.Generator,
) -> PairedDifference | None:
    """The paired difference over the rows where the other score is known; None without any."""
    values = np.asarray(other, dtype=np.float64)
    known = np.isfinite(values)
    if not known.any():
        return None
    return paired_bootstrap(
        mine[known],
        values[known],
        target[known],
        metric,
        rng,
        groups=None if groups is None else groups[known],
    )


def _auc_low(
    label: FloatArray,
    score: FloatArray,
    ceiling: npt.ArrayLike,
    groups: npt.NDArray[Any] | None,
    report: ClassificationReport,
    rng: np.random.Generator,
) -> float:
    """Lower end of the model's own interval over the rows whose ceiling is known."""
    known = np.isfinite(np.asarray(ceiling, dtype=np.float64))
    if known.all():
        return report["roc_auc"].low
    inside = None if groups is None else groups[known]
    return evaluate_classifier(label[known], score[known], rng=rng, groups=inside)["roc_auc"].low


def _needed(comparison: PairedDifference, rows: int) -> str:
    if comparison.rows_to_decide is None and comparison.difference != 0:
        return f"{rows} validation rows of one group cannot tell: hold out more groups."
    if comparison.rows_to_decide is None:
        return f"on {rows} validation rows the two are the same."
    return (
        f"{rows} validation rows cannot tell; a difference of this size needs about "
        f"{max(comparison.rows_to_decide, rows + 1):,}."
    )


def _interval(comparison: PairedDifference) -> str:
    return (
        f"{comparison.difference:+.4f} (95 % interval {comparison.low:+.4f} to "
        f"{comparison.high:+.4f})"
    )


def _check_chance(report: ClassificationReport) -> Check:
    auc = report["roc_auc"]
    passes = auc.low > CHANCE_AUC  # False for NaN: one label proves nothing
    return Check(
        "better_than_chance",
        auc.low,
        CHANCE_AUC,
        "lower end of the ROC-AUC interval > 0.5",
        "pass" if passes else "refuse",
        ""
        if passes
        else f"ROC-AUC {auc.value:.3f} (95 % interval {auc.low:.3f} to {auc.high:.3f}, "
        f"{report.rows} validation rows) may be chance: check that labels belong to their rows, "
        "and add events.",
    )


def _check_spread(report: ClassificationReport) -> list[Check]:
    width = report.spread["width_05_95"] or 0.0
    repeated = report.spread["most_frequent_share"] or 0.0
    remedy = (
        "The model answers nearly the same for everyone: complete the profiles behind the "
        "features, and check the dataset for defaults."
    )
    return [
        Check(
            "score_width",
            width,
            MINIMUM_WIDTH,
            f"5th to 95th percentile >= {MINIMUM_WIDTH:g} wide",
            "refuse" if width < MINIMUM_WIDTH else "pass",
            f"Scores are {width:.3f} wide. {remedy}" if width < MINIMUM_WIDTH else "",
        ),
        Check(
            "repeated_score",
            repeated,
            MAXIMUM_REPEATED_SHARE,
            f"one score on <= {MAXIMUM_REPEATED_SHARE:.0%} of rows",
            "refuse" if repeated > MAXIMUM_REPEATED_SHARE else "pass",
            f"One score stands on {repeated:.0%} of the rows. {remedy}"
            if repeated > MAXIMUM_REPEATED_SHARE
            else "",
        ),
    ]


def _check_rule(comparison: PairedDifference, rows: int) -> Check:
    verdict: Verdict = "pass"
    remedy = ""
    if comparison.verdict == "worse":
        verdict = "refuse"
        remedy = (
            f"ROC-AUC differs from the rule score's by {_interval(comparison)}: the rules serve "
            "better; add events or inspect the labels."
        )
    elif comparison.verdict == "undecided":
        verdict = "warn"
        remedy = (
            f"ROC-AUC differs from the rule score's by {_interval(comparison)}: "
            f"{_needed(comparison, rows)}"
        )
    return Check(
        "against_rule_score",
        comparison.difference,
        0.0,
        "ROC-AUC above the rule score's",
        verdict,
        remedy,
    )


def _check_ceiling(comparison: PairedDifference, low: float) -> Check:
    verdict: Verdict = "pass"
    remedy = ""
    if low > comparison.value_b:
        verdict = "refuse"
    elif comparison.verdict == "better":
        verdict = "warn"
    if verdict != "pass":
        remedy = (
            f"ROC-AUC {comparison.value_a:.4f} lies above what the features can know, "
            f"{comparison.value_b:.4f}, by {_interval(comparison)}: something in the inputs has "
            "seen the answer. Look at the leakage meter of the dataset and split again."
        )
    return Check(
        "feature_ceiling",
        comparison.value_a,
        comparison.value_b,
        "ROC-AUC not above the feature ceiling",
        verdict,
        remedy,
    )


def _check_truth(comparison: PairedDifference) -> Check:
    is_above = comparison.verdict == "better"
    return Check(
        "true_mean_ceiling",
        comparison.difference,
        0.0,
        "mean squared error not below that of the true means",
        "refuse" if is_above else "pass",
        f"Mean squared error differs from that of the true means by {_interval(comparison)}: "
        "something in the inputs has seen the answer. Look at the leakage meter of the dataset and "
        "split again."
        if is_above
        else "",
    )


def _check_champion(comparison: PairedDifference) -> Check:
    is_worse = comparison.verdict == "worse"
    return Check(
        "against_champion",
        comparison.difference,
        0.0,
        "not significantly worse than the champion",
        "refuse" if is_worse else "pass",
        f"{comparison.metric} differs from the champion's by {_interval(comparison)} on the same "
        "rows: keep the champion."
        if is_worse
        else "",
    )


def _check_calibration(error: Metric) -> Check:
    is_off = error.low > MAXIMUM_ECE
    return Check(
        "calibration",
        error.value,
        MAXIMUM_ECE,
        f"expected calibration error <= {MAXIMUM_ECE:g}",
        "warn" if is_off else "pass",
        f"Calibration error {error.value:.3f} (95 % interval {error.low:.3f} to "
        f"{error.high:.3f}): use the order of the scores, not their value, or train on rows that "
        "look like the validation rows."
        if is_off
        else "",
    )


def _check_targets(report: ClassificationReport) -> list[Check]:
    figures = (
        ("target_roc_auc", report["roc_auc"].value, TARGET_AUC, "ROC-AUC > 0.70"),
        ("target_accuracy", report["accuracy"].value, TARGET_ACCURACY, "accuracy > 0.55"),
    )
    checks = []
    for name, value, limit, words in figures:
        is_met = value > limit
        checks.append(
            Check(
                name,
                value,
                limit,
                words,
                "pass" if is_met else "warn",
                ""
                if is_met
                else f"{value:.3f} misses the target of {limit:g}: compare it with the feature "
                "ceiling to see whether more data can help.",
            )
        )
    coverage = report.spread["coverage_030_070"] or 0.0
    is_met = coverage >= TARGET_COVERAGE
    checks.append(
        Check(
            "target_coverage",
            coverage,
            TARGET_COVERAGE,
            "scores cover 0.30 to 0.70",
            "pass" if is_met else "warn",
            ""
            if is_met
            else f"Scores cover {coverage:.0%} of the range 0.30 to 0.70: labels may be too "
            "one-sided; change the preset or add varied users.",
        )
    )
    return checks


def _check_varies(target: FloatArray, prediction: FloatArray) -> Check:
    spread = float(target.std())
    share = float(prediction.std()) / spread if spread > 0 else 0.0
    varies = share >= CONSTANT_SHARE
    return Check(
        "predictions_vary",
        share,
        CONSTANT_SHARE,
        f"standard deviation >= {CONSTANT_SHARE:.0%} of the target's",
        "pass" if varies else "refuse",
        ""
        if varies
        else "The model answers one constant: its inputs say nothing about the target. Collect "
        "inputs that do.",
    )


def _check_constant(comparison: PairedDifference, rows: int) -> Check:
    passes = comparison.verdict == "better"
    return Check(
        "against_constant",
        comparison.difference,
        0.0,
        "mean squared error below the constant's, interval excluding 0",
        "pass" if passes else "refuse",
        ""
        if passes
        else f"Mean squared error differs from that of the training mean "
        f"({comparison.value_b:.5g}) by {_interval(comparison)}: "
        + (
            "the inputs mislead; check that targets belong to their rows."
            if comparison.verdict == "worse"
            else _needed(comparison, rows)
        ),
    )


def _check_gain(name: str, words: str, comparison: PairedDifference, rows: int) -> Check:
    verdict: Verdict = "pass" if comparison.verdict == "better" else "warn"
    remedy = ""
    if comparison.verdict == "worse":
        remedy = f"Worse than {words} by {_interval(comparison)}: serve that instead."
    elif comparison.verdict == "undecided":
        remedy = f"No gain over {words}, {_interval(comparison)}: {_needed(comparison, rows)}"
    return Check(
        f"against_{name}",
        comparison.difference,
        0.0,
        f"mean squared error below that of {words}",
        verdict,
        remedy,
    )
