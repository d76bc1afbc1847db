"""What the live model's training saw, for what is served now to be held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain.words import FeatureSet
from project.refusal import Refusal
from serving.domain.watching import SAME_SCORE, coincidence_of
from training.models import ModelVersion
from training.queries.datasets import read_part
from training.queries.loading import LoadedModel

MOST_ROWS: Final = 20_000  # of the validation rows, for how often two of them score alike


@dataclass(frozen=True)
class TrainingFacts:
    """What is known of training without reading its rows.

    Attributes
    ----------
    version : of the model.
    missing : share of the rows of its dataset that lack each input, over those to which it applies.
    histogram : validation rows in equal bins of the score from 0 to 1; empty of models of before.
    """

    version: int
    missing: Mapping[str, float]
    histogram: tuple[int, ...]


def facts_of(model: ModelVersion) -> TrainingFacts:
    """Return what the records of a model and its dataset say.

    Where the formulas write a number for a missing input, the rows that hold it count as missing.
    """
    features: dict[str, dict[str, float | None]] = model.dataset.report.get("features", {})
    has_gaps = model.dataset.feature_set == FeatureSet.SMOOTH
    shares = {
        name: (told.get("missing_share") or 0.0)
        + (0.0 if has_gaps else told.get("default_share") or 0.0)
        for name, told in features.items()
        if name in model.inputs and told.get("missing_share") is not None
    }
    counts = model.curves.get("histogram", {}).get("counts", {})
    bins = np.sum([*counts.values()], axis=0).tolist() if counts else []
    return TrainingFacts(model.version, shares, tuple(bins))


def coincidence_in_training(model: ModelVersion, loaded: LoadedModel) -> float:
    """Return how often two validation rows have one score; from the histogram where the rows are
    gone."""
    try:
        frame = read_part(model.dataset, "val")
    except Refusal:
        return _by_histogram(facts_of(model).histogram)
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    absent = [name for name in loaded.kind.features if name not in frame]
    return coincidence_of(loaded.predict(frame.assign(**dict.fromkeys(absent, np.nan))))


def _by_histogram(bins: tuple[int, ...]) -> float:
    counts: npt.NDArray[np.float64] = np.asarray(bins, dtype=np.float64)
    if not counts.sum():
        return 0.0
    shares = counts / counts.sum()
    return min(1.0, float((shares**2).sum()) * 2.0 * SAME_SCORE * len(counts))
