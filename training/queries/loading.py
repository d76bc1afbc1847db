"""Loading a model: its bytes are verified before anything in them runs."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson

from project.storage.artifacts import ArtifactCorrupt, load_joblib, read_verified, verify
from training.kinds import ModelKind, get_kind
from training.models import ModelVersion
from training.services.training import METADATA_FILE
from training.services.versions import SKLEARN, library_versions


@dataclass(frozen=True)
class LoadedModel:
    """A verified model in memory."""

    kind: ModelKind
    version: int
    estimator: Any
    metadata: dict[str, Any]


# One model per kind stays in memory; what identifies it are the digests of its files.
_loaded: dict[str, tuple[tuple[int, str], LoadedModel]] = {}
_lock = Lock()


def load_model(model: ModelVersion) -> LoadedModel:
    """Return the model of a version; ArtifactCorrupt when its files are not those written."""
    kind = get_kind(model.kind)
    pickle_name = f"{kind.file_stem}.pkl"
    if pickle_name not in model.files or METADATA_FILE not in model.files:
        raise ArtifactCorrupt(f"{model} has no record of {pickle_name}. Train it again.")
    metadata = orjson.loads(read_verified(model.folder, METADATA_FILE, model.files[METADATA_FILE]))
    written_with = metadata["libraries"][SKLEARN]
    installed = library_versions()[SKLEARN]
    if written_with != installed:
        raise ArtifactCorrupt(
            f"{model} was written with scikit-learn {written_with}, installed is "
            f"{installed}; a pickle of another release may score differently. "
            "Train it again."
        )
    estimator = load_joblib(model.folder, pickle_name, model.files[pickle_name])
    return LoadedModel(kind, model.version, estimator, metadata)


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
    """Compare every file of a model with its record; ArtifactCorrupt names what differs."""
    verify(model.folder, model.files)
