"""Loading a model: its bytes are verified before anything in them runs."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from project.origin import Origin
from project.storage.artifacts import glance, load_joblib, read_verified
from project.storage.place import Stamp
from training.domain.kind import ModelKind
from training.domain.model_files import FEATURES_FILE, LearntFields, ModelMetadata
from training.domain.prediction_interval import PredictionInterval
from training.domain.rule_part import CannotCompile, Compiled, compile_rules
from training.domain.tasks import get_task
from training.kinds import get_kind
from training.models import ModelVersion
from training.queries.files import naming
from training.queries.serviceable import (
    ModelOutdated,
    require_current,
    require_same_words,
    train_again,
)

logger = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LoadedModel:
    """A verified model in memory; its kind has the model's own inputs.

    compiled : of a label by numbers: its predictions without frames; None where it has none.
    rules_alone : of a model that starts from rules, what they alone say; else None.
    is_walked : whether it is made of trees, which take long for each row.
    """

    kind: ModelKind
    version: int
    estimator: Any
    metadata: ModelMetadata
    compiled: Compiled | None = None
    rules_alone: Compiled | None = None
    is_walked: bool = False

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Return each row's probability of label 1, or its predicted number: float64 (n_rows,)."""
        return self.kind.predict(self.estimator, frame)

    def predict_rows(self, values: npt.NDArray[Any]) -> FloatArray:
        """Predict rows of numbers, in the order of the kind's inputs: float64 (n_rows,)."""
        if self.compiled is not None:
            return self.compiled(values)
        return self.predict(pd.DataFrame(values, columns=list(self.kind.features)))

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """How rare interests were among its rows, of those that are none of ours."""
        found: Mapping[str, float] = self.metadata.get("vocabulary", {}).get("shares", {})
        return found

    @property
    def trained_on(self) -> str:
        """Where the rows that it learnt from come from; a file of before says its dataset's."""
        metadata = self.metadata
        origin = metadata.get("origin") or metadata["dataset"]["origin"]
        unknown = LearntFields(real_rows=None, synthetic_rows=None)
        rows = metadata.get("trained_on", unknown)
        return Origin(origin).said(rows["real_rows"], rows["synthetic_rows"])

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
    kind = kind.reading(orjson.loads(features))
    # Models that were written before there was such a part have no word of it.
    part = metadata["parameters"].get("rule_part")
    return LoadedModel(
        kind,
        model.version,
        estimator,
        metadata,
        compiled=_compile(kind, estimator),
        rules_alone=None if part is None else compile_rules(part, kind.features),
        is_walked=get_task(kind.task).is_walked(estimator),
    )


def _compile(kind: ModelKind, estimator: Any) -> Compiled | None:
    if kind.categorical:
        return None
    try:
        return get_task(kind.task).compile(estimator, kind.features)
    except CannotCompile as error:
        logger.warning("A model of %s answers as it is, slowly: %s", kind.name, error)
        return None


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
