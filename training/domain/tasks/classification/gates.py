"""What a classifier must show on validation rows before it may be promoted."""

import numpy as np

from project.measure.paired import PairedDifference
from training.domain.checks import Check, Gate, Verdict
from training.domain.fitted import Calibration
from training.domain.tasks.base import (
    FloatArray,
    GateReport,
    Rows,
    check_groups,
    compare,
    say_interval,
    say_needed,
)
from training.domain.tasks.classification.balance import MINORITY_WARN_SHARE, Balance
from training.domain.tasks.classification.report import (
    COVERED_HIGH,
    COVERED_LOW,
    ClassificationReport,
    evaluate_classifier,
)

CHANCE_AUC = 0.5
MINIMUM_WIDTH = 0.2  # 5th to 95th percentile of the scores
MAXIMUM_REPEATED_SHARE = 0.20  # rows that carry the most frequent score, rounded to 3 places
MAXIMUM_ECE = 0.05
# Targets shown beside the figures; missing one warns and does not refuse.
TARGET_AUC = 0.70
TARGET_ACCURACY = 0.55
TARGET_COVERAGE = 1.0  # of the range that production scores are expected to use

SAME_FOR_EVERYONE = "The model answers nearly the same for everyone: "
SEEN_THE_ANSWER = (
    "something in the inputs has seen the answer. Look at the leakage meter of the dataset and "
    "split again."
)

BETTER_THAN_CHANCE = Gate(
    "better_than_chance",
    target=f"lower end of the ROC-AUC interval > {CHANCE_AUC:g}",
    limit=CHANCE_AUC,
)
SCORE_WIDTH = Gate(
    "score_width", target=f"5th to 95th percentile >= {MINIMUM_WIDTH:g} wide", limit=MINIMUM_WIDTH
)
REPEATED_SCORE = Gate(
    "repeated_score",
    target=f"one score on <= {MAXIMUM_REPEATED_SHARE:.0%} of rows",
    limit=MAXIMUM_REPEATED_SHARE,
)
AGAINST_RULE = Gate("against_rule_score", target="ROC-AUC above the rule score's", limit=0.0)
FEATURE_CEILING = Gate(
    "feature_ceiling", target="ROC-AUC not above the feature ceiling", limit=None
)
CALIBRATION = Gate(
    "calibration",
    target=f"expected calibration error <= {MAXIMUM_ECE:g} beyond that of a perfect score",
    limit=MAXIMUM_ECE,
)
TARGET_ROC_AUC = Gate("target_roc_auc", target=f"ROC-AUC > {TARGET_AUC:.2f}", limit=TARGET_AUC)
TARGET_SHARE_RIGHT = Gate(
    "target_accuracy", target=f"accuracy > {TARGET_ACCURACY:.2f}", limit=TARGET_ACCURACY
)
TARGET_RANGE_COVERED = Gate(
    "target_coverage",
    target=f"scores cover {COVERED_LOW:.2f} to {COVERED_HIGH:.2f}",
    limit=TARGET_COVERAGE,
)


def gate_classifier(
    rows: Rows,
    score: FloatArray,
    *,
    report: ClassificationReport,
    rule_score: FloatArray,
    feature_probability: FloatArray | None = None,
    calibration: Calibration | None = None,
) -> GateReport:
    """Hold a classifier's validation scores to the limits.

    Parameters
    ----------
    rows : labels 0 or 1, and their groups.
    score : array of shape (n_rows,), the model's probabilities.
    report : the evaluation of the same score.
    rule_score : array of shape (n_rows,), the baseline; NaN rows are left out of that comparison.
    feature_probability : array of shape (n_rows,), optional
        The best probability that the features allow, known for synthetic rows; NaN elsewhere.
    calibration : how the model was calibrated, optional; its note is said.
    """
    comparisons: dict[str, PairedDifference] = {}
    made_here = feature_probability is not None and bool(np.isfinite(feature_probability).any())
    widen = _how_to_widen(rows, made_here)
    checks = [*check_groups(rows), _check_chance(report), *_check_spread(report, widen)]
    against_rule = compare("roc_auc", rows, score, rule_score)
    if against_rule is not None:
        comparisons["rule_score"] = against_rule
        checks.append(_check_rule(against_rule, report.rows))
    if feature_probability is not None:
        against_ceiling = compare("roc_auc", rows, score, feature_probability)
        if against_ceiling is not None:
            comparisons["feature_ceiling"] = against_ceiling
            low = _auc_low(rows, score, feature_probability, report)
            checks.append(_check_ceiling(against_ceiling, low))
    note = calibration.get("note", "") if calibration else ""
    checks += [_check_calibration(report, note), *_check_targets(report, widen, made_here)]
    return GateReport(tuple(checks), comparisons)


def _auc_low(
    rows: Rows,
    score: FloatArray,
    ceiling: FloatArray,
    report: ClassificationReport,
) -> float:
    """Lower end of the model's own interval over the rows whose ceiling is known."""
    known = np.isfinite(ceiling)
    if known.all():
        return report["roc_auc"].low
    inside = rows.where(known)
    return evaluate_classifier(inside.target, score[known], clusters=inside.clusters)["roc_auc"].low


def _check_chance(report: ClassificationReport) -> Check:
    auc = report["roc_auc"]
    passes = auc.low > CHANCE_AUC  # False for NaN: what has no interval proves nothing
    said = (
        f"ROC-AUC {auc.value:.3f} (95 % interval {auc.low:.3f} to {auc.high:.3f}, {report.rows} "
        "validation rows) may be chance: check that labels belong to their rows, and add events."
        if np.isfinite(auc.low)
        else f"{report.rows} validation rows give no interval of the ROC-AUC: hold out rows of "
        "both labels, of more users and partners."
    )
    return BETTER_THAN_CHANCE.check(auc.low, "pass" if passes else "refuse", said)


def _how_to_widen(rows: Rows, made_here: bool) -> str:
    """What makes scores differ more; rows whose best probability is known were generated here."""
    balance = Balance.of(rows.target)
    if made_here and balance.is_one_sided:
        return f"{balance.said}; generate with a preset that is less one-sided."
    if made_here:
        return "complete the profiles behind the features, and check the dataset for defaults."
    if balance.is_one_sided:
        return (
            f"{balance.said}, so that honest scores all lie near one end. No setting mends it: "
            "import events of which at least 1 in "
            f"{round(1 / MINORITY_WARN_SHARE)} has it (here {balance.rarer_to_balance:,} more that "
            "do), or use the order of the scores alone, under an override."
        )
    return (
        "its inputs tell these pairs hardly apart. Look in the dataset for inputs of few values, "
        "and import a log with finer or further ones."
    )


def _check_spread(report: ClassificationReport, widen: str) -> list[Check]:
    width = report.spread["width_05_95"] or 0.0
    repeated = report.spread["most_frequent_share"] or 0.0
    return [
        SCORE_WIDTH.check(
            width,
            "refuse" if width < MINIMUM_WIDTH else "pass",
            f"Scores are {width:.3f} wide. {SAME_FOR_EVERYONE}{widen}",
        ),
        REPEATED_SCORE.check(
            repeated,
            "refuse" if repeated > MAXIMUM_REPEATED_SHARE else "pass",
            f"One score stands on {repeated:.0%} of the rows. {SAME_FOR_EVERYONE}{widen}",
        ),
    ]


def _check_rule(comparison: PairedDifference, rows: int) -> Check:
    verdict: Verdict = "pass"
    remedy = f"ROC-AUC differs from the rule score's by {say_interval(comparison)}: "
    if comparison.verdict == "worse":
        verdict = "refuse"
        remedy += "the rules serve better; add events or inspect the labels."
    elif comparison.verdict == "undecided":
        verdict = "warn"
        remedy += say_needed(comparison, rows)
    return AGAINST_RULE.check(comparison.difference, verdict, remedy)


def _check_ceiling(comparison: PairedDifference, low: float) -> Check:
    verdict: Verdict = "pass"
    if low > comparison.value_b:
        verdict = "refuse"
    elif comparison.verdict == "better":
        verdict = "warn"
    return FEATURE_CEILING.check(
        comparison.value_a,
        verdict,
        f"ROC-AUC {comparison.value_a:.4f} lies above what the features can know, "
        f"{comparison.value_b:.4f}, by {say_interval(comparison)}: {SEEN_THE_ANSWER}",
        limit=comparison.value_b,
    )


def _check_calibration(report: ClassificationReport, note: str) -> Check:
    excess = report["ece_excess"].value
    said = [note] if note else []
    if excess > MAXIMUM_ECE:
        said.append(
            f"Calibration error {report['ece'].value:.3f}, where a perfect score shows "
            f"{report['ece_by_chance'].value:.3f} on {report.rows} such rows: use the order of the "
            "scores, not their value, or train on rows that look like the validation rows."
        )
    return CALIBRATION.check(excess, "warn" if said else "pass", " ".join(said))


def _check_targets(report: ClassificationReport, widen: str, made_here: bool) -> list[Check]:
    coverage = report.spread["coverage_030_070"] or 0.0
    raise_it = (
        "compare it with the feature ceiling to see whether more data can help."
        if made_here
        else "a target, no rule; more events raise it only as far as their inputs can tell."
    )
    checks = [
        gate.check(
            value,
            "pass" if value > limit else "warn",
            f"{value:.3f} misses the target of {limit:g}: {raise_it}",
        )
        for gate, value, limit in (
            (TARGET_ROC_AUC, report["roc_auc"].value, TARGET_AUC),
            (TARGET_SHARE_RIGHT, report["accuracy"].value, TARGET_ACCURACY),
        )
    ]
    covers = TARGET_RANGE_COVERED.check(
        coverage,
        "pass" if coverage >= TARGET_COVERAGE else "warn",
        f"Scores cover {coverage:.0%} of the range {COVERED_LOW:.2f} to {COVERED_HIGH:.2f}: "
        f"{widen}",
    )
    return [*checks, covers]
