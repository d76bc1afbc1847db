"""Predicting with the champion of a kind whose inputs are given by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from project.refusal import Refusal
from project.storage.artifacts import ArtifactCorrupt
from training.domain.foreign_csv import camel_case
from training.domain.kind import ModelKind, Recipe
from training.queries.loading import LoadedModel, load_cached
from training.queries.models import champion_of
from training.queries.scoring import UnusableFeatures


class PredictionFields(TypedDict):
    """A `Prediction` as JSON."""

    kind: str
    model_version: int
    trained_on: str
    target: str
    prediction: float
    low: float | None
    high: float | None
    interval_level: float | None
    missing: list[str]
    unseen: list[str]


@dataclass(frozen=True)
class Prediction:
    """What the champion of a kind says of one row.

    Attributes
    ----------
    value : the predicted number in the unit of the target, or the probability of label 1.
    low, high : bounds that hold about the share `level` of new targets; None for a probability.
    missing : names of the inputs that were not given.
    unseen : names of the inputs whose category training has not seen; they count as unknown.
    """

    kind: ModelKind
    model_version: int
    trained_on: str
    value: float
    low: float | None
    high: float | None
    level: float | None
    missing: tuple[str, ...]
    unseen: tuple[str, ...]

    def as_dict(self) -> PredictionFields:
        return {
            "kind": self.kind.name,
            "model_version": self.model_version,
            "trained_on": self.trained_on,
            "target": self.kind.target,
            "prediction": self.value,
            "low": self.low,
            "high": self.high,
            "interval_level": self.level,
            "missing": list(self.missing),
            "unseen": list(self.unseen),
        }


def predict_features(kind: ModelKind, features: Mapping[str, Any]) -> Prediction:
    """Predict one row; a Refusal says when no champion can serve.

    Raises
    ------
    UnusableFeatures
        For a name that is no input, and a value that is out of its range or of the wrong type.
    """
    row = read_features(kind, features)
    loaded = _champion(kind)
    kind = loaded.kind
    frame = pd.DataFrame({name: [row.get(name, np.nan)] for name in kind.numeric}, dtype=float)
    for name in kind.categorical:
        frame[name] = pd.Series([row.get(name)], dtype=object)
    prediction = loaded.predict(frame)
    low = high = level = None
    if loaded.interval is not None:
        low, high = (float(bound[0]) for bound in loaded.interval.bounds(prediction))
        level = loaded.interval.level
    known = loaded.metadata["categories"]
    return Prediction(
        kind=kind,
        model_version=loaded.version,
        trained_on=loaded.trained_on,
        value=float(prediction[0]),
        low=low,
        high=high,
        level=level,
        missing=tuple(name for name in kind.features if name not in row),
        unseen=tuple(
            name for name in kind.categorical if name in row and row[name] not in known[name]
        ),
    )


def read_features(kind: ModelKind, features: Mapping[str, Any]) -> dict[str, float | str]:
    """Return the inputs that are given, by their names here; null is not given."""
    names = {camel_case(name): name for name in kind.features} | {n: n for n in kind.features}
    ranges = {one.name: (one.minimum, one.maximum) for one in kind.quality(Recipe()).features}
    row: dict[str, float | str] = {}
    for given, value in features.items():
        name = names.get(given)
        if name is None:
            raise UnusableFeatures(
                f"{given!r} is no input of {kind.name}; expected {', '.join(kind.features)}."
            )
        if value is None:
            continue
        if name in row:
            raise UnusableFeatures(f"{name} is given twice, by both of its names.")
        if name in kind.categorical:
            if not isinstance(value, str) or not value:
                raise UnusableFeatures(f"{given} is {value!r}; expected a name, or null.")
            row[name] = value
        else:
            row[name] = _number(given, value, *ranges[name])
    return row


def _number(name: str, value: Any, minimum: float | None, maximum: float | None) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    low = -np.inf if minimum is None else minimum
    high = np.inf if maximum is None else maximum
    # json reads NaN and Infinity, which no range admits.
    if not is_number or not np.isfinite(value) or not low <= value <= high:
        limits = f"from {low:g}" + (f" to {high:g}" if np.isfinite(high) else " up")
        raise UnusableFeatures(f"{name} is {value!r}; expected a number {limits}, or null.")
    return float(value)


def _champion(kind: ModelKind) -> LoadedModel:
    champion = champion_of(kind.name)
    if champion is None:
        raise Refusal(
            f"{kind.title} has no champion yet, and nothing else predicts it.",
            remedy=f"Run `manage.py train_model --kind {kind.name}` and `manage.py models promote "
            f"VERSION --kind {kind.name}`.",
        )
    try:
        return load_cached(champion)
    except ArtifactCorrupt as error:
        raise Refusal(
            f"Champion {champion.version} of {kind.name} cannot be used: {error.message}",
            remedy=error.remedy,
        ) from error
