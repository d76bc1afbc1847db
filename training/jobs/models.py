"""The work of jobs on models: read, fit, measure and gate, write."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.jobs.contract import Result, Run
from project.origin import Origin
from project.refusal import Refusal
from project.storage.artifacts import require_own_folder
from training.domain.fitted import FitError, FitSettings, FittedModel
from training.domain.kind import ORIGIN_COLUMN, ModelKind, Recipe, real_rows
from training.domain.learning.curve import measure_learning
from training.domain.measuring import MeasuredModel, measure_model, measure_part
from training.domain.mixing.fit import FittedOrigins, fit_origins
from training.domain.tasks import get_task
from training.jobs.arguments import TrainModel
from training.jobs.datasets import build
from training.kinds import get_kind
from training.models import Dataset, ModelVersion, Verdict
from training.queries.datasets import find_dataset, inputs_of, read_part, say_refused
from training.queries.models import describe_model
from training.queries.serviceable import why_mixed_up, why_outdated
from training.services.models import LearntRows, TrainedModel, write_model
from training.services.overrides import Override, claim_override

TRAIN_STAGES: Final = ("Read the dataset", "Choose and fit", "Evaluate", "Write the model")


def train_model(run: Run, asked: TrainModel) -> Result:
    """Train on the dataset version that is asked for, or on the newest.

    One whose formulas were corrected since is built anew first, from its own recipe.
    """
    kind = get_kind(asked.model_kind)
    # The newest is chosen once: a resumed run must not find another one.
    chosen = run.once(
        "train_choose",
        lambda: {"version": find_dataset(kind, asked.dataset).version},
    )
    run.plan(*TRAIN_STAGES)
    model = train(
        run,
        _with_current_formulas(run, kind, find_dataset(kind, chosen["version"])),
        seed=asked.seed,
        override_reason=asked.override_reason,
    )
    return {**describe_model(model)}


def _with_current_formulas(run: Run, kind: ModelKind, dataset: Dataset) -> Dataset:
    outdated = why_outdated(dataset) or why_mixed_up(dataset)
    if not outdated:
        return dataset
    run.log(f"{outdated}: it is built anew from its recipe.", "warning")
    return build(run, kind, Recipe.from_dict(dataset.recipe))


def train(run: Run, dataset: Dataset, *, seed: int = 0, override_reason: str = "") -> ModelVersion:
    """Train inside a job; a resumed run returns the model it has written."""
    done = run.result_of("train_model")
    if done is None:
        require_own_folder()
        override = claim_override(override_reason, run.user)
        require_trainable(dataset, override)
        trained = fit_and_measure(run, dataset, seed=seed, override=override)
        with run.stage("Write the model"), run.transaction("train_model") as done:
            model = write_model(trained, by=run.user)
            done["model"] = model.pk
    model = ModelVersion.objects.select_related("dataset").get(pk=done["model"])
    run.add_record(model)
    return model


def require_trainable(dataset: Dataset, override: Override | None) -> None:
    """Refuse a dataset whose quality was refused, unless somebody overrides that with a reason."""
    if dataset.verdict != Verdict.REFUSE or override is not None:
        return
    refused = [check for check in dataset.checks if check["verdict"] == "refuse"]
    raise Refusal(
        f"Nothing was trained. {say_refused(dataset)}",
        remedy="Mend the data and build again"
        f" (`manage.py analyze_dataset {dataset.version} --kind {dataset.kind}` lists it all),"
        " or give an override with a reason.",
        details={"dataset": dataset.version, "checks": refused},
    )


def fit_and_measure(
    run: Run, dataset: Dataset, *, seed: int, override: Override | None
) -> TrainedModel:
    """Read, fit, measure and gate; the result hangs on the dataset's files and the seed alone."""
    kind = get_kind(dataset.kind).held_out_by(dataset.split)
    kind = kind.reading(inputs_of(kind, dataset))
    with run.stage("Read the dataset"):
        train, validation = (_read_rows(kind, dataset, part) for part in ("train", "val"))
    run.check()
    settings = FitSettings(
        seed, kind.categorical, kind.monotone, kind.target_range, kind.rule_weights(train)
    )
    is_real = real_rows(train)
    with run.stage("Choose and fit"):
        if is_real is None:
            run.report(0, 3, "Choosing the algorithm by cross-validation and fitting it")
            fitted = alone = _fit(kind, train, settings)
            learnt = _learnt(dataset, train)
        else:
            run.report(0, 3, "Fitting real rows alone, synthetic rows alone, and both")
            both = _fit_origins(kind, train, is_real, validation, settings)
            fitted, alone = both.kept, both.real
            learnt = LearntRows(both.origin, int(is_real.sum()), both.synthetic_rows, both.found)
            run.log(both.found["why"])
            synthetic, train = train[~is_real], train[is_real]
    run.check()
    with run.stage("Evaluate"):
        run.report(1, 3, "Measuring the model beside its baselines and ceilings")
        measured = measure_model(kind, fitted, train, validation, seed)
        run.check()
        run.report(2, 3, "Training on parts of the rows, for the learning curve")
        against = _references(kind, measured)
        curve = measure_learning(kind, settings, alone, train, validation, against)
        metrics = {**measured.metrics, "learning_curve": {**curve}}
        if is_real is not None:
            # Beside, never in a figure: what the model says of synthetic rows it may have seen.
            metrics["by_origin"] = {
                "real": measured.metrics["validation"],
                "synthetic, of training": measure_part(kind, fitted, synthetic, seed),
            }
        measured = replace(measured, metrics=metrics)
    run.check()
    run.report(3, 3, "Writing the model")
    return TrainedModel(kind, dataset, seed, fitted, measured, override, learnt)


def _read_rows(kind: ModelKind, dataset: Dataset, part: str) -> pd.DataFrame:
    frame = read_part(dataset, part)
    if not len(frame):
        raise Refusal(
            f"The {part} part of dataset {dataset.version} has no rows.",
            remedy="Build with another --split or --train-share.",
        )
    absent = [name for name in kind.features if name not in frame]
    return frame.assign(**dict.fromkeys(absent, np.nan)) if absent else frame


def _references(kind: ModelKind, measured: MeasuredModel) -> dict[str, float]:
    """What a learning curve is seen against: what the model is held to, where it has a figure."""
    metric = kind.figures.primary_metric
    found = {
        name.replace("_", " "): (report or {}).get(metric, {}).get("value")
        for name, report in measured.baselines.items()
        if name != "constant"
    }
    found |= {
        f"{name} ceiling": None if ceiling is None else ceiling["value"]
        for name, ceiling in measured.ceilings.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def _learnt(dataset: Dataset, train: pd.DataFrame) -> LearntRows:
    """All rows are of one origin: that of the dataset, or of the part of a mixture that trains."""
    origin = Origin(dataset.origin)
    if ORIGIN_COLUMN in train:
        origin = Origin.of(Origin(word) for word in train[ORIGIN_COLUMN].unique())
    is_real = origin is Origin.REAL
    return LearntRows(origin, len(train) if is_real else 0, 0 if is_real else len(train))


def _fit_origins(
    kind: ModelKind,
    train: pd.DataFrame,
    is_real: npt.NDArray[np.bool_],
    validation: pd.DataFrame,
    settings: FitSettings,
) -> FittedOrigins:
    try:
        return fit_origins(kind, train, is_real, validation, settings)
    except FitError as error:
        raise Refusal(
            f"The real training rows alone: {error}",
            remedy="Build with --split origin, which trains on the synthetic rows alone and tests "
            "on all real ones, or add real rows.",
        ) from error


def _fit(kind: ModelKind, train: pd.DataFrame, settings: FitSettings) -> FittedModel:
    rows = kind.rows(train)
    try:
        return get_task(kind.task).fit(kind.inputs(train), rows.target, settings, rows.groups)
    except FitError as error:
        raise Refusal(str(error), remedy="Build a dataset with more rows.") from error
