"""The task of a number: what is fitted, measured and gated."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.curves import error_curve, observed_curve
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
    draw_lines,
)
from training.domain.tasks.figures import MODEL_LINE
from training.domain.tasks.regression import data
from training.domain.tasks.regression.gates import distance_to_ceiling, gate_regressor
from training.domain.tasks.regression.report import RegressionReport, evaluate_regressor

RESIDUAL_BINS = 20


class Regression:
    """See `training.domain.tasks.base.Task`."""

    loss: PairedMetric = "squared_error"
    paired_metric: PairedMetric = "squared_error"
    higher_is_better = False

    def copied_by(self, features: tuple[str, ...], target: str) -> tuple[str, ...]:
        # The same inputs with another answer are evidence, not a copy.
        return (*features, target)

    def check_target(
        self, values: FloatArray, in_train: BoolArray | None, target: Target
    ) -> list[Check]:
        return data.check_numbers(values, target)

    def label_share(self, values: FloatArray) -> float | None:
        return None

    def measure_column(
        self,
        known: npt.NDArray[np.float32],
        known_target: FloatArray,
        missing: BoolArray,
        target: FloatArray,
    ) -> tuple[int, float]:
        return data.measure_column(known, known_target)

    def measure_names(self, column: pd.Series, target: FloatArray) -> float | None:
        return data.measure_names(column, target)

    def check_inputs(self, distinct: Mapping[str, float | None], vectors: int) -> list[Check]:
        return [data.check_inputs(distinct)]

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
        from training.domain.tasks.regression.fit import fit_regressor

        return fit_regressor(
            inputs,
            target,
            seed=settings.seed,
            categorical=settings.categorical,
            target_range=settings.target_range,
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
        from training.domain.tasks.regression.fit import fit_part

        return fit_part(inputs, target, spare, spare_target, settings)

    def primary_influence(
        self, target: FloatArray, prediction: FloatArray
    ) -> tuple[float, FloatArray]:
        # R2 = 1 - error / variance, of which both hang on the rows.
        error, spread = (prediction - target) ** 2, (target - target.mean()) ** 2
        variance = float(spread.mean())
        if variance == 0:
            return float("nan"), np.zeros_like(target)
        missed = float(error.mean()) / variance
        return 1 - missed, (missed * spread - error) / variance

    def predict(self, estimator: Any, inputs: pd.DataFrame) -> FloatArray:
        return np.asarray(estimator.predict(inputs), dtype=np.float64)

    def compile(self, estimator: Any, names: tuple[str, ...]) -> Compiled | None:
        return None  # it is asked for a few answers at a time, and reads names

    def is_walked(self, estimator: Any) -> bool:
        return False  # nobody ranks by it

    def measure(
        self,
        rows: Rows,
        prediction: FloatArray,
        bounds: tuple[FloatArray, FloatArray] | None = None,
    ) -> RegressionReport:
        low, high = bounds or (None, None)
        return evaluate_regressor(
            rows.target, prediction, low=low, high=high, clusters=rows.clusters
        )

    def measure_ceiling(
        self, rows: Rows, prediction: FloatArray, truth: FloatArray
    ) -> CeilingFields | None:
        """Return the R2 of the true means on these targets, and the model's distance to it."""
        known = np.isfinite(truth)
        if not known.any():
            return None
        inside = rows.where(known)
        best = self.measure(inside, truth[known])["r2"]
        gap = distance_to_ceiling(inside, prediction[known], truth[known])
        return {**best.as_dict(), "rows": int(known.sum()), "distance": gap.as_dict()}

    def draw(
        self, rows: Rows, prediction: FloatArray, others: Mapping[str, FloatArray]
    ) -> CurvesFields:
        """Return error curves, what came by what was predicted, and residuals."""
        shown = {MODEL_LINE: prediction, **others}
        residual = rows.target - prediction
        # The same on both sides, so that 0 is in the middle.
        reach = float(np.abs(residual).max()) or 1.0
        counts = np.histogram(residual, RESIDUAL_BINS, (-reach, reach))[0]
        return {
            "rows": len(rows),
            "lines": {
                "errors": draw_lines(error_curve, rows, shown),
                "observed": draw_lines(observed_curve, rows, shown),
            },
            "histogram": {
                "low": -reach,
                "high": reach,
                "counts": {"residuals": [int(count) for count in counts]},
            },
        }

    def gate(
        self,
        rows: Rows,
        prediction: FloatArray,
        evidence: Evidence[RegressionReport],
    ) -> GateReport:
        return gate_regressor(
            rows,
            prediction,
            constant=evidence.constant,
            group_mean=evidence.baselines.get("group_mean"),
            given=evidence.baselines.get("given"),
            true_mean=evidence.ceilings.get("oracle"),
        )


TASK: Final = Regression()
