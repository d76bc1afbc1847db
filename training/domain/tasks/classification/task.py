"""The task of a label: what is fitted, measured and gated."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.auc import auc_influence
from project.measure.curves import precision_recall_curve, roc_curve
from project.measure.intervals import Metric
from project.measure.paired import PairedMetric
from training.domain.checks import Check
from training.domain.fitted import FitSettings, FittedModel
from training.domain.rule_part import Compiled
from training.domain.tasks.base import (
    BoolArray,
    CeilingFields,
    CurvesFields,
    Evidence,
    FloatArray,
    GateReport,
    Rows,
    Target,
    compare,
    draw_lines,
    mean_of_known,
)
from training.domain.tasks.classification import data
from training.domain.tasks.classification.gates import gate_classifier
from training.domain.tasks.classification.report import (
    ClassificationReport,
    count_scores,
    evaluate_classifier,
)
from training.domain.tasks.figures import MODEL_LINE


class Classification:
    """See `training.domain.tasks.base.Task`."""

    loss: PairedMetric = "log_loss"
    paired_metric: PairedMetric = "roc_auc"
    higher_is_better = True

    def copied_by(self, features: tuple[str, ...], target: str) -> tuple[str, ...]:
        return features

    def check_target(
        self, values: FloatArray, in_train: BoolArray | None, target: Target
    ) -> list[Check]:
        return data.check_labels(values, in_train, target)

    def label_share(self, values: FloatArray) -> float | None:
        return mean_of_known(values)

    def measure_column(
        self,
        known: npt.NDArray[np.float32],
        known_target: FloatArray,
        missing: BoolArray,
        target: FloatArray,
    ) -> tuple[int, float]:
        return data.measure_column(known, known_target, missing, target)

    def measure_names(self, column: pd.Series, target: FloatArray) -> float | None:
        return None

    def check_inputs(self, distinct: Mapping[str, float | None], vectors: int) -> list[Check]:
        # A constant input is refused by itself.
        return [data.check_vectors(vectors)] if vectors else []

    def check_giveaway(
        self, measured: Mapping[str, float], values: FloatArray, target: Target
    ) -> Check:
        return data.check_giveaway(measured, values, target)

    def fit(
        self,
        inputs: pd.DataFrame,
        target: FloatArray,
        settings: FitSettings,
        groups: npt.NDArray[Any] | None,
        beside: tuple[pd.DataFrame, npt.NDArray[Any]] | None = None,
    ) -> FittedModel:
        # Here and not above, because scikit-learn takes a second to load, and only a fit needs it.
        from training.domain.tasks.classification.fit import fit_classifier

        return fit_classifier(
            inputs,
            target,
            seed=settings.seed,
            categorical=settings.categorical,
            monotone=settings.monotone,
            rule_weights=settings.rule_weights,
            groups=groups,
            beside=beside,
        )

    def fit_part(
        self,
        inputs: pd.DataFrame,
        target: FloatArray,
        spare: pd.DataFrame,
        spare_target: FloatArray,
        settings: FitSettings,
    ) -> Any:
        from training.domain.tasks.classification.fit import fit_part

        return fit_part(inputs, target, spare, spare_target, settings)

    def primary_influence(
        self, target: FloatArray, prediction: FloatArray
    ) -> tuple[float, FloatArray]:
        return auc_influence(target > 0.5, prediction)

    def predict(self, estimator: Any, inputs: pd.DataFrame) -> FloatArray:
        return np.asarray(estimator.predict_proba(inputs)[:, 1], dtype=np.float64)

    def compile(self, estimator: Any, names: tuple[str, ...]) -> Compiled | None:
        from training.domain.tasks.classification.compiled import compile_classifier

        return compile_classifier(estimator, names)

    def is_walked(self, estimator: Any) -> bool:
        from training.domain.tasks.classification.compiled import is_walked

        return is_walked(estimator)

    def measure(
        self,
        rows: Rows,
        prediction: FloatArray,
        bounds: tuple[FloatArray, FloatArray] | None = None,
    ) -> ClassificationReport:
        return evaluate_classifier(rows.target, prediction, clusters=rows.clusters)

    def measure_ceiling(
        self, rows: Rows, prediction: FloatArray, truth: FloatArray
    ) -> CeilingFields | None:
        """Return the ROC-AUC of the true probabilities on these labels, and the model's distance
        to it on the same rows."""
        known = np.isfinite(truth)
        if not known.any():
            return None
        best = self.measure(rows.where(known), truth[known])["roc_auc"]
        gap = compare("roc_auc", rows, prediction, truth)
        distance = None if gap is None else Metric(gap.difference, gap.low, gap.high).as_dict()
        return {**best.as_dict(), "rows": int(known.sum()), "distance": distance}

    def draw(
        self, rows: Rows, prediction: FloatArray, others: Mapping[str, FloatArray]
    ) -> CurvesFields:
        """Return ROC and precision-recall curves, and scores by label."""
        shown = {MODEL_LINE: prediction, **others}
        is_positive = rows.target > 0.5
        return {
            "rows": len(rows),
            "lines": {
                "roc": draw_lines(roc_curve, rows, shown),
                "precision_recall": draw_lines(precision_recall_curve, rows, shown),
            },
            "histogram": {
                "low": 0.0,
                "high": 1.0,
                "counts": {
                    label: count_scores(prediction[inside])
                    for label, inside in (("1", is_positive), ("0", ~is_positive))
                },
            },
        }

    def gate(
        self,
        rows: Rows,
        prediction: FloatArray,
        evidence: Evidence[ClassificationReport],
    ) -> GateReport:
        return gate_classifier(
            rows,
            prediction,
            report=evidence.report,
            rule_score=evidence.baselines.get("rule_score", np.full(len(rows), np.nan)),
            feature_probability=evidence.ceilings.get("feature"),
            calibration=evidence.calibration,
        )


TASK: Final = Classification()
