"""Writing a model: its files and its row."""

from dataclasses import dataclass

import orjson
from django.contrib.auth.models import User
from django.db import transaction

from project import clock
from project.audit.models import Act
from project.audit.services import record
from project.origin import Origin
from project.storage.artifacts import joblib_bytes, write_files
from training.domain.fitted import FittedModel
from training.domain.kind import ModelKind
from training.domain.libraries import library_versions
from training.domain.measuring import MeasuredModel
from training.domain.mixing.fit import OriginsFields
from training.domain.model_files import (
    FEATURES_FILE,
    METADATA_FILE,
    MODEL_FORMAT,
    ModelMetadata,
)
from training.models import Dataset, ModelVersion
from training.services.overrides import Override
from training.services.versions import claim_version


@dataclass(frozen=True)
class LearntRows:
    """The rows that a model learnt from, by origin; `origins` is what a mixture was worth."""

    origin: Origin
    real: int
    synthetic: int
    origins: OriginsFields | None = None


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model and everything that was measured on it, ready to be written."""

    kind: ModelKind
    dataset: Dataset
    seed: int
    fitted: FittedModel
    measured: MeasuredModel
    override: Override | None
    learnt: LearntRows


@transaction.atomic
def write_model(trained: TrainedModel, *, by: User | None = None) -> ModelVersion:
    """Write files and row under the next version; files whose row is not committed count for
    nothing."""
    measured, gates = trained.measured, trained.measured.gates.as_dict()
    model = claim_version(ModelVersion, trained.kind.name)
    model.dataset = trained.dataset
    model.feature_revision = trained.dataset.feature_revision
    model.vocabulary = trained.dataset.vocabulary
    model.inputs = list(trained.kind.features)
    model.origin = trained.learnt.origin.value
    model.real_rows, model.synthetic_rows = trained.learnt.real, trained.learnt.synthetic
    model.origins = trained.learnt.origins or {}
    model.algorithm = trained.fitted.algorithm
    model.parameters = trained.fitted.as_dict()
    model.seed = trained.seed
    model.metrics = measured.metrics
    model.baselines = measured.baselines
    model.ceilings = measured.ceilings
    model.importance = measured.importance
    model.curves = {**measured.curves}
    model.gates = gates["checks"]
    model.comparisons = gates["comparisons"]
    model.verdict = gates["verdict"]
    if trained.override is not None:
        model.override_reason = trained.override.reason
        model.override_by = trained.override.by
    model.created_by = by
    model.files = write_files(
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
    if trained.override is not None:
        record(Act.OVERRIDE, by=by, about=model, detail=f"trained: {trained.override.reason}")
    return model


def _metadata(model: ModelVersion, trained: TrainedModel) -> ModelMetadata:
    dataset, interval = trained.dataset, trained.fitted.interval
    return {
        "kind": model.kind,
        "version": model.version,
        "created_at": clock.now().isoformat(),
        "task": trained.kind.task,
        "target": trained.kind.target,
        "format": MODEL_FORMAT,
        "features": model.inputs,
        "feature_set": dataset.feature_set,
        "feature_revision": model.feature_revision,
        "vocabulary": model.vocabulary,
        "reference": trained.measured.reference,
        "categories": trained.measured.categories,
        "interval": None if interval is None else interval.as_dict(),
        "dataset": {
            "version": dataset.version,
            "origin": dataset.origin,
            "sha256": {name: digest["sha256"] for name, digest in dataset.files.items()},
        },
        "origin": model.origin,
        "trained_on": {"real_rows": model.real_rows, "synthetic_rows": model.synthetic_rows},
        "origins": model.origins,
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
