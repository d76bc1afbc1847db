"""Compiled models: the same answers as the estimator's own, or none."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from training.domain.fitting.columns import linear_columns, tree_columns
from training.domain.rule_part import CannotCompile
from training.domain.tasks.classification.compiled import TOLERANCE, compile_classifier, is_walked
from training.domain.tasks.classification.fit import fit_classifier

NAMES = ["a", "b", "c", "d"]


def draw(count, seed=0, missing=0.15):
    rng = np.random.default_rng(seed)
    values = rng.random((count, len(NAMES)))
    values[rng.random(values.shape) < missing] = np.nan
    known = np.nan_to_num(values, nan=0.5)
    label = (rng.random(count) < 1 / (1 + np.exp(4 - 5 * known[:, 0] - 3 * known[:, 1] ** 2))) * 1
    return pd.DataFrame(values, columns=NAMES), label


@cache
def fitted():
    """Each sort of estimator that a fit may choose, by name."""
    frame, label = draw(2_000)
    gap = frame.assign(d=np.nan)
    linear = Pipeline([*linear_columns(frame, []), ("fit", LogisticRegression())])
    trees, _ = tree_columns(frame, [])
    without_d, _ = tree_columns(gap, [])
    boosting = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    found = {"logistic": linear.fit(frame, label)}
    found["boosting"] = Pipeline([*trees, ("fit", boosting)]).fit(frame, label)
    few = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    found["fewer inputs"] = Pipeline([*without_d, ("fit", few)]).fit(gap, label)
    found["chosen"] = fit_classifier(frame, label, seed=1).estimator
    weights = {"a": 0.7, "b": 0.3}
    rules = fit_classifier(frame[:150], label[:150], seed=1, rule_weights=weights, monotone=NAMES)
    return found | {"rules": rules.estimator}


def test_what_is_made_of_trees_is_known():
    walked = {
        name for name in ("logistic", "boosting", "fewer inputs") if is_walked(fitted()[name])
    }
    assert walked == {"boosting", "fewer inputs"}
    frame, label = draw(1_000, seed=3)
    frozen = FrozenEstimator(fitted()["boosting"])
    assert is_walked(CalibratedClassifierCV(frozen, method="sigmoid").fit(frame, label))


@pytest.mark.parametrize("name", ["logistic", "boosting", "fewer inputs", "chosen", "rules"])
@pytest.mark.parametrize("method", [None, "sigmoid", "isotonic"])
def test_it_answers_as_the_estimator_does(name, method):
    estimator = fitted()[name]
    if method is not None:
        if isinstance(estimator, CalibratedClassifierCV):
            pytest.skip("calibrated already")
        frame, label = draw(1_000, seed=3)
        frozen = FrozenEstimator(estimator)
        estimator = CalibratedClassifierCV(frozen, method=method).fit(frame, label)
    compiled = compile_classifier(estimator, NAMES)
    for missing in (0.0, 0.4, 1.0):
        rows, _ = draw(700, seed=9, missing=missing)
        told = estimator.predict_proba(rows)[:, 1]
        assert compiled(rows.to_numpy()) == pytest.approx(told, abs=TOLERANCE)
        narrow = rows.to_numpy(np.float32)
        wide = estimator.predict_proba(pd.DataFrame(narrow.astype(float), columns=NAMES))[:, 1]
        assert compiled(narrow) == pytest.approx(wide, abs=TOLERANCE)
    assert compiled(np.empty((0, len(NAMES)))).shape == (0,)


def test_what_it_does_not_know_is_not_compiled():
    frame, label = draw(200, missing=0)
    squares = Pipeline(
        [("impute", SimpleImputer()), ("scale", StandardScaler()), ("fit", GaussianNB())]
    )
    with pytest.raises(CannotCompile, match="GaussianNB"):
        compile_classifier(squares.fit(frame, label), NAMES)
    with pytest.raises(CannotCompile, match="RandomForest"):
        compile_classifier(RandomForestClassifier(3).fit(frame, label), NAMES)


def test_a_model_that_would_answer_otherwise_is_not_compiled():
    frame, label = draw(500, missing=0)
    bent = Pipeline(
        [
            ("impute", SimpleImputer()),
            ("bend", FunctionTransformer(np.square)),
            ("fit", LogisticRegression(C=100.0)),
        ]
    )
    with pytest.raises(CannotCompile, match="differ by"):
        compile_classifier(bent.fit(frame, label), NAMES)
