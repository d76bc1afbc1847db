"""What a fitted model is worth: its figures beside baselines and ceilings, and its gates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.intervals import json_number
from training.domain.categories import known_categories
from training.domain.fitted import FittedModel
from training.domain.importance import Importance, permutation_importance
from training.domain.kind import ModelKind
from training.domain.suspicion import check_inputs
from training.domain.tasks import get_task
from training.domain.tasks.base import (
    CeilingFields,
    CurvesFields,
    Evidence,
    GateReport,
    Report,
    ReportFields,
)

FloatArray = npt.NDArray[np.float64]

MINIMUM_SLICE_ROWS = 20  # fewer rows give intervals that say nothing
# Training figures only say how far they are from validation; the interval of a ROC-AUC on so many
# rows is about .002 wide.
TRAIN_METRIC_ROWS = 200_000


@dataclass(frozen=True)
class MeasuredModel:
    """Everything that was measured of a model, ready to be written.

    Attributes
    ----------
    metrics : `train`, `validation` and `by_{column}` for each slice.
    baselines, ceilings : name to figures; None where no row has one.
    importance : what each input is worth.
    gates : what the figures came to.
    curves : what its charts are drawn from: the validation rows of its figures, never others.
    reference : mean of each numeric input over the training rows.
    categories : names of each categorical input that training has seen.
    """

    metrics: dict[str, ReportFields]
    baselines: dict[str, ReportFields | None]
    ceilings: dict[str, CeilingFields | None]
    importance: Importance
    gates: GateReport
    curves: CurvesFields
    reference: dict[str, float | None]
    categories: dict[str, list[str]]


def measure_model(
    kind: ModelKind, fitted: FittedModel, train: pd.DataFrame, validation: pd.DataFrame, seed: int
) -> MeasuredModel:
    """Measure a model on validation rows, and hold it to its gates.

    Parameters
    ----------
    kind : as it is measured under the split, see `ModelKind.held_out_by`.
    train, validation : frames with every input, the target and the context columns.
    seed : of shuffles and of the training rows that are measured.
    """
    rng = np.random.default_rng([seed, 1])
    task, rows = get_task(kind.task), kind.rows(validation)
    prediction = kind.predict(fitted.estimator, validation)
    report = task.measure(rows, prediction, _bounds(fitted, prediction))
    metrics = {
        "train": _measure_train(kind, fitted, train, rng),
        "validation": report.as_dict(),
    }
    for column in kind.slices:
        metrics[f"by_{column}"] = _measure_slices(kind, validation, prediction, column, report)
    constant = float(train[kind.target].mean())
    others = kind.baselines(train, validation)
    baselines = {
        name: _measure_baseline(kind, validation, other)
        for name, other in {"constant": np.full(len(rows), constant), **others}.items()
    }
    importance = permutation_importance(
        lambda frame: kind.predict(fitted.estimator, frame),
        kind.inputs(validation),
        rows.target,
        metric=task.paired_metric,
        higher_is_better=task.higher_is_better,
        rng=rng,
    )
    truths = _truths(kind, validation)
    ceilings = {
        name: task.measure_ceiling(rows, prediction, truths[name]) if name in truths else None
        for name in kind.ceilings
    }
    beside = {**others, **{f"{name}_ceiling": truth for name, truth in truths.items()}}
    evidence = Evidence(report, fitted.calibration, constant, others, truths)
    gates = task.gate(rows, prediction, evidence)
    return MeasuredModel(
        metrics=metrics,
        baselines=baselines,
        ceilings=ceilings,
        importance=importance,
        curves=task.draw(rows, prediction, beside),
        gates=replace(gates, checks=(*gates.checks, *check_inputs(kind, validation))),
        reference={
            name: json_number(float(train[name].astype("float64").mean())) for name in kind.numeric
        },
        categories={name: known_categories(train[name]) for name in kind.categorical},
    )


def measure_part(
    kind: ModelKind, fitted: FittedModel, frame: pd.DataFrame, seed: int
) -> ReportFields:
    """Measure a model on other rows, at most TRAIN_METRIC_ROWS of them by lot."""
    return _measure_train(kind, fitted, frame, np.random.default_rng([seed, 3]))


def _bounds(fitted: FittedModel, prediction: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    return None if fitted.interval is None else fitted.interval.bounds(prediction)


def _measure_train(
    kind: ModelKind, fitted: FittedModel, train: pd.DataFrame, rng: np.random.Generator
) -> ReportFields:
    """Measure training rows, at most TRAIN_METRIC_ROWS drawn by lot; `rows` says how many."""
    if len(train) > TRAIN_METRIC_ROWS:
        drawn = np.sort(rng.choice(len(train), size=TRAIN_METRIC_ROWS, replace=False))
        train = train.iloc[drawn]
    prediction = kind.predict(fitted.estimator, train)
    bounds = _bounds(fitted, prediction)
    report: Report = get_task(kind.task).measure(kind.rows(train), prediction, bounds)
    return report.as_dict()


def _measure_slices(
    kind: ModelKind,
    frame: pd.DataFrame,
    prediction: FloatArray,
    column: str,
    report: Report,
) -> dict[str, ReportFields]:
    found: dict[str, ReportFields] = {}
    if column not in frame:
        return found
    values = frame[column]
    for value in sorted(values.dropna().unique(), key=str):
        inside = (values == value).to_numpy(dtype=np.bool_)
        if inside.all():
            found[str(value)] = report.as_dict()
        elif int(inside.sum()) < MINIMUM_SLICE_ROWS:
            found[str(value)] = {"rows": int(inside.sum())}
        else:
            rows = kind.rows(frame[inside])
            found[str(value)] = get_task(kind.task).measure(rows, prediction[inside]).as_dict()
    return found


def _measure_baseline(
    kind: ModelKind, frame: pd.DataFrame, prediction: FloatArray
) -> ReportFields | None:
    known = np.isfinite(prediction)
    if not known.any():
        return None
    report: Report = get_task(kind.task).measure(kind.rows(frame[known]), prediction[known])
    return report.as_dict()


def _truths(kind: ModelKind, frame: pd.DataFrame) -> Mapping[str, FloatArray]:
    return {
        name: frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        for name, column in kind.ceilings.items()
        if column in frame
    }
