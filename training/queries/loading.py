"""Loading a model: its bytes are verified before anything in them runs."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from project.origin import Origin
from project.storage.artifacts import Stamp, glance, load_joblib, read_verified
from training.domain.kind import ModelKind
from training.domain.model_files import FEATURES_FILE
from training.domain.prediction_interval import PredictionInterval
from training.kinds import get_kind
from training.models import ModelVersion
from training.queries.files import naming
from training.queries.serviceable import (
    ModelOutdated,
    require_current,
    require_same_words,
    train_again,
)

FloatArray = npt.NDArray[np.float64]


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
    def trained_on(self) -> str:
        """Where the rows that it learnt from come from; a file of before says its dataset's."""
        metadata = self.metadata
        origin = metadata.get("origin") or metadata["dataset"]["origin"]
        rows = metadata.get("trained_on", {})
        return Origin(origin).said(rows.get("real_rows"), rows.get("synthetic_rows"))

    @property
    def interval(self) -> PredictionInterval | None:
        """How the intervals of its predictions are made; None where it has none."""
        found = self.metadata["interval"]
        return None if found is None else PredictionInterval(**found)


# One model per kind stays in memory, with the row and the files that it was loaded from.
_loaded: dict[str, tuple[tuple[int, tuple[Stamp, ...]], LoadedModel]] = {}
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
    with naming(model):
        features = read_verified(model.folder, FEATURES_FILE, model.files[FEATURES_FILE])
        try:
            estimator = load_joblib(model.folder, pickle_name, model.files[pickle_name])
        except (ImportError, AttributeError) as error:
            raise ModelOutdated(
                f"{model} no longer loads ({error}).", remedy=train_again(model)
            ) from error
    inputs = orjson.loads(features)
    return LoadedModel(kind.reading(inputs), model.version, estimator, metadata)


def load_cached(model: ModelVersion) -> LoadedModel:
    """Return the model from memory if it is the one loaded last for its kind, else load it.

    What lies there is what serves, in every process: files that went or changed since are as good
    as those that were never loaded. ArtifactCorrupt as for `load_model`.
    """
    with naming(model):
        identity = (int(model.pk), glance(model.folder, model.files))
    with _lock:
        found = _loaded.get(model.kind)
        if found is not None and found[0] == identity:
            require_same_words(model, found[1].metadata["feature_set"])
            return found[1]
        loaded = load_model(model)
        _loaded[model.kind] = (identity, loaded)
        return loaded


def forget_loaded() -> None:
    """Drop every model from memory; the next use verifies and loads again."""
    with _lock:
        _loaded.clear()
