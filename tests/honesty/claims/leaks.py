"""Leaks of ordinary size: what is named, and what is not.

Honest data are the generator's own, as whoever tries Seedbed meets them, and dates of a world made
here: many likenesses that say a little each, askers and partners with effects of their own. The
leak is a rating in five steps that was given after the date, in the place of the interest score.
"""

from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from matching.domain.features.compute import compute_features
from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY, PRODUCTS
from matching.domain.features.rules import rule_score
from matching.domain.outcomes import draw_outcomes, personal_effects
from matching.domain.pairing import find_candidates, sample_pairs
from matching.domain.travellers import Travellers, Vocabulary
from tests.honesty.claim import Claim
from tests.matching.drawn import draw_travellers
from training.domain.kind import LoadedRows, ModelKind, Recipe
from training.domain.match_quality import match_quality_spec
from training.domain.suspicion import check_inputs

BoolArray = npt.NDArray[np.bool_]

SECTION = "4. Leaks of ordinary size"
BASE = tuple(name for name in FEATURE_NAMES if name not in {*GROUP_ONLY, *PRODUCTS})
LEAKED, HONEST = "interest_score", "age_score"
STEPS = (-1.2, -0.4, 0.4, 1.2)  # of what is felt, between the five ratings
EVEN = 0.1  # what one standard deviation of each likeness adds to the logit
ONE = 0.46  # the same of the one that counts where only one does: a ROC-AUC of .62
EFFECT = 0.4  # standard deviation of what askers, and partners, add to the logit


def _no_rows(recipe: Recipe) -> LoadedRows:
    raise NotImplementedError


def _score_by_rules(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    values = rows.reindex(columns=list(FEATURE_NAMES)).to_numpy(dtype=np.float64)
    return {"rule_score": rule_score(values, rows["match_type"].to_numpy())}


# Match compatibility, without the records that its rows come from.
KIND = ModelKind(
    name="dates",
    title="Dates",
    task="classification",
    numeric=FEATURE_NAMES,
    target="label",
    quality=lambda recipe: match_quality_spec("smooth-1"),
    load=_no_rows,
    splits={},
    default_split="",
    file_stem="dates",
    baselines=_score_by_rules,
    clusters=("user_id", "partner_id"),
)


@lru_cache(4)
def _travellers(people: int, seed: int) -> Travellers:
    frame, _ = draw_travellers(people, seed, date(2026, 1, 1))
    return Travellers.from_frame(frame, Vocabulary.of(frame))


def generated_rows(
    rows: int, seed: int, preset: str = "balanced", feature_set: str = "smooth-1"
) -> pd.DataFrame:
    """Pairs and outcomes by the generator's pure functions, of 200 users or more."""
    people = _travellers(max(200, rows // 5), seed)
    pairs = sample_pairs(find_candidates(people), rows, seed, 0, chunk_rows=rows)
    index = {"left_index": pairs.left, "right_index": pairs.right}
    values = compute_features(people, people, **index).values
    user = people.user_id[pairs.left] + 1
    rng = np.random.default_rng(seed)
    drawn = draw_outcomes(values, "user_user", preset, personal_effects(seed, user), rng)
    if feature_set != "smooth-1":
        values = compute_features(people, people, feature_set, **index).values
    return pd.DataFrame(values, columns=list(FEATURE_NAMES)).assign(
        label=np.asarray(drawn.label).astype(np.int64),
        user_id=user,
        partner_id=people.user_id[pairs.right] + 1,
        match_type="user_user",
    )


def draw_dates(
    rng: np.random.Generator, rows: int, *, leak: float | None = None, one: bool = False
) -> pd.DataFrame:
    """Draw who said yes to whom; a fifth of each likeness is brought along by the two people.

    Parameters
    ----------
    leak : ROC-AUC of a rating given afterwards, before it is put into five steps; None: none is.
    one : whether one likeness alone counts, and truly has .62.
    """
    people = max(20, rows // 8)
    asker, partner = rng.integers(0, people, (2, rows))
    likeness = np.sqrt(0.8) * rng.standard_normal((rows, len(BASE)))
    for side in (asker, partner):
        likeness += np.sqrt(0.1) * rng.standard_normal((people, len(BASE)))[side]
    weight = ONE * (np.array(BASE) == HONEST) if one else np.full(len(BASE), EVEN)
    effect = EFFECT * sum(rng.standard_normal(people)[side] for side in (asker, partner))
    label = (rng.random(rows) < expit(likeness @ weight - 0.2 + effect)).astype(np.int64)
    frame = pd.DataFrame(norm.cdf(likeness), columns=list(BASE))
    if leak is not None:
        # Two normals of one width, so far apart, have that ROC-AUC.
        felt = np.sqrt(2) * norm.ppf(leak) * (label - 0.5) + rng.standard_normal(rows)
        frame[LEAKED] = np.digitize(felt, STEPS) / len(STEPS)
    for name, (left, right) in PRODUCTS.items():
        frame[name] = frame[left] * frame[right]
    return frame.assign(label=label, user_id=asker, partner_id=partner, match_type="user_user")


def _named(frame: pd.DataFrame) -> set[str]:
    checks = check_inputs(KIND, frame)
    return {check.name.partition(":")[2] for check in checks if check.verdict != "pass"}


def names_generated(
    rng: np.random.Generator, repetitions: int, rows: int, preset: str
) -> BoolArray:
    """Whether an input of generated rows is named, by draw."""
    seeds = rng.integers(0, 2**31, repetitions)
    return np.array([bool(_named(generated_rows(rows, int(one), preset))) for one in seeds])


def names_honest(rng: np.random.Generator, repetitions: int, rows: int, one: bool) -> BoolArray:
    """Whether an input of honest dates is named, by draw."""
    return np.array([bool(_named(draw_dates(rng, rows, one=one))) for _ in range(repetitions)])


def names_the_leak(rng: np.random.Generator, repetitions: int, rows: int, leak: float) -> BoolArray:
    """Whether the rating is named, by draw."""
    return np.array(
        [LEAKED in _named(draw_dates(rng, rows, leak=leak)) for _ in range(repetitions)]
    )


def names_beside_the_leak(
    rng: np.random.Generator, repetitions: int, rows: int, leak: float
) -> BoolArray:
    """Whether an honest input is named beside the rating, by draw."""
    return np.array(
        [bool(_named(draw_dates(rng, rows, leak=leak)) - {LEAKED}) for _ in range(repetitions)]
    )


CLAIMS = [
    *(
        Claim(
            SECTION,
            f"generated data named, preset {preset}, {rows:,} rows",
            names_generated,
            {"rows": rows, "preset": preset},
            None,
            0.05,
            100 if rows < 2_000 else 40,
            short if preset == "balanced" else 0,
        )
        for preset in ("balanced", "strict", "loose")
        for rows, short in ((300, 4), (1_000, 3), (2_000, 0))
    ),
    *(
        Claim(
            SECTION,
            f"honest dates named, many likenesses, {rows:,} rows",
            names_honest,
            {"rows": rows, "one": False},
            None,
            0.05,
            600 if rows < 2_000 else 300,
            short,
        )
        for rows, short in ((300, 30), (2_000, 15))
    ),
    *(
        Claim(
            SECTION,
            f"honest dates named, one likeness of .62, {rows:,} rows",
            names_honest,
            {"rows": rows, "one": True},
            None,
            high,
            600 if rows < 2_000 else 300,
            short,
        )
        for rows, high, short in ((300, 0.13, 30), (2_000, 0.05, 15))
    ),
    *(
        Claim(
            SECTION,
            f"rating of {leak} after the date named, {rows:,} rows",
            names_the_leak,
            {"rows": rows, "leak": leak},
            low,
            None,
            600 if rows < 2_000 else 300,
            short,
        )
        for leak, rows, low, short in (
            (0.75, 300, 0.8, 30),
            (0.75, 2_000, 0.97, 20),
            (0.85, 300, 0.97, 30),
        )
    ),
    Claim(
        SECTION,
        "honest inputs named beside a rating of 0.75, 2,000 rows",
        names_beside_the_leak,
        {"rows": 2_000, "leak": 0.75},
        None,
        0.05,
        300,
        10,
    ),
]
