"""Little data: rules plus corrections beside the rules, and beside a fit that knows no rules.

Two worlds. The first is the generator's, as whoever tries Seedbed meets it: its truth resembles the
rules. The second is made here, of other distributions, with effects of people and of partners, and
its truth is not the rules: what they lean on most says nothing, and much of what counts they do not
know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from matching.domain.features.compute import compute_features
from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY
from matching.domain.features.rules import linear_weights, rule_score
from matching.domain.outcomes import draw_outcomes, personal_effects
from matching.domain.pairing import find_candidates, sample_pairs
from matching.domain.travellers import Travellers, Vocabulary
from project.measure.auc import roc_auc
from tests.honesty.claim import Claim
from tests.matching.drawn import draw_travellers
from training.domain.expectations import QualitySpec
from training.domain.fitted import FitSettings, FittedModel
from training.domain.kind import LoadedRows, ModelKind, Recipe
from training.domain.learning.curve import measure_learning
from training.domain.tasks.classification.fit import fit_classifier, fit_part

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

SECTION = "6. Little data: start from the rules"
ROWS = (60, 100, 200, 400, 800)
DRAWS = 24
SHORT_DRAWS = 3
POOL_ROWS = 8_000
TEST_ROWS = 8_000
PEOPLE = 1_500
WORLD_SEED = 20_261_127
TOLERANCE = 0.001  # of a mean ROC-AUC
WORST = 0.006  # below the rules, of any draw


@dataclass(frozen=True)
class World:
    """Rows to draw from, and rows to measure on.

    Attributes
    ----------
    pool, test : inputs with the columns `label` and `user`.
    weights : of the linear rule score, by input.
    rule_auc : ROC-AUC of the rule score on the test rows.
    inputs : names of the inputs; all of them may only raise the score.
    free : those of them that may carry a weight when weights are shuffled.
    """

    pool: pd.DataFrame
    test: pd.DataFrame
    weights: dict[str, float]
    rule_auc: float
    inputs: tuple[str, ...]
    free: tuple[str, ...]

    def measure(self, estimator) -> float:
        score = estimator.predict_proba(self.test[list(self.inputs)])[:, 1]
        return roc_auc(self.test["label"].to_numpy(), score)

    def draw(self, rng: np.random.Generator, rows: int) -> pd.DataFrame:
        return self.pool.iloc[rng.choice(len(self.pool), rows, replace=False)]


def _world(
    frame: pd.DataFrame,
    label: npt.NDArray,
    user: IntArray,
    rules: FloatArray,
    weights: dict[str, float],
    free: tuple[str, ...],
) -> World:
    order = np.random.default_rng(WORLD_SEED).permutation(len(frame))
    test, pool = order[:TEST_ROWS], order[TEST_ROWS:]
    rows = frame.assign(label=label.astype(np.int64), user=user)
    return World(
        pool=rows.iloc[pool],
        test=rows.iloc[test],
        weights=weights,
        rule_auc=roc_auc(label[test], rules[test]),
        inputs=tuple(frame.columns),
        free=free,
    )


@cache
def generated_world() -> World:
    """Pairs and outcomes by the generator's pure functions."""
    count = POOL_ROWS + TEST_ROWS
    people, _ = draw_travellers(PEOPLE, WORLD_SEED, date(2026, 1, 1))
    travellers = Travellers.from_frame(people, Vocabulary.of(people))
    pairs = sample_pairs(find_candidates(travellers), count, WORLD_SEED, 0, chunk_rows=count)
    values = compute_features(
        travellers, travellers, left_index=pairs.left, right_index=pairs.right
    ).values
    user = travellers.user_id[pairs.left] + 1
    effects = personal_effects(WORLD_SEED, user)
    rng = np.random.default_rng(WORLD_SEED)
    label = draw_outcomes(values, "user_user", "balanced", effects, rng).label
    return _world(
        pd.DataFrame(values, columns=list(FEATURE_NAMES)),
        np.asarray(label),
        np.asarray(user),
        rule_score(values, "user_user"),
        linear_weights(np.array(["user_user"])),
        tuple(name for name in FEATURE_NAMES if name not in GROUP_ONLY),
    )


@cache
def other_world() -> World:
    """Eight likenesses; the rules weigh five, half of their weight lies on what says nothing."""
    rng = np.random.default_rng(WORLD_SEED)
    rows, people = POOL_ROWS + TEST_ROWS, 4_000
    names = tuple(f"likeness_{number}" for number in range(8))
    shared = rng.standard_normal((rows, 1))
    normal = 0.9 * rng.standard_normal((rows, 8)) + 0.45 * shared
    values = norm.cdf(normal) ** np.array([1, 2, 0.5, 1, 1.5, 0.7, 1, 1])
    user, partner = rng.integers(0, people, (2, rows))
    effect = 0.7 * rng.standard_t(5, people)[user] + 0.4 * rng.standard_t(5, people)[partner]
    counts = np.array([0, 0, 1.56, 1.04, 0.65, 1.17, 0.78, 0])
    log_odds = (values - 0.5) @ counts + 0.8 * (values[:, 2] > 0.7) - 0.2 + effect
    label = rng.random(rows) < expit(log_odds)
    frame = pd.DataFrame(values, columns=list(names)).mask(rng.random((rows, 8)) < 0.08)
    weights = dict(zip(names, (0.3, 0.2, 0.25, 0.15, 0.1), strict=False))
    known = frame[list(weights)].to_numpy()
    weight = np.array(list(weights.values()))
    rules = np.nansum(known * weight, axis=1) / np.maximum(~np.isnan(known) @ weight, 0.1)
    return _world(frame, label, user, rules, weights, names)


def _fit(world: World, drawn: pd.DataFrame, weights: dict[str, float], seed: int) -> FittedModel:
    return fit_classifier(
        drawn[list(world.inputs)],
        drawn["label"],
        seed=seed,
        monotone=world.inputs,
        rule_weights=weights,
        groups=drawn["user"],
    )


def _shuffled(world: World, rng: np.random.Generator) -> dict[str, float]:
    weights = [world.weights.get(name, 0.0) for name in world.free]
    return dict(zip(world.free, rng.permutation(weights), strict=True))


def beside_the_rules(
    rng: np.random.Generator, repetitions: int, world: Callable[[], World], rows: int
) -> FloatArray:
    """ROC-AUC of the fit minus that of the rule score, by draw."""
    here = world()
    return np.array(
        [
            here.measure(_fit(here, here.draw(rng, rows), here.weights, seed).estimator)
            - here.rule_auc
            for seed in range(repetitions)
        ]
    )


def far_below_the_rules(
    rng: np.random.Generator, repetitions: int, world: Callable[[], World], rows: int
) -> BoolArray:
    """Whether the fit of a draw lies more than WORST below the rule score."""
    return beside_the_rules(rng, repetitions, world, rows) < -WORST


def beside_no_rules(
    rng: np.random.Generator,
    repetitions: int,
    world: Callable[[], World],
    rows: int,
    shuffled: bool = False,
) -> FloatArray:
    """ROC-AUC of the fit minus that of one that knows no rules, by draw."""
    here = world()
    found = []
    for seed in range(repetitions):
        drawn = here.draw(rng, rows)
        weights = _shuffled(here, rng) if shuffled else here.weights
        with_rules, without = (_fit(here, drawn, known, seed) for known in (weights, {}))
        found.append(here.measure(with_rules.estimator) - here.measure(without.estimator))
    return np.array(found)


def _no_rows(recipe: Recipe) -> LoadedRows:
    raise NotImplementedError


def _no_quality(recipe: Recipe) -> QualitySpec:
    raise NotImplementedError


def forecast_holds(
    rng: np.random.Generator, repetitions: int, world: Callable[[], World], rows: int
) -> FloatArray:
    """Whether four times the rows bought what was forecast; NaN where nothing was."""
    here = world()
    names = list(here.inputs)
    kind = ModelKind(
        name="little",
        title="Little",
        task="classification",
        numeric=here.inputs,
        target="label",
        quality=_no_quality,
        load=_no_rows,
        splits={},
        default_split="",
        file_stem="little",
        monotone=here.inputs,
        clusters=("user",),
    )
    found = np.full(repetitions, np.nan)
    for seed in range(repetitions):
        drawn = here.draw(rng, 4 * rows)
        settings = FitSettings(seed, (), here.inputs, None, here.weights)
        spare = here.draw(rng, 1_000)

        def fit(part: pd.DataFrame, settings=settings, spare=spare):
            return fit_part(part[names], part["label"], spare[names], spare["label"], settings)

        validation = here.test.iloc[rng.choice(len(here.test), 1_000, replace=False)]
        few = FittedModel(fit(drawn[:rows]), "", {}, {}, (), rows, rows, rows)
        curve = measure_learning(kind, settings, few, drawn[:rows], validation, {})
        forecast = curve["forecast"]
        if forecast is None:
            continue
        label = validation["label"].to_numpy()
        before, after = (
            roc_auc(label, model.predict_proba(validation[names])[:, 1])
            for model in (few.estimator, fit(drawn))
        )
        found[seed] = forecast["gain_low"] <= after - before <= forecast["gain_high"]
    return found


def _claims() -> list[Claim]:
    found = []
    for world, title in ((generated_world, "generator's pairs"), (other_world, "another truth")):
        for rows in ROWS:
            where = {"world": world, "rows": rows}
            short = SHORT_DRAWS if rows < 200 else 0
            found += [
                Claim(
                    SECTION,
                    f"ROC-AUC beside the rule score, {title}, {rows} rows",
                    beside_the_rules,
                    where,
                    -TOLERANCE,
                    None,
                    DRAWS,
                    short,
                    is_share=False,
                ),
                Claim(
                    SECTION,
                    f"draws more than {WORST} below the rule score, {title}, {rows} rows",
                    far_below_the_rules,
                    where,
                    None,
                    0.0,
                    DRAWS,
                    short,
                ),
                Claim(
                    SECTION,
                    f"ROC-AUC beside a fit without rules, {title}, {rows} rows",
                    beside_no_rules,
                    where,
                    -TOLERANCE,
                    None,
                    DRAWS,
                    2 if rows == 200 else 0,
                    is_share=False,
                ),
            ]
    for rows, low in ((60, -0.02), (100, -0.02), (400, 0.0), (800, 0.0)):
        found.append(
            Claim(
                SECTION,
                f"ROC-AUC with shuffled rule weights beside a fit without rules, {rows} rows",
                beside_no_rules,
                {"world": generated_world, "rows": rows, "shuffled": True},
                low,
                None,
                DRAWS,
                0,
                is_share=False,
            )
        )
    for world, title in ((generated_world, "generator's pairs"), (other_world, "another truth")):
        for rows in (400, 800):
            found.append(
                Claim(
                    SECTION,
                    f"four times the rows bought what was forecast, {title}, {rows} rows",
                    forecast_holds,
                    {"world": world, "rows": rows},
                    0.9,
                    None,
                    60,
                    0,
                )
            )
    return found


CLAIMS = _claims()
