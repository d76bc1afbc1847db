"""Fitting, measuring and gating a model, and writing it under its version."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
from django.contrib.auth.models import User

from project.jobs.contract import Run
from project.measure.intervals import json_number
from project.refusal import Refusal
from project.storage.artifacts import joblib_bytes, write_folder
from training.domain.categories import known_categories
from training.domain.evaluation import (
    ClassificationReport,
    RegressionReport,
    evaluate_classifier,
    evaluate_regressor,
)
from training.domain.gates import (
    GateReport,
    distance_to_ceiling,
    gate_classifier,
    gate_regressor,
    measure_ceilings,
)
from training.domain.importance import permutation_importance
from training.domain.model_files import FEATURES_FILE, METADATA_FILE, MODEL_FORMAT
from training.kinds import ModelKind, get_kind
from training.models import Dataset, ModelVersion, Verdict
from training.services.datasets import read_part, verdict_sentence
from training.services.overrides import Override, claim_override
from training.services.versions import claim_version, library_versions

if TYPE_CHECKING:
    from training.domain.fitting.choice import FittedModel

FloatArray = npt.NDArray[np.float64]
Report = ClassificationReport | RegressionReport

MINIMUM_SLICE_ROWS = 20  # fewer rows give intervals that say nothing
# Training figures only say how far they are from validation; the interval of a ROC-AUC on so many rows is
# about .002 wide.
TRAIN_METRIC_ROWS = 200_000


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model and everything that was measured on it, ready to be written."""

    kind: ModelKind
    dataset: Dataset
    seed: int
    fitted: "FittedModel"
    metrics: dict[str, Any]
    baselines: dict[str, Any]
    ceilings: dict[str, Any]
    importance: dict[str, Any]
    gates: GateReport
    reference: dict[str, float | None]
    categories: dict[str, list[str]]
    override: Override | None


def require_trainable(dataset: Dataset, override: Override | None) -> None:
    """Refuse a dataset whose quality was refused, unless somebody overrides that with a reason."""
    if dataset.verdict != Verdict.REFUSE or override is not None:
        return
    refused = [check for check in dataset.checks if check["verdict"] == "refuse"]
    raise Refusal(
        f"Nothing was trained. {verdict_sentence(dataset.report)}",
        remedy="Mend the data and build again"
        f" (`manage.py analyze_dataset {dataset.version} --kind {dataset.kind}` lists it all),"
        " or give an override with a reason.",
        details={"dataset": dataset.version, "checks": refused},
    )


def train(run: Run, dataset: Dataset, *, seed: int = 0, override_reason: str = "") -> ModelVersion:
    """Train inside a job; a resumed run returns the model it has written."""
    done = run.result_of("train_model")
    if done is None:
        override = claim_override(override_reason, run.user)
        require_trainable(dataset, override)
        trained = fit_and_measure(run, dataset, seed=seed, override=override)
        with run.stage("Write the model"), run.transaction("train_model") as done:
            done["model"] = write_model(trained, by=run.user).pk
    model = ModelVersion.objects.select_related("dataset").get(pk=done["model"])
    run.add_record(model)
    return model


def fit_and_measure(
    run: Run, dataset: Dataset, *, seed: int, override: Override | None
) -> TrainedModel:
    """Choose, fit, evaluate and gate; a pure function of the dataset's files and the seed."""
    kind = get_kind(dataset.kind).held_out_by(dataset.split)
    with run.stage("Read the dataset"):
        parts = {
            name: _with_all_columns(kind, read_part(dataset, name)) for name in ("train", "val")
        }
    for name, part in parts.items():
        if not len(part):
            raise Refusal(
                f"The {name} part of dataset {dataset.version} has no rows.",
                remedy="Build with another --split or --train-share.",
            )
    run.check()
    with run.stage("Choose and fit"):
        run.report(0, 3, "Choosing the algorithm by cross-validation and fitting it")
        fitted = _fit(kind, parts["train"], seed)
    run.check()
    with run.stage("Evaluate"):
        run.report(1, 3, "Measuring the model beside its baselines and ceilings")
        evaluated = _evaluate(kind, fitted, parts["train"], parts["val"], seed)
    run.check()
    run.report(3, 3, "Writing the model")
    return TrainedModel(kind, dataset, seed, fitted, override=override, **evaluated)


def write_model(trained: TrainedModel, *, by: User | None = None) -> ModelVersion:
    """Write folder and row under the next version; call it inside a transaction."""
    model = claim_version(ModelVersion, trained.kind.name)
    model.dataset = trained.dataset
    model.feature_revision = trained.dataset.feature_revision
    model.inputs = list(trained.kind.features)
    model.algorithm = trained.fitted.algorithm
    model.parameters = trained.fitted.as_dict()
    model.seed = trained.seed
    model.metrics = trained.metrics
    model.baselines = trained.baselines
    model.ceilings = trained.ceilings
    model.importance = trained.importance
    gates = trained.gates.as_dict()
    model.gates = gates["checks"]
    model.comparisons = gates["comparisons"]
    model.verdict = trained.gates.verdict
    if trained.override is not None:
        model.override_reason = trained.override.reason
        model.override_by = trained.override.by
    model.created_by = by
    model.files = write_folder(
        model.folder,
        {
            f"{trained.kind.file_stem}.pkl": joblib_bytes(trained.fitted.estimator),
            FEATURES_FILE: orjson.dumps(model.inputs),
            METADATA_FILE: orjson.dumps(
                _metadata(model, trained), option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
            ),
        },
    )
    model.save(force_insert=True)
    return model


def summarise(model: ModelVersion) -> dict[str, Any]:
    """Return a model as commands and jobs report it."""
    return {
        "kind": model.kind,
        "version": model.version,
        "stage": model.stage,
        "verdict": model.verdict,
        "algorithm": model.algorithm,
        "dataset": model.dataset.version,
        "feature_set": model.dataset.feature_set,
        "feature_revision": model.feature_revision,
        "inputs": model.inputs,
        "metrics": model.metrics,
        "baselines": model.baselines,
        "ceilings": model.ceilings,
        "importance": model.importance,
        "gates": model.gates,
        "comparisons": model.comparisons,
        "override_reason": model.override_reason,
        "folder": model.folder,
    }


def predict(kind: ModelKind, estimator: Any, frame: pd.DataFrame) -> FloatArray:
    """Return the probability of label 1, or the predicted number, of every row: float64 (n,)."""
    inputs = kind.inputs(frame)
    if kind.task == "classification":
        return np.asarray(estimator.predict_proba(inputs)[:, 1], dtype=np.float64)
    return np.asarray(estimator.predict(inputs), dtype=np.float64)


def resampling_groups(kind: ModelKind, frame: pd.DataFrame) -> npt.NDArray[Any] | None:
    """Return whose rows are resampled together; None where a row does not say."""
    column = kind.resample_by
    if column is None or column not in frame or frame[column].isna().any():
        return None
    return pd.factorize(frame[column])[0]


def measure(
    kind: ModelKind,
    frame: pd.DataFrame,
    prediction: FloatArray,
    rng: np.random.Generator,
    bounds: tuple[FloatArray, FloatArray] | None = None,
) -> Report:
    """Evaluate predictions of a kind on rows that have the target."""
    target = frame[kind.target].to_numpy(dtype=np.float64)
    groups = resampling_groups(kind, frame)
    if kind.task == "classification":
        return evaluate_classifier(target, prediction, rng=rng, groups=groups)
    low, high = bounds or (None, None)
    return evaluate_regressor(target, prediction, rng=rng, low=low, high=high, groups=groups)


def _with_all_columns(kind: ModelKind, frame: pd.DataFrame) -> pd.DataFrame:
    absent = [name for name in kind.features if name not in frame]
    return frame.assign(**dict.fromkeys(absent, np.nan)) if absent else frame


def _fit(kind: ModelKind, train: pd.DataFrame, seed: int) -> "FittedModel":
    # Here and not above, because scikit-learn takes seconds to load: lists and pages, which import
    # this module to show models, would all pay for it.
    from training.domain.fitting.choice import FitError
    from training.domain.fitting.classifier import fit_classifier
    from training.domain.fitting.regressor import fit_regressor

    inputs, target = kind.inputs(train), train[kind.target].to_numpy()
    groups = resampling_groups(kind, train)
    try:
        if kind.task == "classification":
            return fit_classifier(
                inputs,
                target,
                seed=seed,
                categorical=kind.categorical,
                monotone=kind.monotone,
                groups=groups,
            )
        return fit_regressor(
            inputs,
            target,
            seed=seed,
            categorical=kind.categorical,
            target_range=kind.target_range,
            groups=groups,
        )
    except FitError as error:
        raise Refusal(str(error), remedy="Build a dataset with more rows.") from error


def _evaluate(
    kind: ModelKind,
    fitted: "FittedModel",
    train: pd.DataFrame,
    validation: pd.DataFrame,
    seed: int,
) -> dict[str, Any]:
    rng = np.random.default_rng([seed, 1])
    prediction = predict(kind, fitted.estimator, validation)
    report = measure(kind, validation, prediction, rng, _bounds(fitted, prediction))
    metrics: dict[str, Any] = {
        "train": _measure_train(kind, fitted, train, rng),
        "validation": report.as_dict(),
    }
    for column in kind.slices:
        metrics[f"by_{column}"] = _by_slice(kind, validation, prediction, column, report, rng)
    constant = float(train[kind.target].mean())
    others = kind.baselines(train, validation)
    baselines = {
        name: _measure_baseline(kind, validation, other, rng)
        for name, other in {"constant": np.full(len(validation), constant), **others}.items()
    }
    importance = permutation_importance(
        lambda rows: predict(kind, fitted.estimator, rows),
        kind.inputs(validation),
        validation[kind.target],
        metric="roc_auc" if kind.task == "classification" else "squared_error",
        rng=rng,
    )
    return {
        "metrics": metrics,
        "baselines": baselines,
        "ceilings": _ceilings(kind, validation, prediction, rng),
        "importance": importance,
        "gates": _gate(kind, validation, prediction, constant, others, report, rng),
        "reference": {
            name: json_number(float(train[name].astype("float64").mean())) for name in kind.numeric
        },
        "categories": {name: known_categories(train[name]) for name in kind.categorical},
    }


def _measure_train(
    kind: ModelKind, fitted: "FittedModel", train: pd.DataFrame, rng: np.random.Generator
) -> dict[str, Any]:
    """Measure training rows, at most TRAIN_METRIC_ROWS drawn by lot; `rows` says how many."""
    if len(train) > TRAIN_METRIC_ROWS:
        drawn = np.sort(rng.choice(len(train), size=TRAIN_METRIC_ROWS, replace=False))
        train = train.iloc[drawn]
    prediction = predict(kind, fitted.estimator, train)
    return measure(kind, train, prediction, rng, _bounds(fitted, prediction)).as_dict()


def _bounds(fitted: "FittedModel", prediction: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    return None if fitted.interval is None else fitted.interval.bounds(prediction)


def _by_slice(
    kind: ModelKind,
    frame: pd.DataFrame,
    prediction: FloatArray,
    column: str,
    report: Report,
    rng: np.random.Generator,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if column not in frame:
        return found
    values = frame[column]
    for value in sorted(values.dropna().unique(), key=str):
        rows = (values == value).to_numpy(dtype=np.bool_)
        if rows.all():
            found[str(value)] = report.as_dict()
        elif int(rows.sum()) < MINIMUM_SLICE_ROWS:
            found[str(value)] = {"rows": int(rows.sum())}
        else:
            found[str(value)] = measure(kind, frame[rows], prediction[rows], rng).as_dict()
    return found


def _measure_baseline(
    kind: ModelKind, frame: pd.DataFrame, prediction: FloatArray, rng: np.random.Generator
) -> dict[str, Any] | None:
    known = np.isfinite(prediction)
    if not known.any():
        return None
    return measure(kind, frame[known], prediction[known], rng).as_dict()


def _ceilings(
    kind: ModelKind, frame: pd.DataFrame, prediction: FloatArray, rng: np.random.Generator
) -> dict[str, dict[str, Any] | None]:
    """The best that anybody could reach on these rows; None where no row knows its truth."""
    target = frame[kind.target].to_numpy(dtype=np.float64)
    groups = resampling_groups(kind, frame)
    found: dict[str, dict[str, Any] | None] = {}
    for name, column in kind.ceilings.items():
        found[name] = None
        if column not in frame:
            continue
        truth = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        if kind.task == "classification":
            metric = measure_ceilings(
                target, true_probability=truth, feature_probability=None, rng=rng, groups=groups
            )["oracle"]
            found[name] = None if metric is None else metric.as_dict()
            continue
        known = np.isfinite(truth)
        if known.any():
            inside = None if groups is None else groups[known]
            y, p, t = target[known], prediction[known], truth[known]
            best = evaluate_regressor(y, t, rng=rng, groups=inside)["r2"]
            gap = distance_to_ceiling(y, p, t, rng=rng, groups=inside)
            found[name] = {**best.as_dict(), "distance": gap.as_dict()}
    return found


def _truth(kind: ModelKind, frame: pd.DataFrame) -> FloatArray | None:
    column = kind.ceilings.get("oracle", "")
    return frame[column].to_numpy(dtype=np.float64, na_value=np.nan) if column in frame else None


def _gate(
    kind: ModelKind,
    frame: pd.DataFrame,
    prediction: FloatArray,
    constant: float,
    others: dict[str, FloatArray],
    report: Report,
    rng: np.random.Generator,
) -> GateReport:
    target = frame[kind.target].to_numpy(dtype=np.float64)
    groups = resampling_groups(kind, frame)
    if isinstance(report, RegressionReport):
        return gate_regressor(
            target,
            prediction,
            constant=constant,
            rng=rng,
            group_mean=others.get("group_mean"),
            given=others.get("given"),
            true_mean=_truth(kind, frame),
            groups=groups,
        )
    column = kind.ceilings.get("feature", "")
    ceiling = frame[column].to_numpy(dtype=np.float64) if column in frame else None
    return gate_classifier(
        target,
        prediction,
        others.get("rule_score", np.full(len(frame), np.nan)),
        rng=rng,
        feature_probability=ceiling,
        groups=groups,
        report=report,
    )


def _metadata(model: ModelVersion, trained: TrainedModel) -> dict[str, Any]:
    dataset = trained.dataset
    return {
        "kind": model.kind,
        "version": model.version,
        "created_at": datetime.now(UTC).isoformat(),
        "task": trained.kind.task,
        "target": trained.kind.target,
        "format": MODEL_FORMAT,
        "features": model.inputs,
        "feature_set": dataset.feature_set,
        "feature_revision": model.feature_revision,
        "reference": trained.reference,
        "categories": trained.categories,
        "interval": None if trained.fitted.interval is None else trained.fitted.interval.as_dict(),
        "dataset": {
            "version": dataset.version,
            "source": dataset.source,
            "sha256": {name: digest["sha256"] for name, digest in dataset.files.items()},
        },
        "algorithm": model.algorithm,
        "parameters": model.parameters,
        "seed": model.seed,
        "metrics": model.metrics,
        "baselines": model.baselines,
        "ceilings": model.ceilings,
        "gates": model.gates,
        "verdict": model.verdict,
        "override_reason": model.override_reason,
        "libraries": library_versions(),
    }
