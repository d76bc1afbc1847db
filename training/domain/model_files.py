"""The files of a model's folder: what they are called, and the format of their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

if TYPE_CHECKING:
    from training.domain.checks import CheckFields
    from training.domain.prediction_interval import IntervalFields
    from training.domain.tasks.base import CeilingFields, ReportFields

FEATURES_FILE: Final = "model_features.json"
METADATA_FILE: Final = "model_metadata.json"
# Raised when a pickle of the format before cannot be loaded any more, because what it names has
# moved. Format 1 had no number: those of the first edition, whose classes were ours. From 2 on a
# pickle names scikit-learn, numpy, pandas and the standard library only.
MODEL_FORMAT: Final = 2


class DatasetFields(TypedDict):
    """The dataset of a model, with the digest of each of its files."""

    version: int
    origin: str
    sha256: dict[str, str]


class LearntFields(TypedDict):
    """How many rows of either origin a model learnt from; None of one of before."""

    real_rows: int | None
    synthetic_rows: int | None


class ModelMetadata(TypedDict):
    """What `model_metadata.json` says; what may be absent is not in files of earlier editions."""

    kind: str
    version: int
    created_at: str
    task: str
    target: str
    format: NotRequired[int]
    features: list[str]
    feature_set: str
    feature_revision: NotRequired[int]
    vocabulary: NotRequired[dict[str, Any]]
    reference: dict[str, float | None]
    categories: dict[str, list[str]]
    interval: IntervalFields | None
    dataset: DatasetFields
    origin: NotRequired[str]
    trained_on: NotRequired[LearntFields]
    origins: NotRequired[dict[str, Any]]
    algorithm: str
    parameters: dict[str, Any]
    seed: int
    metrics: dict[str, ReportFields]
    baselines: dict[str, ReportFields | None]
    ceilings: dict[str, CeilingFields | None]
    gates: list[CheckFields]
    verdict: str
    override_reason: str
    libraries: dict[str, str]
