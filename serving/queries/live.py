"""How the answers of a model turned out: over what was shown, and of which it is known."""

from typing import Final, TypedDict

import numpy as np

from matching.domain.words import Outcome
from matching.queries.identity import present_names
from project import words
from project.bulk import read_arrow
from project.measure.calibration import CalibrationBin
from project.measure.intervals import MetricFields
from project.measure.jackknife import Clusters
from project.measure.paired import PairedFields, paired_difference
from project.measure.scores import measure_scores

MOST_ROWS: Final = 50_000  # the newest ones; intervals of more are no narrower than the people
FEWEST_ROWS: Final = 30
METRICS: Final = ("roc_auc", "brier", "ece", "ece_by_chance")
SHOWN_ONLY: Final = (
    "Over pairs that were shown and of which it is known what came: how well the model tells apart "
    "those whom nobody was shown cannot be seen here."
)


class LiveFields(TypedDict):
    """Figures of what a model version answered; None where there is too little.

    `lift` is the ROC-AUC of the answers less that of the rule score on the same pairs.
    """

    model_version: int
    rows: int
    people: int
    positives: int
    by_event: int
    metrics: dict[str, MetricFields]
    lift: PairedFields | None
    calibration: list[CalibrationBin]
    too_little: str
    caveat: str


def live_versions() -> list[int]:
    """Return the model versions of which it is known what came, the newest first."""
    table = read_arrow(
        "SELECT DISTINCT model_version FROM serving_scoredpair "
        "WHERE outcome IS NOT NULL AND model_version IS NOT NULL ORDER BY 1 DESC"
    )
    return [int(version) for version in table.column(0).to_pylist()]


def live_figures(version: int) -> LiveFields:
    """Measure what a model version answered against what came of it.

    Rows of one person go together, and so do those about one partner: intervals hold for new ones.
    """
    table = read_arrow(
        "SELECT left_id, right_id, score, rule_score, outcome, told_by FROM serving_scoredpair "
        "WHERE model_version = %s AND outcome IS NOT NULL AND score IS NOT NULL "
        "AND rule_score IS NOT NULL ORDER BY at DESC LIMIT %s",
        [version, MOST_ROWS],
    )
    outcome = table.column("outcome").to_numpy()
    label = np.isin(outcome, [one.code for one in Outcome if one.label]).astype(np.float64)
    score, rule = (
        np.clip(table.column(name).to_numpy().astype(np.float64), 0.0, 1.0)
        for name in ("score", "rule_score")
    )
    left, right = _names(table.column("left_id").to_pylist(), table.column("right_id").to_pylist())
    figures: LiveFields = {
        "model_version": version,
        "rows": len(label),
        "people": len(set(left)),
        "positives": int(label.sum()),
        "by_event": int((table.column("told_by").to_numpy() == 2).sum()),
        "metrics": {},
        "lift": None,
        "calibration": [],
        "too_little": _too_little(label),
        "caveat": SHOWN_ONLY,
    }
    if not figures["too_little"]:
        clusters = Clusters.of(left, right)
        measured = measure_scores(label, score, clusters=clusters)
        figures["metrics"] = {name: measured[name].as_dict() for name in METRICS}
        figures["calibration"] = [*measured.calibration]
        lift = paired_difference(score, rule, label, "roc_auc", clusters=clusters)
        figures["lift"] = lift.as_dict()
    return figures


def _too_little(label: "np.typing.NDArray[np.float64]") -> str:
    if len(label) < FEWEST_ROWS:
        return (
            f"{words.tally(len(label), 'outcome')} {words.bend(len(label), 'is', 'are')} "
            f"known; {FEWEST_ROWS} are needed for a figure."
        )
    if label.min() == label.max():
        return "All known outcomes are alike; both kinds are needed for a figure."
    return ""


def _names(*columns: list[str]) -> list[list[str]]:
    """Name everybody by the present name; who is not named stands for themselves."""
    former = present_names(name for given in columns for name in given)
    return [
        [former.get(name, name) or f"\0{place}" for place, name in enumerate(given)]
        for given in columns
    ]
