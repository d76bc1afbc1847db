"""Every report of the pure modules becomes strict JSON."""

import numpy as np
import orjson
import pandas as pd

from project.measure.paired import paired_difference
from training.domain.expectations import FeatureSpec, QualitySpec
from training.domain.quality import report_quality
from training.domain.splits import split_rows
from training.domain.tasks.base import Rows
from training.domain.tasks.classification.fit import fit_classifier
from training.domain.tasks.classification.gates import gate_classifier
from training.domain.tasks.classification.report import evaluate_classifier
from training.domain.tasks.regression.fit import fit_regressor
from training.domain.tasks.regression.gates import gate_regressor
from training.domain.tasks.regression.report import evaluate_regressor


def test_reports_hold_plain_values_only():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((300, 2)), columns=["a", "b"], dtype=np.float32)
    frame.loc[:20, "a"] = np.nan
    label = (rng.random(300) < frame["b"]).astype(int)
    frame["label"] = label
    inputs = frame[["a", "b"]]
    spec = QualitySpec(
        (FeatureSpec("a"), FeatureSpec("b"), FeatureSpec("absent")),
        "label",
        "classification",
        10,
        groups={"pair": ("a", "b")},
    )
    split = split_rows(frame, "random", seed=1, copy_columns=["a", "b"])
    classifier = fit_classifier(inputs, label, seed=1)
    regressor = fit_regressor(inputs, label, seed=1)
    score = classifier.estimator.predict_proba(inputs)[:, 1]
    rows = Rows(label.astype(np.float64))
    reports = [
        split,
        report_quality(frame, spec, split.train),
        classifier,
        regressor,
        evaluate_classifier(label, score),
        evaluate_regressor(label, np.zeros(300)),
        paired_difference(score, score, label, "roc_auc"),
        gate_classifier(
            rows,
            score,
            report=evaluate_classifier(label, score),
            rule_score=score,
            feature_probability=score,
        ),
        gate_regressor(rows, score, constant=0.5),
    ]
    for report in reports:
        # orjson knows no NumPy scalars unless asked, and turns NaN into null without a word.
        plain = report.as_dict()
        assert orjson.loads(orjson.dumps(plain)) == plain
