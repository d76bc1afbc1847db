"""Synthetic rows never lend their signal to real ones: what a mixture may claim."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from project.origin import Origin
from tests.honesty.claim import Claim
from tests.honesty.worlds import draw_pairs
from training.domain.fitted import FitSettings
from training.domain.measuring import measure_model
from training.domain.mixing.fit import fit_origins
from training.domain.mixing.gates import check_likeness
from training.domain.mixing.likeness import compare_rows
from training.domain.splits import SplitRule, split_mixture
from training.kinds import get_kind

SECTION = "1. No laundering"
INPUTS = ["interest_score", "budget_score", "age_score"]
KIND = get_kind("match_compatibility").reading(INPUTS)
TIMES = 10  # as many synthetic rows as real ones


def draw_frame(
    rng: np.random.Generator, askers: int, each: int, slope: float, first: int = 0
) -> pd.DataFrame:
    """Answers of askers about 60 partners; one of three inputs says something, or none does."""
    pairs = draw_pairs(rng, askers, 60, each=each, slope=slope)
    rows = len(pairs.label)
    return pd.DataFrame(
        {
            "user_id": pairs.asker + first,
            "partner_id": pairs.partner + first + 50_000,
            "occurred_at": rng.permutation(rows),
            "interest_score": norm.cdf(pairs.number),
            "budget_score": rng.random(rows),
            "age_score": rng.random(rows),
            "label": pairs.label.astype(np.int8),
            "match_type": "user_user",
        }
    )


def mixture_is_taken(
    rng: np.random.Generator, n: int, how: SplitRule, slope: float, what: str
) -> npt.NDArray[np.bool_]:
    """Whether a mixture passes its gates (`accepted`) or is kept (`combined`).

    Real rows have this slope; ten times as many synthetic rows have a strong one.
    """
    taken = np.zeros(n, dtype=np.bool_)
    for place in range(n):
        real = draw_frame(rng, 60, 10, slope)
        synthetic = draw_frame(rng, 60 * TIMES, 10, 2.0, first=1_000)
        frame = pd.concat([real, synthetic], ignore_index=True)
        is_real = np.arange(len(frame)) < len(real)
        split = split_mixture(
            frame,
            is_real,
            how,
            seed=place,
            train_share=0.7,
            group_columns=("user_id",) if how == "user" else ("user_id", "partner_id"),
            partner_column="partner_id" if how == "user" else None,
        )
        train, validation = frame[split.train], frame[split.validation]
        of_train = is_real[split.train]
        found = fit_origins(
            KIND, train, of_train, validation, FitSettings(place, (), tuple(INPUTS))
        )
        if what == "combined":
            taken[place] = found.origin is Origin.COMBINED
        else:
            measured = measure_model(KIND, found.kept, train[of_train], validation, place)
            taken[place] = measured.gates.verdict != "refuse"
    return taken


def told_apart(rng: np.random.Generator, n: int, rows: int, shifted: bool) -> npt.NDArray[np.bool_]:
    """Whether two samples of one world are warned of; shifted: by what is said to be noticed."""
    told = np.zeros(n, dtype=np.bool_)
    for place in range(n):
        frame = pd.DataFrame(rng.normal(size=(2 * rows, len(INPUTS))), columns=INPUTS)
        is_real = np.arange(2 * rows) < rows
        if shifted:
            frame.loc[is_real, "age_score"] += detectable(rows)
        found = compare_rows(frame, is_real, INPUTS, [], rng)
        told[place] = check_likeness(found).verdict == "warn"
    return told


def detectable(rows: int) -> float:
    """The shift that a comparison of so many rows says it notices."""
    frame = pd.DataFrame(np.arange(2.0 * rows * len(INPUTS)).reshape(-1, 3), columns=INPUTS)
    is_real = np.arange(2 * rows) < rows
    found = compare_rows(frame, is_real, INPUTS, [], np.random.default_rng(0))["detectable"]
    return float(found or 0.0)


CLAIMS = [
    *(
        Claim(
            SECTION,
            "a real log without signal accepted beside ten times as many synthetic rows with one, "
            f"split by {how}",
            mixture_is_taken,
            {"how": how, "slope": 0.0, "what": "accepted"},
            None,
            0.035,
            40,
            2 if how == "user" else 0,
        )
        for how in ("user", "time", "pair", "random")
    ),
    Claim(
        SECTION,
        "a mixture kept where synthetic rows say of real ones what is not so",
        mixture_is_taken,
        {"how": "user", "slope": 0.0, "what": "combined"},
        None,
        0.035,
        40,
        0,
    ),
    Claim(
        SECTION,
        "a real log with signal (slope 1.2) accepted beside ten times as many synthetic rows",
        mixture_is_taken,
        {"how": "user", "slope": 1.2, "what": "accepted"},
        0.9,
        None,
        40,
        2,
    ),
    *(
        Claim(
            SECTION,
            f"{rows} rows of each origin warned of though they are alike",
            told_apart,
            {"rows": rows, "shifted": False},
            None,
            0.07,
            200,
            10,
        )
        for rows in (200, 1_000)
    ),
    *(
        Claim(
            SECTION,
            f"a shift that {rows} rows are said to let one notice is noticed",
            told_apart,
            {"rows": rows, "shifted": True},
            0.7,
            None,
            200,
            0,
        )
        for rows in (200, 1_000)
    ),
]
