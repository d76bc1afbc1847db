"""A log through the whole pipeline: split, fit and gates, as training runs them.

Askers and partners have effects of their own, and inputs bring along what their people are, as an
age does. What is accepted is what no gate refuses. Nothing of the model's own figures is asked: the
world is known, and in it the inputs say nothing, or one of them says so much.
"""

from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.features.rules import linear_weights, rule_score
from tests.honesty.claim import Claim
from tests.honesty.worlds import blurred, draw_pairs
from training.domain.expectations import QualitySpec
from training.domain.fitted import FitSettings
from training.domain.kind import LoadedRows, ModelKind, Recipe, SplitColumns
from training.domain.splits import split_rows
from training.domain.tasks import get_task
from training.domain.tasks.base import Evidence, GateReport

FloatArray = npt.NDArray[np.float64]

SECTION: Final = "3. Intervals that hold"
SLOPE_OF_70: Final = 1.08  # of the number: its ROC-AUC about fresh people is .70, by `true_auc`


def _no_rows(recipe: Recipe) -> LoadedRows:
    raise NotImplementedError


def _no_quality(recipe: Recipe) -> QualitySpec:
    raise NotImplementedError


# Answers of people about people, as a log from elsewhere has them; nothing is known beforehand.
ANSWERS: Final = ModelKind(
    name="answers",
    title="Answers",
    task="classification",
    numeric=("number", "second", "third"),
    target="label",
    quality=_no_quality,
    load=_no_rows,
    splits={
        "time": SplitColumns("time"),
        "user": SplitColumns("user", ("user_id",), partner="partner_id"),
    },
    default_split="time",
    file_stem="answers_model",
    clusters=("user_id", "partner_id"),
)
# The truth is one number.
ONE_NUMBER: Final = replace(ANSWERS, numeric=("number",))


def _rules(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, FloatArray]:
    return {"rule_score": rule_score(rows[list(FEATURE_NAMES)].to_numpy(), "user_user")}


def _weights(train: pd.DataFrame) -> FloatArray:
    return linear_weights(np.array(["user_user"]))


# Thirteen inputs of a match, with the rules as first candidate and as baseline.
RULED: Final = replace(
    ANSWERS,
    numeric=FEATURE_NAMES,
    monotone=FEATURE_NAMES,
    baselines=_rules,
    rule_weights=_weights,
)


@dataclass(frozen=True)
class Layout:
    """So many askers, the partners that each of them meets out of all, and the share held out."""

    askers: int
    each: int
    partners: int
    train_share: float


# By validation rows.
LAYOUTS: Final = {
    60: Layout(60, 5, 40, 0.8),
    200: Layout(100, 10, 80, 0.8),
    1_000: Layout(200, 15, 120, 2 / 3),
}


def draw_log(
    rng: np.random.Generator, kind: ModelKind, layout: Layout, slope: float
) -> pd.DataFrame:
    """Draw a log whose labels hang on its first input by the slope; the others say nothing."""
    pairs = draw_pairs(rng, layout.askers, layout.partners, each=layout.each, slope=slope)
    inputs = {name: blurred(rng, pairs, 1.0) - pairs.number for name in kind.numeric}
    inputs[kind.numeric[0]] = pairs.number
    days = rng.uniform(0, 90 * 24 * 60, len(pairs.label))
    return pd.DataFrame(
        {
            # The rules read numbers from 0 to 1; to a model of one input it is the same order.
            **{name: ndtr(values / values.std()) for name, values in inputs.items()},
            "label": pairs.label.astype(np.float64),
            "user_id": pairs.asker,
            "partner_id": layout.askers + pairs.partner,
            "occurred_at": np.datetime64("2026-01-01") + (days * 60).astype("timedelta64[s]"),
        }
    )


def train(kind: ModelKind, frame: pd.DataFrame, how: str, share: float) -> GateReport:
    """Split, fit and gate as the jobs do."""
    columns = kind.splits[how]
    split = split_rows(
        frame,
        columns.rule,
        seed=0,
        train_share=share,
        time_column=columns.time,
        group_columns=columns.groups,
        partner_column=columns.partner,
        copy_columns=kind.features,
    )
    kind = kind.held_out_by(how)
    rows, validation = frame[split.train], frame[split.validation]
    settings = FitSettings(
        0, kind.categorical, kind.monotone, kind.target_range, kind.rule_weights(rows)
    )
    task, known, asked = get_task(kind.task), kind.rows(rows), kind.rows(validation)
    fitted = task.fit(kind.inputs(rows), known.target, settings, known.groups)
    prediction = kind.predict(fitted.estimator, validation)
    evidence = Evidence(
        task.measure(asked, prediction),
        fitted.calibration,
        float(known.target.mean()),
        kind.baselines(rows, validation),
        {},
    )
    return task.gate(asked, prediction, evidence)


def accepted(
    rng: np.random.Generator, n: int, kind: ModelKind, rows: int, slope: float = 0.0
) -> list[bool]:
    """Whether no gate refuses the model of a log; under each of the kind's splits in turn."""
    layout, found = LAYOUTS[rows], []
    for _, how in zip(range(n), cycle(kind.splits), strict=False):
        frame = draw_log(rng, kind, layout, slope)
        found.append(train(kind, frame, how, layout.train_share).verdict != "refuse")
    return found


def refused(
    rng: np.random.Generator, n: int, kind: ModelKind, rows: int, slope: float
) -> list[bool]:
    """Whether a gate refuses it."""
    return [not each for each in accepted(rng, n, kind, rows, slope)]


CLAIMS: list[Claim] = [
    *(
        Claim(
            SECTION,
            f"noise accepted by all gates, {rows:,} validation rows by time or by user",
            accepted,
            {"kind": ANSWERS, "rows": rows},
            None,
            0.035,
            300,
            4 if rows == 60 else 0,
        )
        for rows in LAYOUTS
    ),
    Claim(
        SECTION,
        "noise accepted by all gates, 200 validation rows, thirteen inputs and the rules",
        accepted,
        {"kind": RULED, "rows": 200},
        None,
        0.035,
        150,
        0,
    ),
    Claim(
        SECTION,
        "models of an expected ROC-AUC of .70 refused, 200 validation rows by time or by user",
        refused,
        {"kind": ONE_NUMBER, "rows": 200, "slope": SLOPE_OF_70},
        None,
        0.05,
        300,
        4,
    ),
]
