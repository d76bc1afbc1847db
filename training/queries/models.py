"""Models that are there: finding them, and what was measured of each; lists load no pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from project.refusal import Refusal
from training.domain.confirming import suspicious_inputs
from training.kinds import DEFAULT_KIND, ModelKind, get_kind
from training.models import ModelVersion, Promotion
from training.queries.files import file_word
from training.queries.serviceable import why_not_serving

if TYPE_CHECKING:
    from datetime import datetime

    from project.measure.intervals import MetricFields
    from project.measure.paired import PairedFields
    from training.domain.checks import CheckFields
    from training.domain.importance import Importance
    from training.domain.mixing.fit import OriginsFields
    from training.domain.tasks.base import CeilingFields, ReportFields


class ModelSummary(TypedDict):
    """A model as commands and jobs report it; `metric` is the one that lists show."""

    kind: str
    version: int
    stage: str
    verdict: str
    algorithm: str
    dataset: int
    origin: str
    real_rows: int | None
    synthetic_rows: int | None
    origins: OriginsFields | None
    feature_set: str
    feature_revision: int
    inputs: list[str]
    metric: str
    metrics: dict[str, ReportFields]
    baselines: dict[str, ReportFields | None]
    ceilings: dict[str, CeilingFields | None]
    calibration: str
    importance: Importance
    gates: list[CheckFields]
    suspicious_inputs: list[str]
    expectation: str
    comparisons: dict[str, PairedFields]
    override_reason: str
    folder: str


class ListedModel(TypedDict):
    """A model in a list: `value` is the figure of its main metric on validation rows.

    `files` is there, gone, unreadable or changed, at a glance; `problem` says why the champion
    cannot serve, after all of its files were read.
    """

    version: int
    stage: str
    verdict: str
    algorithm: str
    dataset: int
    origin: str
    metric: str
    value: MetricFields | None
    files: str
    problem: str
    created_at: datetime


class PromotionFields(TypedDict):
    """What became live, as commands report it."""

    done: str
    version: int
    previous: int | None
    by: str
    at: datetime
    reason: str
    override_reason: str
    confirmation_reason: str
    gates: list[CheckFields]


def list_models(kind: ModelKind) -> list[ListedModel]:
    """Return the models of a kind, newest first."""
    metric = kind.figures.primary_metric
    models = ModelVersion.objects.of_kind(kind.name).select_related("dataset")
    return [
        {
            "version": model.version,
            "stage": model.stage,
            "verdict": model.verdict,
            "algorithm": model.algorithm,
            "dataset": model.dataset.version,
            "origin": model.origin_words,
            "metric": metric,
            "value": model.metrics.get("validation", {}).get(metric),
            "files": file_word(model),
            "problem": why_not_serving(model) if model.stage == ModelVersion.Stage.CHAMPION else "",
            "created_at": model.created_at,
        }
        for model in models.defer("parameters")
    ]


def find_model(kind: ModelKind, version: int) -> ModelVersion:
    """Return a model by version; a Refusal names those there are."""
    models = ModelVersion.objects.of_kind(kind.name).select_related("dataset")
    model = models.filter(version=version).first()
    if model is None:
        versions = [str(number) for number in models.values_list("version", flat=True)[:20]]
        raise Refusal(
            f"There is no model {version} of {kind.name}.",
            remedy=f"There are: {', '.join(versions)}."
            if versions
            else f"Train one with `manage.py train_model --kind {kind.name}`.",
        )
    return model


def champion_of(kind: str) -> ModelVersion | None:
    """Return the live model of a kind."""
    return ModelVersion.objects.champions().filter(kind=kind).select_related("dataset").first()


def promote_command(
    kind: str, version: int, *, is_replacing: bool, is_suspicious: bool = False
) -> str:
    """Return the command that makes a version live, with what has to be said."""
    words = [f"models promote {version}"]
    if kind != DEFAULT_KIND:
        words.append(f"--kind {kind}")
    if is_replacing:
        words.append("--reason REASON")
    if is_suspicious:
        words.append("--confirm-inputs REASON")
    return " ".join(words)


def describe_model(model: ModelVersion) -> ModelSummary:
    """Return what was measured of a model."""
    kind = get_kind(model.kind)
    figures = kind.figures
    return {
        "kind": model.kind,
        "version": model.version,
        "stage": model.stage,
        "verdict": model.verdict,
        "algorithm": model.algorithm,
        "dataset": model.dataset.version,
        "origin": model.trained_on.value,
        "real_rows": model.real_rows,
        "synthetic_rows": model.synthetic_rows,
        "origins": model.origins or None,
        "feature_set": model.dataset.feature_set,
        "feature_revision": model.feature_revision,
        "inputs": model.inputs,
        "metric": figures.primary_metric,
        "metrics": model.metrics,
        "baselines": model.baselines,
        "ceilings": model.ceilings,
        "calibration": figures.describe_calibration(model.parameters.get("calibration", {})),
        "importance": model.importance,
        "gates": model.gates,
        "suspicious_inputs": list(suspects_of(model)),
        "expectation": kind.expectation_of(model.dataset.origin),
        "comparisons": model.comparisons,
        "override_reason": model.override_reason,
        "folder": model.folder,
    }


def suspects_of(model: ModelVersion) -> dict[str, CheckFields]:
    """Return the inputs of a model that somebody has to confirm before it goes live.

    By input, the check that names it: of the model, else of its dataset, whose rows are more.
    """
    found: dict[str, CheckFields] = {}
    for checks in (model.gates, model.dataset.checks):
        for name, check in suspicious_inputs(checks).items():
            if not model.inputs or name in model.inputs:
                found.setdefault(name, check)
    return found


def promotions_of(model: ModelVersion) -> list[PromotionFields]:
    """Return when a model became live, newest first."""
    found = Promotion.objects.filter(model=model)
    return [describe_promotion(promotion) for promotion in found]


def describe_promotion(promotion: Promotion) -> PromotionFields:
    """Return what became live, when, by whom and why."""
    return {
        "done": promotion.action,
        "version": promotion.version,
        "previous": promotion.previous_version,
        "by": promotion.actor,
        "at": promotion.at,
        "reason": promotion.reason,
        "override_reason": promotion.override_reason,
        "confirmation_reason": promotion.confirmation_reason,
        "gates": promotion.gates,
    }
