"""Three fits of one recipe: real rows alone, synthetic rows alone, and both.

A mixture is worth having only where it serves real people better than their own rows do. So all
three are held to the same real validation rows, and the mixture stays only where the interval of
its gain excludes zero.
"""

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.intervals import MetricFields
from project.measure.paired import PairedFields, metric_influence
from project.origin import Origin
from training.domain.fitted import Candidate, FitError, FitSettings, FittedModel
from training.domain.fitting.choice import CHOICE_ROWS, SEED_LIMIT, choose, draw_rows, make_folds
from training.domain.kind import ModelKind
from training.domain.tasks import get_task
from training.domain.tasks.base import compare, say_interval

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

# Share of the synthetic rows that takes part: the weight of each of them, in expectation. 0 is
# the first, so that a weight has to be better than none by a standard error.
WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0)
FOLDS = 3


class OriginsFields(TypedDict):
    """What a model keeps of its three fits.

    alone : real, synthetic and combined to the primary metric on the real validation rows; None
        where there was no such fit.
    synthetic_against_real, combined_against_real : paired differences on those rows (training on
        synthetic rows and testing on real ones, TSTR, against training on real ones, TRTR).
    """

    metric: str
    real_rows: int
    synthetic_rows: int
    weight: float
    weights: list[Candidate]
    alone: dict[str, MetricFields | None]
    synthetic_against_real: PairedFields | None
    combined_against_real: PairedFields | None
    kept: str
    why: str


@dataclass(frozen=True)
class FittedOrigins:
    """The fit that stays, the one on real rows alone, and what was found.

    Attributes
    ----------
    kept, real : fitted models; the same one where the mixture was not worth having.
    origin : of the rows that the kept one learnt from.
    synthetic_rows : synthetic rows among them.
    found : the figures behind it.
    """

    kept: FittedModel
    real: FittedModel
    origin: Origin
    synthetic_rows: int
    found: OriginsFields


def fit_origins(
    kind: ModelKind,
    train: pd.DataFrame,
    is_real: BoolArray,
    validation: pd.DataFrame,
    settings: FitSettings,
) -> FittedOrigins:
    """Fit real rows alone, synthetic rows alone and both; keep both only where that is better.

    Parameters
    ----------
    kind : as it is measured under the split.
    train : training rows of both origins, `is_real` says which are real.
    validation : real rows that were held out.

    Raises
    ------
    FitError
        Where the real rows alone cannot be fitted.
    """
    task, metric = get_task(kind.task), kind.figures.primary_metric
    real, synthetic = train[is_real], train[~is_real]
    fits: dict[str, FittedModel | None] = {"real": _fit(kind, real, settings)}
    try:
        fits["synthetic"] = _fit(kind, synthetic, settings)
    except FitError:
        fits["synthetic"] = None
    # More of them could not be told from so many by cross-validation.
    lot = np.random.default_rng([settings.seed, 3])
    pool = synthetic.iloc[draw_rows(len(synthetic), CHOICE_ROWS, lot)]
    weight, table = choose_weight(kind, real, pool, settings)
    beside = _drawn(pool, weight, settings.seed)
    fits["combined"] = _fit(kind, real, settings, beside) if len(beside) else None

    rows = kind.rows(validation)
    predictions = {
        name: kind.predict(fitted.estimator, validation)
        for name, fitted in fits.items()
        if fitted is not None
    }
    alone = {
        name: task.measure(rows, predictions[name])[metric].as_dict()
        if name in predictions
        else None
        for name in fits
    }
    against = {
        name: compare(task.paired_metric, rows, predictions[name], predictions["real"])
        for name in ("synthetic", "combined")
        if name in predictions
    }
    gain = against.get("combined")
    is_better = gain is not None and gain.verdict == "better"
    if is_better and gain is not None:
        why = f"The mixture is better than real rows alone by {say_interval(gain)}: it stays."
    elif gain is not None:
        why = (
            f"The mixture differs from real rows alone by {say_interval(gain)} on {len(rows):,} "
            "real validation rows, which proves no gain: this is the model of the real rows alone."
        )
    else:
        why = (
            "Cross-validation inside the real training rows gave synthetic rows the weight 0: this "
            "is the model of the real rows alone."
        )
    kept = fits["combined"] if is_better else fits["real"]
    assert kept is not None  # noqa: S101 - for the types: real rows were fitted
    assert fits["real"] is not None  # noqa: S101
    differences = {name: found.as_dict() for name, found in against.items() if found is not None}
    return FittedOrigins(
        kept=kept,
        real=fits["real"],
        origin=Origin.COMBINED if is_better else Origin.REAL,
        synthetic_rows=len(beside) if is_better else 0,
        found={
            "metric": metric,
            "real_rows": len(real),
            "synthetic_rows": len(synthetic),
            "weight": weight,
            "weights": list(table),
            "alone": alone,
            "synthetic_against_real": differences.get("synthetic"),
            "combined_against_real": differences.get("combined"),
            "kept": "combined" if is_better else "real",
            "why": why,
        },
    )


def choose_weight(
    kind: ModelKind, real: pd.DataFrame, synthetic: pd.DataFrame, settings: FitSettings
) -> tuple[float, tuple[Candidate, ...]]:
    """Choose the weight of synthetic rows by cross-validation inside the real training rows.

    Parameters
    ----------
    real, synthetic : training rows; of more than CHOICE_ROWS real ones so many are drawn, and
        synthetic ones in proportion.

    Returns
    -------
    weight, and a line for each that was tried: its loss on real rows and its difference from 0.
    """
    task = get_task(kind.task)
    rng = np.random.default_rng([settings.seed, 2])
    every = len(real)
    real = real.iloc[draw_rows(every, CHOICE_ROWS, rng)]
    rows = kind.rows(real)
    is_label = task.label_share(rows.target) is not None
    target = rows.target.astype(np.int64) if is_label else rows.target
    fold = make_folds(target, rows.groups, rng, is_label=is_label, wanted=FOLDS)
    losses: dict[str, FloatArray] = {}
    for weight in WEIGHTS:
        beside = _drawn(synthetic, weight * len(real) / every, settings.seed)
        predicted = np.empty(len(real))
        for number in np.unique(fold):
            inside = fold == number
            part = pd.concat([real[~inside], beside], ignore_index=True)
            spare = real[inside]
            model = task.fit_part(
                kind.inputs(part),
                kind.rows(part).target,
                kind.inputs(spare),
                rows.target[inside],
                settings,
            )
            predicted[inside] = task.predict(model, kind.inputs(spare))
        mean, influence = metric_influence(rows.target, predicted, task.loss)
        losses[f"{weight:g}"] = mean + influence
    chosen, table = choose(losses)
    return float(chosen), table


def _fit(
    kind: ModelKind, rows: pd.DataFrame, settings: FitSettings, beside: pd.DataFrame | None = None
) -> FittedModel:
    answers = kind.rows(rows)
    extra: tuple[pd.DataFrame, npt.NDArray[Any]] | None = None
    if beside is not None:
        extra = kind.inputs(beside), kind.rows(beside).target
    return get_task(kind.task).fit(
        kind.inputs(rows), answers.target, settings, answers.groups, extra
    )


def _drawn(synthetic: pd.DataFrame, weight: float, seed: int) -> pd.DataFrame:
    """A share of the synthetic rows by lot, so that each counts as much as its weight."""
    order = np.random.default_rng(seed % SEED_LIMIT).permutation(len(synthetic))
    return synthetic.iloc[np.sort(order[: round(weight * len(synthetic))])]
