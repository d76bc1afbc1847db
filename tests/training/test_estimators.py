"""Estimators are chosen inside the training rows and reach what the rows allow."""

import io
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.numpy_pickle import NumpyUnpickler
from scipy.special import expit
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import log_loss
from sklearn.utils.validation import check_is_fitted

from project.measure.auc import roc_auc
from project.storage.artifacts import joblib_bytes
from training.domain.fitted import FitError
from training.domain.fitting.choice import choose
from training.domain.importance import permutation_importance
from training.domain.tasks.classification import fit as classifier
from training.domain.tasks.classification.fit import fit_classifier
from training.domain.tasks.classification.report import evaluate_classifier
from training.domain.tasks.regression.fit import fit_regressor

NAMES = ["a_score", "b_score", "c_score", "group_score"]


def make_matches(rows=3000, seed=0, steep=False):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.random((rows, 4)), columns=NAMES, dtype=np.float32)
    a, b = frame["a_score"].to_numpy(), frame["b_score"].to_numpy()
    # A step in the middle is what a straight line cannot learn.
    utility = 6 * ((a > 0.4) & (b > 0.6)) - 2 if steep else 4 * a + 3 * b - 3.5
    probability = 1 / (1 + np.exp(-utility))
    label = (draw.random(rows) < probability).astype(int)
    frame.loc[draw.random(rows) < 0.1, "c_score"] = np.nan
    frame["group_score"] = np.float32(np.nan)
    return frame, label, probability


def make_feedback(rows=1500, seed=0):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "quality": draw.random(rows),
            "response_ms": draw.gamma(2, 500, rows),
            "provider": draw.choice(["one", "two", "three"], rows),
            "model": draw.choice([f"m{i}" for i in range(12)], rows),
        }
    )
    effect = frame["provider"].map({"one": -0.15, "two": 0.0, "three": 0.15})
    target = np.clip(0.2 + 0.5 * frame["quality"] + effect + draw.normal(0, 0.05, rows), 0, 1)
    frame.loc[draw.random(rows) < 0.2, "response_ms"] = np.nan
    frame.loc[draw.random(rows) < 0.1, "model"] = None
    return frame, target.to_numpy()


def score_of(model, frame):
    return model.estimator.predict_proba(frame)[:, 1]


@pytest.mark.parametrize(("gain", "chosen"), [(0.9, "simple"), (1.1, "other")])
def test_a_later_candidate_needs_a_gain_of_more_than_one_standard_error(gain, chosen):
    simple = np.full(400, 0.5)
    noise = np.tile([0.1, -0.1], 200)  # of which the mean has a standard error of 0.005
    assert choose({"simple": simple, "other": simple + noise - gain * 0.005})[0] == chosen


def test_straight_world_is_left_to_the_simpler_model_and_reaches_the_ceiling():
    frame, label, _ = make_matches()
    model = fit_classifier(frame, label, seed=1, monotone=NAMES)
    assert model.algorithm == "logistic_regression"
    new, new_label, best = make_matches(4000, 1)
    assert roc_auc(new_label, score_of(model, new)) > roc_auc(new_label, best) - 0.01


def test_stepped_world_is_given_to_boosting():
    frame, label, _ = make_matches(steep=True)
    model = fit_classifier(frame, label, seed=1, monotone=NAMES)
    assert model.algorithm == "gradient_boosting"
    chosen = [row["algorithm"] for row in model.cross_validation if row["chosen"]]
    assert chosen == ["gradient_boosting"]


def test_boosting_never_decreases_in_a_similarity():
    frame, label, _ = make_matches(steep=True)
    model = fit_classifier(frame, label, seed=1, monotone=NAMES)
    grid = pd.DataFrame(0.5, index=range(101), columns=NAMES, dtype=np.float32)
    for name in NAMES:
        moved = grid.assign(**{name: np.linspace(0, 1, 101, dtype=np.float32)})
        assert (np.diff(score_of(model, moved)) >= -1e-12).all()


def test_scores_are_calibrated_and_finite_with_inputs_missing():
    frame, label, _ = make_matches(steep=True)
    model = fit_classifier(frame, label, seed=1)
    new, new_label, _ = make_matches(4000, 1, steep=True)
    report = evaluate_classifier(new_label, score_of(model, new))
    assert report["ece"].low < 0.03
    nothing = pd.DataFrame(np.nan, index=[0], columns=NAMES, dtype=np.float32)
    assert 0 < score_of(model, nothing)[0] < 1


@pytest.mark.parametrize("has_spare_rows", [False, True])
def test_scores_too_timid_are_mapped_and_the_map_keeps_their_order(monkeypatch, has_spare_rows):
    if has_spare_rows:  # so many that the map gets rows of its own
        for name, value in (("SPARE_ROWS", 800), ("HELD_OUT_SHARE", 0.3), ("CHOICE_ROWS", 800)):
            monkeypatch.setattr(classifier, name, value)
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.random((4_000, 10)), columns=[f"x{n}" for n in range(10)])
    differ = (frame["x0"] > 0.5) != (frame["x1"] > 0.5)
    label = (draw.random(4_000) < expit(np.where(differ, -3, 3))).astype(int)
    model = fit_classifier(frame[:1_200], label[:1_200], seed=1)
    assert model.calibration["method"] == "sigmoid"
    assert model.calibration["slope"] > 1.2
    mapped = score_of(model, frame[1_200:])
    plain = classifier.uncalibrated_part(model.estimator).predict_proba(frame[1_200:])[:, 1]
    assert roc_auc(label[1_200:], mapped) == pytest.approx(roc_auc(label[1_200:], plain))
    assert log_loss(label[1_200:], mapped) < log_loss(label[1_200:], plain)


def test_a_calibration_never_turns_the_model_round():
    """Groups of one label each: whoever is held out has the label that the others have less of."""
    frame, _, _ = make_matches(400)
    group = np.arange(400) // 40
    model = fit_classifier(frame, group % 2, seed=1, groups=group)
    assert model.calibration["method"] == "none"
    assert model.calibration["slope"] < 0
    assert model.calibration["note"].startswith("Uncalibrated: ")


def test_a_sigmoid_that_turned_round_in_the_end_is_dropped(monkeypatch):
    frame, label, _ = make_matches(600)
    chosen = {"method": "sigmoid", "rows": 600, "slope": 1.0}
    monkeypatch.setattr(classifier, "_choose_map", lambda *_: dict(chosen))
    group = np.arange(600) // 60
    model = fit_classifier(frame, group % 2, seed=1, groups=group)
    assert model.calibration["method"] == "none"
    assert "turn the model round" in model.calibration["note"]
    plain = fit_classifier(frame, label, seed=1)
    assert type(model.estimator) is type(classifier.uncalibrated_part(plain.estimator))


def make_noise(rows, seed):
    draw = np.random.default_rng(seed)
    return pd.DataFrame(draw.random((rows, 4)), columns=list("abcd")), draw.integers(0, 2, rows)


@pytest.mark.parametrize("rules", [{}, {"a": 1.0, "b": 0.5}])
def test_noise_whose_slope_is_below_zero_keeps_the_order_that_was_learnt(rules):
    """Slope -.202 over 120 rows; mapped by it, the rows trained on had a ROC-AUC of .4."""
    frame, label = make_noise(120, 151)
    model = fit_classifier(frame, label, seed=1, monotone=list("abcd"), rule_weights=rules)
    if not rules:
        assert model.calibration["slope"] == pytest.approx(-0.2, abs=0.01)
    assert model.calibration["method"] == "none"
    assert roc_auc(label, score_of(model, frame)) >= 0.5


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("has_spare_rows", [False, True])
def test_a_map_that_falls_where_it_is_fitted_in_the_end_is_dropped(
    monkeypatch, method, has_spare_rows
):
    """What chose the map rose; the rows that it is fitted on, held out or not, say the contrary."""
    chosen = {"method": method, "rows": 600, "slope": 1.0}
    monkeypatch.setattr(classifier, "_choose_map", lambda *_: dict(chosen))
    frame, label = make_noise(600, 0)
    label = (frame["a"] > 0.5).to_numpy().astype(int)
    groups = None
    if has_spare_rows:
        monkeypatch.setattr(classifier, "SPARE_ROWS", 100)
        held_out = np.random.default_rng(0).permutation(600)[:300]
        monkeypatch.setattr(classifier, "HELD_OUT_SHARE", 0.5)

        class Draws:
            """Holds out the rows whose labels are turned round."""

            def permutation(self, rows):
                return np.concatenate([held_out, np.setdiff1d(np.arange(rows), held_out)])

            def integers(self, limit):
                return 1

        label[held_out] = 1 - label[held_out]
        monkeypatch.setattr(classifier.np.random, "default_rng", lambda _: Draws())
    else:
        groups = np.arange(600) // 60
        label = groups % 2  # whoever is held out has the label that the others have less of
    model = fit_classifier(frame, label, seed=1, groups=groups)
    assert model.calibration["method"] == "none"
    assert "turn the model round" in model.calibration["note"]
    assert type(model.estimator) is type(classifier.uncalibrated_part(model.estimator))


def test_same_seed_gives_the_same_scores():
    frame, label, _ = make_matches(800)
    first, second = (score_of(fit_classifier(frame, label, seed=3), frame) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("steep", [True, False])
def test_fitted_model_survives_a_dump(steep):
    frame, label, _ = make_matches(steep=steep)
    model = fit_classifier(frame, label, seed=1)
    buffer = io.BytesIO()
    joblib.dump(model.estimator, buffer)
    buffer.seek(0)
    loaded = joblib.load(buffer)
    np.testing.assert_array_equal(loaded.predict_proba(frame)[:, 1], score_of(model, frame))


@pytest.fixture(scope="module")
def fitted_models():
    return list(models_of_every_shape())


def models_of_every_shape():
    """One model of every shape: linear and trees, calibrated and not, label and number."""
    straight, label, _ = make_matches()
    stepped, steps, _ = make_matches(steep=True)
    frame, target = make_feedback()
    named = {"categorical": ["provider", "model"]}
    rated = {"rule_weights": {"quality": 1.0}, **named}
    yield (
        frame[:150],
        fit_classifier(frame[:150], (target[:150] > 0.5).astype(int), seed=1, **rated),
    )
    kinked = np.where(frame["quality"] > 0.5, target, 1 - target)
    yield straight, fit_classifier(straight, label, seed=1, monotone=NAMES)
    rules = {"a_score": 0.5, "b_score": 0.3}
    yield straight, fit_classifier(straight, label, seed=1, monotone=NAMES, rule_weights=rules)
    yield stepped, fit_classifier(stepped, steps, seed=1, monotone=NAMES)
    yield frame, fit_classifier(frame, (target > 0.5).astype(int), seed=1, **named)
    yield frame, fit_regressor(frame, target, seed=1, **named)
    yield frame, fit_regressor(frame, kinked, seed=1, target_range=(0, 1), **named)


def test_estimators_keep_the_contract_of_scikit_learn(fitted_models):
    for frame, model in fitted_models:
        check_is_fitted(model.estimator)
        assert is_regressor(model.estimator) is (model.interval is not None)
        assert is_classifier(model.estimator) is (model.interval is None)
        fresh = clone(model.estimator)
        predict = "predict" if model.interval else "predict_proba"
        found = getattr(model.estimator, predict)(frame)
        target = found if model.interval else (found[:, 1] > 0.5).astype(int)
        again = getattr(fresh.fit(frame, target), predict)(frame)
        assert again.shape == found.shape
        assert np.isfinite(again).all()


def test_a_model_names_no_class_of_ours(fitted_models, monkeypatch):
    named = set()
    find_class = NumpyUnpickler.find_class

    def note(reader, module, name):
        named.add(module.split(".")[0])
        return find_class(reader, module, name)

    monkeypatch.setattr(NumpyUnpickler, "find_class", note)
    for _, model in fitted_models:
        joblib.load(io.BytesIO(joblib_bytes(model.estimator)))
    assert {"sklearn", "numpy"} <= named
    assert named <= {"sklearn", "numpy", "pandas", "joblib", *sys.stdlib_module_names}


def test_rows_of_one_group_share_a_fold():
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 20)
    frame = pd.DataFrame({"user": draw.random(40)[group]}, dtype=np.float32)
    label = (draw.random(40)[group] < 0.5).astype(int)
    # The user's value is the user's name: only folds by user show that it means nothing.
    by_row = fit_classifier(frame, label, seed=1)
    by_group = fit_classifier(frame, label, seed=1, groups=group)
    assert by_row.algorithm == "gradient_boosting"
    assert by_group.algorithm == "logistic_regression"


@pytest.mark.parametrize("positives", [0, 1])
def test_too_few_of_one_label_is_refused(positives):
    frame, label, _ = make_matches(50)
    label[:] = 0
    label[:positives] = 1
    with pytest.raises(FitError, match=f"got {positives}"):
        fit_classifier(frame, label, seed=1)


def test_few_rows_are_fitted():
    frame, label, _ = make_matches(30)
    model = fit_classifier(frame, label, seed=1)
    assert model.rows == 30
    assert model.as_dict()["calibration"]["method"] == "none"


def test_regressor_comes_near_the_noise():
    frame, target = make_feedback()
    model = fit_regressor(
        frame, target, seed=1, categorical=["provider", "model"], target_range=(0, 1)
    )
    new, new_target = make_feedback(1500, 1)
    prediction = model.estimator.predict(new)
    assert np.sqrt(np.mean((prediction - new_target) ** 2)) < 0.056
    assert prediction.min() >= 0
    assert prediction.max() <= 1


def test_prediction_intervals_cover_what_they_claim():
    frame, target = make_feedback()
    model = fit_regressor(frame, target, seed=1, categorical=["provider", "model"])
    new, new_target = make_feedback(4000, 1)
    low, high = model.interval.bounds(model.estimator.predict(new))
    assert np.mean((low <= new_target) & (new_target <= high)) == pytest.approx(0.9, abs=0.025)


@pytest.mark.parametrize("is_steep", [False, True])
def test_unseen_category_and_missing_inputs_are_answered(is_steep):
    frame, target = make_feedback()
    if is_steep:  # a kink that ridge cannot follow, so that boosting answers
        target = np.where(frame["quality"] > 0.5, target, 1 - target)
    model = fit_regressor(frame, target, seed=1, categorical=["provider", "model"])
    assert model.algorithm == ("gradient_boosting" if is_steep else "ridge")
    new = pd.DataFrame(
        {
            "quality": [0.5, np.nan],
            "response_ms": [np.nan, np.nan],
            "provider": ["never seen", None],
            "model": ["never seen", None],
        }
    )
    assert np.isfinite(model.estimator.predict(new)).all()


def test_optional_input_missing_everywhere_is_ignored():
    frame, target = make_feedback(300)
    frame["response_ms"] = np.nan
    model = fit_regressor(frame, target, seed=1, categorical=["provider", "model"])
    assert np.isfinite(model.estimator.predict(frame)).all()


def test_too_few_rows_are_refused():
    frame, target = make_feedback(9)
    with pytest.raises(FitError, match="got 9"):
        fit_regressor(frame, target, seed=1, categorical=["provider", "model"])


def test_importance_finds_what_the_label_hangs_on():
    frame, label, _ = make_matches()
    model = fit_classifier(frame, label, seed=1)
    new, new_label, _ = make_matches(2000, 1)
    found = permutation_importance(
        lambda rows: score_of(model, rows),
        new,
        new_label,
        metric="roc_auc",
        higher_is_better=True,
        rng=np.random.default_rng(0),
        max_rows=1500,
    )
    assert found["rows"] == 1500
    assert list(found["features"])[:2] == ["a_score", "b_score"]
    assert found["features"]["a_score"]["low"] > 0
    c = found["features"]["c_score"]
    assert c["low"] <= 0.005
    assert found["features"]["group_score"]["value"] == 0


def test_importance_of_a_regressor_is_the_error_it_saves():
    frame, target = make_feedback()
    model = fit_regressor(frame, target, seed=1, categorical=["provider", "model"])
    found = permutation_importance(
        model.estimator.predict,
        frame,
        target,
        metric="squared_error",
        higher_is_better=False,
        rng=np.random.default_rng(0),
    )
    assert next(iter(found["features"])) == "quality"
    # Shuffling an input of variance 1/12 with weight .5 costs twice its part of the variance.
    assert found["features"]["quality"]["value"] == pytest.approx(2 * 0.25 / 12, rel=0.2)
