"""The figures of a score on labelled rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from project.measure.calibration import CalibrationBin
from project.measure.intervals import Metric, json_number
from project.measure.jackknife import Clusters
from project.measure.scores import measure_scores
from training.domain.tasks.base import ReportFields

HISTOGRAM_BINS = 20
COVERED_LOW, COVERED_HIGH = 0.30, 0.70  # the range that production scores are expected to use


@dataclass(frozen=True)
class ClassificationReport:
    """What a score is worth on labelled rows."""

    rows: int
    label_share: float
    metrics: dict[str, Metric]
    calibration: tuple[CalibrationBin, ...]
    histogram: tuple[int, ...]
    spread: dict[str, float | None]

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def as_dict(self) -> ReportFields:
        return {
            "rows": self.rows,
            "label_share": json_number(self.label_share),
            **{name: metric.as_dict() for name, metric in self.metrics.items()},
            "calibration": list(self.calibration),
            "score_histogram": list(self.histogram),
            "score_spread": self.spread,
        }


def evaluate_classifier(
    label: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    clusters: Clusters | None = None,
    threshold: float = 0.5,
) -> ClassificationReport:
    """Measure a probability against labels; see `project.measure.scores.measure_scores`."""
    measured = measure_scores(label, score, clusters=clusters, threshold=threshold)
    scores = np.asarray(score, dtype=np.float64)
    return ClassificationReport(
        rows=len(scores),
        label_share=float(np.asarray(label, dtype=np.float64).mean()),
        metrics=measured.metrics,
        calibration=measured.calibration,
        histogram=tuple(count_scores(scores)),
        spread=score_spread(scores),
    )


def count_scores(score: npt.NDArray[np.float64]) -> list[int]:
    """Count scores of shape (n_rows,), in [0, 1], in each of HISTOGRAM_BINS equal bins."""
    return [int(n) for n in np.histogram(score, HISTOGRAM_BINS, (0.0, 1.0))[0]]


def score_spread(score: npt.ArrayLike) -> dict[str, float | None]:
    """How much scores vary.

    Parameters
    ----------
    score : array of shape (n_rows,), in [0, 1], not empty.

    Returns
    -------
    dict
        min, max, p05, p95; width_05_95; most_frequent_share, the share of rows with the most
        frequent score rounded to 3 places; coverage_030_070, the part of [0.30, 0.70] that lies
        between the 1st and the 99th percentile.
    """
    scores = np.asarray(score, dtype=np.float64)
    p01, p05, p95, p99 = np.quantile(scores, [0.01, 0.05, 0.95, 0.99])
    rounded = np.bincount(np.rint(scores * 1000).astype(np.int64))
    covered = max(0.0, min(p99, COVERED_HIGH) - max(p01, COVERED_LOW))
    return {
        "min": float(scores.min()),
        "max": float(scores.max()),
        "p05": float(p05),
        "p95": float(p95),
        "width_05_95": float(p95 - p05),
        "most_frequent_share": float(rounded.max() / len(scores)),
        "coverage_030_070": float(covered / (COVERED_HIGH - COVERED_LOW)),
    }
