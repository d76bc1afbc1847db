"""Predicting with the champion of a kind whose inputs are given by name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.refusal import Refusal
from project.storage.failures import ArtifactCorrupt, StoreAway, StoreRefused
from training.domain.foreign_csv import camel_case
from training.domain.kind import ModelKind, Recipe
from training.queries.group_means import means_of
from training.queries.loading import LoadedModel, load_cached
from training.queries.models import champion_of
from training.queries.scoring import UnusableFeatures

FloatArray = npt.NDArray[np.float64]


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


@dataclass(frozen=True)
class Predictions:
    """What is said of several rows, by whom, and why by no model where none answers.

    Attributes
    ----------
    served_by : model, baseline (means of groups of the feedback that is here) or nothing.
    model_version, trained_on : of the model; of a baseline the origin of its rows.
    warning : why no model answers; empty where one does.
    value : shape (n_rows,), in the unit of the target; NaN where nothing answers.
    low, high, level : bounds, shape (n_rows,), that hold about the share `level` of new targets;
        NaN and None where there are none.
    missing, unseen : of each row, as of a `Prediction`.
    """

    kind: ModelKind
    served_by: str
    model_version: int | None
    trained_on: str | None
    warning: str
    value: FloatArray
    low: FloatArray
    high: FloatArray
    level: float | None
    missing: tuple[tuple[str, ...], ...]
    unseen: tuple[tuple[str, ...], ...]


def predict_features(kind: ModelKind, features: Mapping[str, Any]) -> Prediction:
    """Predict one row; a Refusal says when no champion can serve.

    Raises
    ------
    UnusableFeatures
        For a name that is no input, and a value that is out of its range or of the wrong type.
    """
    row = read_features(kind, features)
    found = _by_model(_champion(kind), [row])
    low = high = None
    if found.level is not None:
        low, high = float(found.low[0]), float(found.high[0])
    return Prediction(
        kind=found.kind,
        model_version=found.model_version or 0,
        trained_on=found.trained_on or "",
        value=float(found.value[0]),
        low=low,
        high=high,
        level=found.level,
        missing=found.missing[0],
        unseen=found.unseen[0],
    )


def predict_rows(kind: ModelKind, rows: Sequence[Mapping[str, Any]]) -> Predictions:
    """Predict rows of a kind of feedback by its champion, else by the means of groups.

    Raises
    ------
    UnusableFeatures
        As for one row; it says which row it is, from 0.
    """
    read = []
    for place, given in enumerate(rows):
        try:
            read.append(read_features(kind, given))
        except UnusableFeatures as error:
            raise UnusableRow(place, str(error)) from error
    try:
        loaded = _champion(kind)
    except Refusal as refusal:
        return _by_means(kind, read, refusal.message)
    return _by_model(loaded, read)


class UnusableRow(UnusableFeatures):
    """One of several rows that cannot be predicted: its place, from 0, and why."""

    def __init__(self, place: int, said: str) -> None:
        super().__init__(said)
        self.place = place


def _by_model(loaded: LoadedModel, rows: Sequence[Mapping[str, float | str]]) -> Predictions:
    kind = loaded.kind
    value = loaded.predict(_frame(rows, kind.numeric, kind.categorical))
    low = high = np.full(len(rows), np.nan)
    if loaded.interval is not None:
        low, high = loaded.interval.bounds(value)
    return Predictions(
        kind=kind,
        served_by="model",
        model_version=loaded.version,
        trained_on=loaded.trained_on,
        warning="",
        value=value,
        low=low,
        high=high,
        level=None if loaded.interval is None else loaded.interval.level,
        missing=_missing(kind, rows),
        unseen=_unseen(kind, rows, loaded.metadata["categories"]),
    )


def _by_means(kind: ModelKind, rows: Sequence[Mapping[str, float | str]], why: str) -> Predictions:
    known = means_of(kind)
    value = low = high = np.full(len(rows), np.nan)
    if known is not None:
        why += f" The means of the newest {known.count:,} {known.origin} ratings answer."
        value = known.predict(_frame(rows, (), known.columns))
        low, high = known.interval.bounds(value)
    else:
        why += " Nor is there any feedback whose means could answer."
    return Predictions(
        kind=kind,
        served_by="nothing" if known is None else "baseline",
        model_version=None,
        trained_on=None if known is None else known.origin,
        warning=why,
        value=value,
        low=low,
        high=high,
        level=None if known is None else known.interval.level,
        missing=_missing(kind, rows),
        unseen=_unseen(kind, rows, {} if known is None else known.categories),
    )


def _frame(
    rows: Sequence[Mapping[str, float | str]], numeric: Sequence[str], texts: Sequence[str]
) -> pd.DataFrame:
    frame = pd.DataFrame(
        {name: [row.get(name, np.nan) for row in rows] for name in numeric}, dtype=float
    )
    for name in texts:
        frame[name] = pd.Series([row.get(name) for row in rows], dtype=object)
    return frame


def _missing(
    kind: ModelKind, rows: Sequence[Mapping[str, float | str]]
) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(name for name in kind.features if name not in row) for row in rows)


def _unseen(
    kind: ModelKind,
    rows: Sequence[Mapping[str, float | str]],
    known: Mapping[str, Collection[Any]],
) -> tuple[tuple[str, ...], ...]:
    asked = {name: frozenset(known[name]) for name in kind.categorical if name in known}
    return tuple(
        tuple(name for name, seen in asked.items() if name in row and row[name] not in seen)
        for row in rows
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
    except (StoreAway, StoreRefused):
        raise
    except ArtifactCorrupt as error:
        raise Refusal(
            f"Champion {champion.version} of {kind.name} cannot be used: {error.message}",
            remedy=error.remedy,
        ) from error
