"""Rules plus corrections: the optimum, the evidence, the promise never to fall, and its parts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit, logit

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.features.rules import RULE_WEIGHTS, linear_weights, rule_score
from project.measure.auc import roc_auc
from training.domain.fitting.choice import choose
from training.domain.fitting.rules_plus import (
    A_PENALTY,
    FEW_ROWS,
    find_mode,
    fit_rules_plus,
    log_evidence,
)
from training.domain.rule_part import compile_rules
from training.domain.tasks.classification import fit as classifier
from training.domain.tasks.classification.fit import fit_classifier

NAMES = ["a", "b", "c", "d"]
WEIGHTS = {"a": 0.5, "b": 0.3, "c": 0.2}


def make_rows(rows=400, seed=0, effect=(2.0, 1.0, 0.0, 2.0)):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.random((rows, 4)), columns=NAMES)
    label = (draw.random(rows) < expit((frame.to_numpy() - 0.5) @ np.array(effect))).astype(int)
    return frame.mask(draw.random((rows, 4)) < 0.05), label


def score_of(fitted, frame):
    return fitted.estimator.predict_proba(frame)[:, 1]


@pytest.mark.parametrize("is_bounded", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_mode_is_that_of_a_general_optimiser(is_bounded, seed):
    draw = np.random.default_rng(seed)
    design = np.column_stack([np.ones(150), draw.standard_normal((150, 5))])
    label = (draw.random(150) < expit(design @ np.array([0.2, 1, -1, 0.5, -0.5, 0]))).astype(float)
    penalty = np.array([0.0, A_PENALTY, 3.0, 3.0, 10.0, 10.0])
    bounded = np.array([False, True, True, True, True, True]) & is_bounded

    def objective(at):
        return np.logaddexp(0, design @ at).sum() - label @ (design @ at) + 0.5 * penalty @ at**2

    bounds = [(0, None) if held else (None, None) for held in bounded]
    oracle = minimize(
        objective, np.zeros(6), method="SLSQP", bounds=bounds, options={"ftol": 1e-14}
    )
    mode = find_mode(design, label, penalty, bounded=bounded)
    np.testing.assert_allclose(mode.coefficients, oracle.x, atol=2e-4)
    assert mode.objective <= oracle.fun + 1e-9
    assert mode.objective == pytest.approx(objective(mode.coefficients))
    assert (mode.coefficients[bounded] >= 0).all()


@pytest.mark.parametrize("penalty", [1.0, 10.0, 100.0])
def test_the_evidence_is_the_integral_of_likelihood_times_prior(penalty):
    draw = np.random.default_rng(1)
    column = draw.standard_normal(200)
    label = (draw.random(200) < expit(0.7 * column)).astype(float)

    def log_joint(at):
        likelihood = label @ (at * column) - np.logaddexp(0, at * column).sum()
        return likelihood + 0.5 * np.log(penalty / (2 * np.pi)) - 0.5 * penalty * at**2

    mode = find_mode(column[:, None], label, np.array([penalty]))
    (best,) = mode.coefficients
    whole, _ = quad(lambda at: np.exp(log_joint(at) - log_joint(best)), best - 2, best + 2)
    exact = np.log(whole) + log_joint(best)
    assert log_evidence(mode, np.array([penalty])) == pytest.approx(exact, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(20, 400),
    effect=st.tuples(*[st.floats(-3, 3)] * 4),
    at=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    rise=st.tuples(st.integers(0, 3), st.floats(0, 1)),
)
def test_a_score_never_falls_when_an_input_rises(seed, rows, effect, at, rise):
    frame, label = make_rows(rows, seed, effect)
    label[:2] = (0, 1)
    fitted = fit_rules_plus(frame, label, WEIGHTS, monotone=NAMES)
    assert (fitted.estimator.named_steps["fit"].coef_ >= 0).all()
    assert fitted.parameters["rule_slope"] >= 0
    higher = list(at)
    higher[rise[0]] += rise[1]
    low, high = score_of(fitted, pd.DataFrame([at, higher], columns=NAMES))
    assert high >= low
    rules = compile_rules(fitted.rule_part, NAMES)(np.array([at, higher]))
    assert rules[1] >= rules[0]


def test_an_input_that_may_fall_is_corrected_both_ways():
    frame, label = make_rows(2_000, effect=(2.0, 1.0, 0.0, -3.0))
    free = fit_rules_plus(frame, label, WEIGHTS, monotone=["a", "b", "c"])
    held = fit_rules_plus(frame, label, WEIGHTS, monotone=NAMES)
    assert free.parameters["corrections"]["d"] < 0
    assert "d" not in held.parameters["corrections"]


def test_few_rows_stay_with_the_rules_and_many_correct_them():
    effect = (4.0, 2.0, 0.0, 4.0)
    new, answers = make_rows(8_000, 99, effect)
    rules = sum(weight * new[name].fillna(0.5) for name, weight in WEIGHTS.items())
    gains = []
    for rows in (60, 4_000):
        frame, label = make_rows(rows, 0, effect)
        fitted = fit_rules_plus(frame, label, WEIGHTS, monotone=NAMES)
        gains.append(roc_auc(answers, score_of(fitted, new)) - roc_auc(answers, rules))
    assert gains[0] > -0.01
    assert gains[1] > 0.05


def test_rules_that_point_the_wrong_way_are_left_out():
    frame, label = make_rows(400, effect=(-3.0, -1.0, 0.0, 0.0))
    fitted = fit_rules_plus(frame, label, WEIGHTS, monotone=NAMES)
    assert fitted.parameters["rule_slope"] == 0
    assert fitted.rule_part["coefficients"] == {}
    assert compile_rules(fitted.rule_part, list(frame.columns))(frame.to_numpy()) == pytest.approx(
        label.mean()
    )
    assert roc_auc(label, score_of(fitted, frame)) >= 0.5


def test_weak_penalties_are_left_to_many_rows():
    for rows, weakest in ((FEW_ROWS - 1, "30"), (FEW_ROWS, "10")):
        frame, label = make_rows(rows)
        shares = fit_rules_plus(frame, label, WEIGHTS, monotone=NAMES).parameters["penalties"]
        assert next(iter(shares)) == weakest
        assert list(shares)[-1] == "inf"
        assert sum(shares.values()) == pytest.approx(1)


def test_its_rule_part_is_the_rules_alone_fitted_to_the_same_rows():
    frame, label = make_rows(500)
    fitted = fit_rules_plus(frame, label, WEIGHTS, monotone=NAMES)
    filled = frame.fillna(frame.median())
    score = sum(weight * filled[name] for name, weight in WEIGHTS.items())
    known = ((score - score.mean()) / score.std(ddof=0)).to_numpy()
    mode = find_mode(
        np.column_stack([np.ones(500), known]), label.astype(float), np.array([0, A_PENALTY])
    )
    found = logit(compile_rules(fitted.rule_part, list(frame.columns))(frame.to_numpy()))
    np.testing.assert_allclose(found, mode.coefficients[0] + mode.coefficients[1] * known)


def test_named_columns_are_left_out_and_what_is_empty_says_nothing():
    frame, label = make_rows(300)
    frame = frame.assign(name=["x", "y", None] * 100, d=np.nan)
    fitted = fit_rules_plus(frame, label, WEIGHTS, monotone=NAMES, categorical=["name"])
    assert np.isfinite(score_of(fitted, frame.assign(a=np.nan))).all()
    assert "d" not in fitted.parameters["corrections"]


def test_below_two_hundred_rows_there_is_no_other_candidate():
    for rows, names in (
        (199, ["rules_plus_corrections"]),
        (200, ["rules_plus_corrections", "logistic_regression", "gradient_boosting"]),
    ):
        frame, label = make_rows(rows)
        model = fit_classifier(frame, label, seed=1, monotone=NAMES, rule_weights=WEIGHTS)
        assert [row["algorithm"] for row in model.cross_validation] == names
    assert model.algorithm == "rules_plus_corrections"
    assert model.calibration["method"] == "none"
    assert model.rule_part is not None


def test_rules_of_no_input_here_are_no_candidate():
    frame, label = make_rows(150)
    model = fit_classifier(frame, label, seed=1, rule_weights={"elsewhere": 1.0})
    assert model.algorithm != "rules_plus_corrections"
    assert model.rule_part is None


def test_rules_are_left_for_what_is_better_beyond_doubt():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.random((1_500, 4)), columns=NAMES)
    both = (frame["a"] > 0.5) == (frame["d"] > 0.5)
    label = (draw.random(1_500) < np.where(both, 0.85, 0.15)).astype(int)
    model = fit_classifier(frame, label, seed=1, rule_weights=WEIGHTS)
    assert model.algorithm == "gradient_boosting"
    assert model.rule_part is None
    first = np.tile([0.1, -0.1], 200) + 0.5
    slightly = {"first": first, "second": first - 0.0075 + np.repeat([0.1, -0.1], 200)}
    assert choose(slightly)[0] == "second"
    assert choose(slightly, classifier.LEAVING_THE_RULES)[0] == "first"


def test_many_rows_are_fitted_on_a_part_of_them(monkeypatch):
    monkeypatch.setattr(classifier, "LINEAR_ROWS", 300)
    frame, label = make_rows(600)
    model = fit_classifier(frame, label, seed=1, monotone=NAMES, rule_weights=WEIGHTS)
    assert (model.algorithm, model.rows_fitted) == ("rules_plus_corrections", 300)


@pytest.mark.parametrize("match_type", ["user_user", "user_group"])
def test_linear_weights_are_the_rule_score_where_all_is_known(match_type):
    values = np.random.default_rng(0).random((50, len(FEATURE_NAMES)))
    weights = linear_weights(np.array([match_type]))
    linear = sum(weight * values[:, FEATURE_NAMES.index(n)] for n, weight in weights.items())
    np.testing.assert_allclose(linear, rule_score(values, match_type))


def test_rows_of_both_match_types_get_the_mean_of_both_weightings():
    weights = linear_weights(np.array(["user_user"] * 3 + ["user_group"]))
    pairs = RULE_WEIGHTS["user_user"]["budget_score"] / 0.95  # the home towns are no feature
    assert weights["budget_score"] == pytest.approx(0.75 * pairs + 0.25 * 0.2)
    assert weights["language_score"] == pytest.approx(0.25 * 0.1)
    assert sum(weights.values()) == pytest.approx(1)
    assert "origin" not in weights
