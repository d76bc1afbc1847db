"""What the generator foretells beside what it makes, and its ceilings beside a strong model.

The batches are the generator's, for they are what is foretold. Who takes part is drawn here: crowds
in few places, families that are alike in everything, other ages and purses, holes in profiles.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import Generation, Population
from matching.domain.pairing import DUPLICATE_SHARE_WARN, Diversity, NotEnoughPairs
from matching.domain.population import USERS_PER_GROUP
from matching.domain.remedies import draw_more, grow, remedy_of
from matching.domain.words import MatchType
from project.measure.jackknife import Clusters
from tests.honesty.claim import Claim
from tests.matching.drawn import draw_travellers
from tests.matching.test_ceilings import expected_auc
from tests.matching.test_generation import make, specify
from training.domain.tasks.base import Rows, compare

FloatArray = npt.NDArray[np.float64]

SECTION: Final = "8. Forecasts and ceilings"
TODAY: Final = date(2026, 3, 1)
FREE_SEED: Final = 8
VECTOR: Final = list(FEATURE_NAMES)
PLACES: Final = np.array([[41.4, 2.2], [41.5, 2.3], [35.7, 139.7], [-33.9, 18.4], [64.1, -21.9]])
CROWD: Final = 900  # users whose pairs are enough for CEILING_ROWS
CEILING_ROWS: Final = 12_000
STRONG: Final[dict[str, Any]] = {"learning_rate": 0.1, "max_leaf_nodes": 15, "random_state": 0}


def draw_crowd(
    rng: np.random.Generator, count: int, *, alike: float = 0.0, groups: bool = False
) -> Population:
    """Draw people with trips, a share of whom are in everything like one of a few others."""
    seed = int(rng.integers(2**31))
    number = count // USERS_PER_GROUP if groups else 0
    people, travelling = draw_travellers(count, seed, TODAY, group_count=number)
    for frame in (people, travelling):
        if len(frame):
            _send_elsewhere(rng, frame)
    users = people.assign(
        age=np.clip(16 + rng.gamma(2.0, 9.0, count), 18, 90).astype(np.int64),
        budget=np.round(np.exp(rng.normal(10.0, 1.0, count)), -2),
        extraversion=rng.beta(0.7, 0.7, count),
    )
    for name in ("budget", "extraversion", "age"):
        users[name] = users[name].astype("float64").mask(rng.random(count) < 0.05)
    copied = rng.random(count) < alike
    place = np.where(copied, rng.integers(0, max(count // 10, 3), count), np.arange(count))
    users = users.iloc[place].reset_index(drop=True)
    users = users.assign(external_id=people["external_id"].to_numpy(), user_id=np.arange(count) + 1)
    if number:
        travelling = travelling.assign(group_id=np.arange(len(travelling)) + 1)
    return Population(users, travelling)


def _send_elsewhere(rng: np.random.Generator, frame: pd.DataFrame) -> None:
    count = len(frame)
    place = rng.choice(len(PLACES), count, p=(0.4, 0.25, 0.2, 0.1, 0.05))
    near = PLACES[place] + rng.choice((0.0, 0.02, 0.1), (count, 2))
    frame["destination_lat"], frame["destination_lon"] = near.T
    starts = pd.Timestamp(TODAY) + pd.to_timedelta(rng.integers(0, 12, count), unit="D")
    stays = pd.to_timedelta(2 + rng.poisson(6.0, count), unit="D")
    frame["start_date"], frame["end_date"] = starts, starts + stays


def draw_plan(rng: np.random.Generator) -> Generation:
    """Ask a small crowd for fewer events than it has pairs, or for more."""
    types = (("user_user",), ("user_group",), ("user_user", "user_group"))[rng.integers(3)]
    crowd = draw_crowd(
        rng,
        int(rng.integers(20, 120)),
        alike=float(rng.choice((0.0, 0.3, 0.8))),
        groups="user_group" in types,
    )
    feature_set = str(rng.choice(("smooth-1", "tiered-1")))
    given = {"match_types": types, "feature_set": feature_set, "seed": int(rng.integers(10**6))}
    pairs = min(Generation(specify(**given), crowd).pair_counts().values())
    wanted = len(types) * max(pairs, 20) * np.exp(rng.uniform(np.log(0.2), np.log(4.0)))
    return Generation(specify(**given, count=max(int(wanted), 100)), crowd)


def share_of_copies(events: pd.DataFrame) -> float:
    """Share of rows whose vector stood before, within each match type: the forecast's measure."""
    return float(events.duplicated(["match_type", *VECTOR]).mean())


def foretold(generation: Generation, diversity: dict[str, Diversity]) -> float:
    """Share of copies over all match types."""
    copies = sum(each.expected_duplicate_share * each.asked for each in diversity.values())
    return copies / generation.specification.count


def copies_off_the_forecast(rng: np.random.Generator, n: int) -> list[float]:
    """How far the share of copies of a batch lies from the forecast; NaN where none can be made."""
    found = []
    for _ in range(n):
        plan = draw_plan(rng)
        diversity = plan.diversity()
        if any(each.asked > each.distinct_pairs for each in diversity.values()):
            found.append(np.nan)
        else:
            found.append(abs(share_of_copies(make(plan)) - foretold(plan, diversity)))
    return found


def made_as_foretold(rng: np.random.Generator, n: int) -> list[bool]:
    """Whether a batch can be made just where the forecast counts pairs enough."""
    found = []
    for _ in range(n):
        plan = draw_plan(rng)
        enough = all(each.asked <= each.distinct_pairs for each in plan.diversity().values())
        try:
            is_made = len(make(plan)) == plan.specification.count
        except NotEnoughPairs:
            is_made = False
        found.append(is_made == enough)
    return found


def remedies(rng: np.random.Generator) -> Iterator[tuple[str, Generation]]:
    """Follow what the forecast of a plan says: so many more users, or fewer events."""
    plan = draw_plan(rng)
    said = remedy_of(plan, plan.diversity(), TODAY, FREE_SEED)
    specification, population = plan.specification, plan.population
    if asked := re.search(r"seed_users --count (\d+)", said):
        more = draw_more(population, int(asked[1]), rng, TODAY)
        yield "users", Generation(specification, grow(population, more))
    if asked := re.search(r"ask for at most ([\d,]+) events", said, re.IGNORECASE):
        count = int(asked[1].replace(",", ""))
        yield "events", Generation(replace(specification, count=count), population)


def remedy_suffices(rng: np.random.Generator, n: int, way: str) -> FloatArray:
    """Whether the way leads to a batch with fewer copies than warn; NaN where it was not said."""
    found = np.full(n, np.nan)
    for number in range(n):
        followed = dict(remedies(rng)).get(way)
        if followed is None:
            continue
        try:
            found[number] = share_of_copies(make(followed)) < DUPLICATE_SHARE_WARN
        except NotEnoughPairs:
            found[number] = False
    return found


def draw_batch(rng: np.random.Generator, match_type: str, feature_set: str) -> pd.DataFrame:
    """Draw events of a crowd; `truth` is the best probability of those who know all features."""
    crowd = draw_crowd(rng, CROWD, groups=match_type == "user_group")
    asked = specify(
        match_types=(match_type,),
        preset=str(rng.choice(("balanced", "strict", "loose"))),
        seed=int(rng.integers(10**6)),
        count=1,
    )
    pairs = Generation(asked, crowd).pair_counts()[match_type]
    asked = replace(asked, count=min(pairs, CEILING_ROWS), ceiling_revision=2)
    smooth = make(Generation(asked, crowd))
    events = smooth
    if feature_set != "smooth-1":
        # The same pairs, answered alike.
        events = make(Generation(replace(asked, feature_set=feature_set), crowd))
    # Boosting finds no threshold in a constant.
    constant = [name for name in VECTOR if len(events[name].dropna().unique()) < 2]
    return events.drop(columns=constant).assign(truth=smooth["feature_probability"])


def inputs_of(events: pd.DataFrame) -> pd.DataFrame:
    return events[[name for name in VECTOR if name in events]]


def beside_the_ceiling(
    rng: np.random.Generator, n: int, match_type: str, feature_set: str
) -> list[float]:
    """ROC-AUC of a model that learnt from probabilities without noise, minus the ceiling's.

    Both are expected values on fresh pairs, over all labels that those could have got.
    """
    found = []
    for _ in range(n):
        events = draw_batch(rng, match_type, feature_set)
        fresh = np.arange(len(events)) % 3 == 0
        strong = HistGradientBoostingRegressor(max_iter=200, **STRONG)
        strong.fit(inputs_of(events)[~fresh], events["truth"][~fresh])
        score = strong.predict(inputs_of(events)[fresh])
        truth, best = (events[name][fresh] for name in ("truth", "feature_probability"))
        found.append(float(expected_auc(score, truth) - expected_auc(best, truth)))
    return found


def above_the_ceiling(
    rng: np.random.Generator, n: int, match_type: str, feature_set: str
) -> list[bool]:
    """Whether a model that learnt from labels is found better than the ceiling, on other users."""
    found = []
    for _ in range(n):
        events = draw_batch(rng, match_type, feature_set)
        users = np.unique(events["user_id"])
        held_out = events["user_id"].isin(rng.choice(users, len(users) // 4, replace=False))
        known, fresh = events[~held_out], events[held_out]
        strong = HistGradientBoostingClassifier(max_iter=60, **STRONG)
        strong.fit(inputs_of(known), known["label"])
        partner = fresh["target_id" if match_type == MatchType.USER_USER else "group_id"]
        rows = Rows(
            fresh["label"].to_numpy(dtype=np.float64),
            Clusters.of(fresh["user_id"], partner),
            ("user", "partner"),
        )
        score = strong.predict_proba(inputs_of(fresh))[:, 1]
        best = fresh["feature_probability"].to_numpy(dtype=np.float64)
        difference = compare("roc_auc", rows, score, best)
        found.append(difference is not None and difference.verdict == "better")
    return found


CLAIMS: list[Claim] = [
    Claim(
        SECTION,
        "share of copies in a generated batch beside its forecast, distance",
        copies_off_the_forecast,
        {},
        None,
        0.001,
        200,
        6,
        is_share=False,
    ),
    Claim(
        SECTION,
        "generated batches made, or refused for too few pairs, as foretold",
        made_as_foretold,
        {},
        0.99,
        None,
        200,
        6,
    ),
    *(
        Claim(
            SECTION,
            f"generated batches that are made with few copies once the forecast's {way} are taken",
            remedy_suffices,
            {"way": way},
            low,
            None,
            repetitions,
            0,
        )
        for way, low, repetitions in (("users", 0.95, 40), ("events", 0.99, 120))
    ),
    *(
        Claim(
            SECTION,
            f"ROC-AUC of a strong model that saw no noise beside the generator's ceiling, "
            f"{feature_set}, {match_type}",
            beside_the_ceiling,
            {"match_type": match_type, "feature_set": feature_set},
            -0.004,
            0.001,
            10,
            0,
            is_share=False,
        )
        for feature_set, match_type in product(("smooth-1", "tiered-1"), MatchType)
    ),
    *(
        Claim(
            SECTION,
            "strong models of labels found better than the generator's ceiling on other users, "
            f"{feature_set}, {match_type}",
            above_the_ceiling,
            {"match_type": match_type, "feature_set": feature_set},
            None,
            0.035,
            25,
            0,
        )
        for feature_set, match_type in product(("smooth-1", "tiered-1"), MatchType)
    ),
]
