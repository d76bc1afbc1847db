"""The model gates refuse what must not go live."""

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from project.measure.jackknife import Clusters
from training.domain.checks import Check, verdict_of
from training.domain.tasks import get_task
from training.domain.tasks.base import Rows
from training.domain.tasks.classification import gates as label_gates
from training.domain.tasks.classification.report import evaluate_classifier
from training.domain.tasks.regression import gates as number_gates


def rng(seed=0):
    return np.random.default_rng(seed)


def gate_classifier(label, score, rule_score, **known):
    """Measure a score and hold it to its gates."""
    label, score = np.asarray(label, float), np.asarray(score, float)
    report = evaluate_classifier(label, score)
    return label_gates.gate_classifier(
        Rows(label), score, report=report, rule_score=np.asarray(rule_score), **known
    )


def gate_regressor(target, prediction, *, groups=None, **known):
    """Hold predictions of a number to their gates."""
    clustered = () if groups is None else (Clusters.of(groups), ("group",))
    return number_gates.gate_regressor(Rows(target, *clustered), prediction, **known)


def make_world(rows=3000, seed=0):
    """Labels, the features' own probability, and a rule that is a worse score of the same."""
    draw = rng(seed)
    signal = draw.normal(size=rows)
    best = 1 / (1 + np.exp(-1.5 * signal))
    label = (draw.random(rows) < best).astype(int)
    rule = 1 / (1 + np.exp(-signal - draw.normal(0, 1, rows)))
    model = 1 / (1 + np.exp(-1.4 * signal - draw.normal(0, 0.1, rows)))
    return label, best, rule, model


def verdicts(report):
    return {check.name: check.verdict for check in report.checks}


def test_good_model_passes():
    label, best, rule, model = make_world()
    report = gate_classifier(label, model, rule, feature_probability=best)
    assert report.verdict == "pass", verdicts(report)


def test_shuffled_labels_are_refused():
    label, _, rule, model = make_world()
    report = gate_classifier(rng(1).permutation(label), model, rule)
    assert verdicts(report)["better_than_chance"] == "refuse"


@pytest.mark.parametrize("score", [0.5, 0.75])
def test_constant_score_is_refused(score):
    label, _, rule, model = make_world()
    found = verdicts(gate_classifier(label, np.full_like(model, score), rule))
    assert found["score_width"] == "refuse"
    assert found["repeated_score"] == "refuse"
    assert found["better_than_chance"] == "refuse"


def test_mostly_constant_score_is_refused_though_it_ranks_well():
    label, _, rule, model = make_world()
    model[:900] = 0.5
    found = verdicts(gate_classifier(label, model, rule))
    assert found["better_than_chance"] == "pass"
    assert found["repeated_score"] == "refuse"


def test_model_worse_than_the_rule_is_refused():
    label, best, rule, _ = make_world()
    assert verdicts(gate_classifier(label, rule, best))["against_rule_score"] == ("refuse")


def test_undecided_model_is_warned_with_the_rows_that_would_decide():
    label, best, _, model = make_world(200)
    report = gate_classifier(label, model, best)
    check = next(item for item in report.checks if item.name == "against_rule_score")
    assert check.verdict == "warn"
    needed = report.comparisons["rule_score"].rows_to_decide
    assert f"{needed:,}" in check.remedy


def test_leak_above_the_feature_ceiling_is_refused():
    label, best, rule, model = make_world()
    leaked = 0.7 * model + 0.3 * label
    found = verdicts(gate_classifier(label, leaked, rule, feature_probability=best))
    assert found["feature_ceiling"] == "refuse"


def test_models_at_the_ceiling_are_not_taken_for_leaks():
    refused = 0
    for seed in range(40):
        label, best, rule, _ = make_world(300, seed)
        model = np.clip(best + rng(seed + 100).normal(0, 0.02, 300), 0, 1)
        report = gate_classifier(label, model, rule, feature_probability=best)
        refused += verdicts(report)["feature_ceiling"] == "refuse"
    assert refused == 0


def test_ceiling_is_measured_over_the_rows_that_have_one():
    label, best, rule, model = make_world()
    best[: len(best) // 2] = np.nan
    report = gate_classifier(label, model, rule, feature_probability=best)
    assert verdicts(report)["feature_ceiling"] == "pass"
    real = gate_classifier(label, model, rule, feature_probability=np.full_like(best, np.nan))
    assert "feature_ceiling" not in verdicts(real)


def test_calibration_error_warns_only():
    label, _, rule, model = make_world()
    found = verdicts(gate_classifier(label, model**4, rule))
    assert found["calibration"] == "warn"


def test_uncalibrated_scores_are_said_to_be():
    label, _, rule, model = make_world()
    calibration = {"method": "none", "rows": 3000, "slope": -0.2, "note": "Uncalibrated: it turns."}
    report = gate_classifier(label, model, rule, calibration=calibration)
    check = next(check for check in report.checks if check.name == "calibration")
    assert (check.verdict, check.remedy) == ("warn", "Uncalibrated: it turns.")


def test_one_label_in_validation_is_refused_and_not_an_error():
    report = gate_classifier([1, 1, 1], [0.1, 0.5, 0.9], [0.2, 0.3, 0.4])
    assert verdicts(report)["better_than_chance"] == "refuse"


def test_ceilings_are_the_areas_under_the_stored_probabilities():
    label, best, rule, _ = make_world()
    task, rows = get_task("classification"), Rows(label.astype(float))
    assert task.measure_ceiling(rows, rule, np.full(len(label), np.nan)) is None
    best[:50] = np.nan  # real rows among generated ones
    found = task.measure_ceiling(rows, rule, best)
    assert found["value"] == pytest.approx(roc_auc_score(label[50:], best[50:]))


def make_numbers(rows=600, noise=5.0, seed=0):
    draw = rng(seed)
    prediction = draw.normal(50, 10, rows)
    return prediction + draw.normal(0, noise, rows), prediction


def test_useful_regressor_passes():
    target, prediction = make_numbers()
    assert gate_regressor(target, prediction, constant=50.0).verdict == "pass"


def test_shuffled_target_is_refused():
    target, prediction = make_numbers()
    report = gate_regressor(rng(1).permutation(target), prediction, constant=50.0)
    assert verdicts(report)["against_constant"] == "refuse"


def test_regressor_of_noise_is_refused_nineteen_times_in_twenty():
    passed = 0
    for seed in range(60):
        draw = rng(seed)
        target = draw.normal(50, 10, 200)
        prediction = 50 + draw.normal(0, 1, 200)
        passed += gate_regressor(target, prediction, constant=50.0).verdict != "refuse"
    assert passed <= 5


@pytest.mark.parametrize("groups", [3, 5, 10])
def test_few_groups_that_agree_by_chance_prove_nothing(groups):
    passed = 0
    for seed in range(100):
        draw = rng(seed)
        of_row = np.repeat(np.arange(groups), 60)
        target = 50 + draw.normal(0, 5, groups)[of_row] + draw.normal(0, 2, 60 * groups)
        prediction = 50 + draw.normal(0, 2, groups)[of_row]
        report = gate_regressor(target, prediction, constant=50.0, groups=of_row)
        passed += verdicts(report)["against_constant"] == "pass"
    assert passed <= 7


@pytest.mark.parametrize("groups", [1, 3, 5])
def test_few_held_out_groups_decide_nothing_however_many_rows_and_say_so(groups):
    target, prediction = make_numbers()
    of_row = np.arange(600) % groups
    report = gate_regressor(target, prediction, constant=50.0, groups=of_row)
    check = next(check for check in report.checks if check.name == "against_constant")
    assert check.verdict == "refuse"
    assert "hold out more groups" in check.remedy


@pytest.mark.parametrize("constant", [50.0, 75.0])
def test_constant_prediction_is_refused(constant):
    target, _ = make_numbers()
    report = gate_regressor(target, np.full(600, constant), constant=50.0)
    assert verdicts(report)["predictions_vary"] == "refuse"
    assert verdicts(report)["against_constant"] == "refuse"


def test_no_gain_over_group_mean_or_given_prediction_warns():
    target, prediction = make_numbers()
    report = gate_regressor(
        target,
        prediction + rng(2).normal(0, 2, 600),
        constant=50.0,
        group_mean=prediction,
        given=np.full(600, np.nan),
    )
    assert report.verdict == "warn"
    assert verdicts(report)["against_group_mean"] == "warn"
    assert "against_given" not in verdicts(report)


def test_regressor_above_the_true_means_is_refused_as_a_leak_and_one_at_them_is_not():
    target, truth = make_numbers()
    report = gate_regressor(target, truth, constant=50.0, true_mean=truth)
    assert verdicts(report)["true_mean_ceiling"] == "pass"
    leaked = (target + truth) / 2
    report = gate_regressor(target, leaked, constant=50.0, true_mean=truth)
    assert verdicts(report)["true_mean_ceiling"] == "refuse"


def test_distance_to_the_ceiling_is_the_difference_of_both_r2():
    target, truth = make_numbers()
    prediction = truth + rng(2).normal(0, 3, 600)
    found = number_gates.distance_to_ceiling(Rows(target), prediction, truth)
    assert found.value == pytest.approx(r2_score(target, truth) - r2_score(target, prediction))
    assert found.low < found.value < found.high
    flat = number_gates.distance_to_ceiling(Rows(np.full(50, 3.0)), truth[:50], truth[:50])
    assert np.isnan(flat.value)


def test_verdict_is_the_most_severe():
    def check(verdict):
        return Check("x", 1.0, 1.0, "", verdict)

    assert verdict_of([]) == "pass"
    assert verdict_of([check("pass"), check("warn")]) == "warn"
    assert verdict_of([check("refuse"), check("warn")]) == "refuse"


def test_checks_become_json_without_nan():
    found = Check("x", float("nan"), float("inf"), "", "pass").as_dict()
    assert found["value"] is None
    assert found["limit"] is None


def test_a_perfect_score_on_few_rows_is_not_warned_of():
    warned = 0
    for seed in range(30):
        score = rng(seed).beta(2, 2, 200)
        label = (rng(seed + 500).random(200) < score).astype(float)
        found = verdicts(gate_classifier(label, score, np.full(200, np.nan)))
        warned += found["calibration"] != "pass"
    assert warned <= 2


@pytest.mark.parametrize(("groups", "verdict"), [(5, "refuse"), (6, "warn"), (15, "pass")])
def test_few_groups_in_validation_are_said(groups, verdict):
    target, prediction = make_numbers()
    report = gate_regressor(
        target, prediction, constant=50.0, groups=np.arange(len(target)) % groups
    )
    check = next(check for check in report.checks if check.name == "validation_groups:group")
    assert (check.value, check.verdict) == (groups, verdict)
    assert (check.remedy == "") == (verdict == "pass")
