"""Loading a model: its bytes are verified before anything in them runs."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from matching.domain.words import revision_of
from project.storage.artifacts import ArtifactCorrupt, load_joblib, read_verified, verify
from training.domain.kind import ModelKind
from training.domain.libraries import SKLEARN, library_versions
from training.domain.model_files import FEATURES_FILE, METADATA_FILE, MODEL_FORMAT
from training.domain.prediction_interval import PredictionInterval
from training.kinds import get_kind
from training.models import ModelVersion

FloatArray = npt.NDArray[np.float64]


class ModelOutdated(ArtifactCorrupt):
    """The files are those that were written, but for other formulas, libraries or classes."""


@dataclass(frozen=True)
class LoadedModel:
    """A verified model in memory; its kind has the model's own inputs."""

    kind: ModelKind
    version: int
    estimator: Any
    metadata: dict[str, Any]

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Return each row's probability of label 1, or its predicted number: float64 (n_rows,)."""
        return self.kind.predict(self.estimator, frame)

    @property
    def interval(self) -> PredictionInterval | None:
        """How the intervals of its predictions are made; None where it has none."""
        found = self.metadata["interval"]
        return None if found is None else PredictionInterval(**found)


# One model per kind stays in memory; what identifies it are the digests of its files.
_loaded: dict[str, tuple[tuple[int, str], LoadedModel]] = {}
_lock = Lock()


def load_model(model: ModelVersion) -> LoadedModel:
    """Return the model of a version.

    Raises
    ------
    ArtifactCorrupt
        When its files are not those written; as ModelOutdated, when they cannot serve any more.
    """
    metadata = require_current(model)
    kind = get_kind(model.kind)
    pickle_name = f"{kind.file_stem}.pkl"
    inputs = orjson.loads(_read(model, FEATURES_FILE))
    try:
        estimator = load_joblib(model.folder, pickle_name, model.files[pickle_name])
    except (ImportError, AttributeError) as error:
        raise ModelOutdated(f"{model} no longer loads ({error}). Train it again.") from error
    return LoadedModel(kind.reading(inputs), model.version, estimator, metadata)


def require_current(model: ModelVersion) -> dict[str, Any]:
    """Return the metadata of a model that can serve, without loading it.

    Raises
    ------
    ModelOutdated
        For a model of an earlier format, of another scikit-learn, or of another revision of its
        feature set.
    """
    for name in (f"{get_kind(model.kind).file_stem}.pkl", FEATURES_FILE):
        if name not in model.files:
            raise ArtifactCorrupt(f"{model} has no record of {name}. Train it again.")
    metadata: dict[str, Any] = orjson.loads(_read(model, METADATA_FILE))
    if metadata.get("format", 1) != MODEL_FORMAT:
        raise ModelOutdated(
            f"{model} was written by an earlier edition, whose classes are gone. Train it again."
        )
    written_with = metadata["libraries"][SKLEARN]
    installed = library_versions()[SKLEARN]
    if written_with != installed:
        raise ModelOutdated(
            f"{model} was written with scikit-learn {written_with}, installed is "
            f"{installed}; a pickle of another release may score differently. "
            "Train it again."
        )
    feature_set = metadata["feature_set"]
    if model.feature_revision != revision_of(feature_set):
        raise ModelOutdated(
            f"{model} was trained on revision {model.feature_revision} of {feature_set}; its "
            f"formulas were corrected since, and are revision {revision_of(feature_set)} now. "
            "Train it again."
        )
    return metadata


def _read(model: ModelVersion, name: str) -> bytes:
    if name not in model.files:
        raise ArtifactCorrupt(f"{model} has no record of {name}. Train it again.")
    return read_verified(model.folder, name, model.files[name])


def load_cached(model: ModelVersion) -> LoadedModel:
    """Return the model from memory if it is the one loaded last for its kind, else load it."""
    kind = get_kind(model.kind)
    digest = str(model.files.get(f"{kind.file_stem}.pkl", {}).get("sha256", ""))
    identity = (int(model.pk), digest)
    with _lock:
        found = _loaded.get(model.kind)
        if found is not None and found[0] == identity:
            return found[1]
        loaded = load_model(model)
        _loaded[model.kind] = (identity, loaded)
        return loaded


def forget_loaded() -> None:
    """Drop every model from memory; the next use verifies and loads again."""
    with _lock:
        _loaded.clear()


def verify_model(model: ModelVersion) -> None:
    """Compare every file of a model with its record, and see that it can serve.

    Raises
    ------
    ArtifactCorrupt
        Names what differs; as ModelOutdated, why it cannot serve.
    """
    verify(model.folder, model.files)
    require_current(model)
