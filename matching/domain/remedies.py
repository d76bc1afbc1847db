"""What makes a batch possible that its population cannot give: so many more users, or fewer
events."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from matching.domain.generation import Generation, Population
from matching.domain.groups import group_travellers
from matching.domain.limits import MAX_USERS, MINIMUM_EVENTS
from matching.domain.pairing import DUPLICATE_SHARE_WARN, Diversity
from matching.domain.population import (
    USERS_PER_GROUP,
    draw_budgets,
    draw_groups,
    draw_population,
    draw_sessions,
)
from matching.domain.words import FeatureSet
from project import words

# Who would be added is drawn, to count the pairs that they bring: once all of them for the mean,
# and again and again some of them for how much chance matters.
DRAWN: Final = 600
SOME: Final = 96
REPETITIONS: Final = 20
DEVIATIONS: Final = 3.5  # of the gain below its mean that the users asked for still make good
MEASURED_USERS: Final = 2000  # larger populations are not counted again and again
USUAL_SPREAD: Final = 2.0  # of the gain of m users, relative, times the root of m; there
TRIP: Final = frozenset(
    {
        *("external_id", "user_id", "group_id", "member_ids"),
        *("destination_lat", "destination_lon", "start_date", "end_date"),
    }
)
LARGEST_COPY_SHARE: Final = 0.8 * DUPLICATE_SHARE_WARN  # in a drawn try, for profiles much alike


def remedy_of(
    generation: Generation, diversity: Mapping[str, Diversity], today: date, free_seed: int
) -> str:
    """Say what makes the batch possible without copies; empty when nothing has to change.

    Each number suffices: the users by far more than the chance of a draw takes away, the events
    because they are the first ones of the very batch that was asked for.

    Parameters
    ----------
    generation : Generation
    diversity : what `generation.diversity` gave
    today : date on which users and sessions would be added
    free_seed : int
        A seed of which no user was drawn yet.
    """
    if all(each.is_enough for each in diversity.values()):
        return ""
    specification = generation.specification
    pairs = sum(each.pair_count for each in diversity.values())
    alike = [each for each in diversity.values() if each.is_alike]
    ways = []
    if not pairs:
        reason = "No two trips share a region and a day."
        ways.append("give the sessions nearer destinations and dates")
    elif alike:
        share = max(each.expected_duplicate_share for each in alike)
        reason = f"{share:.0%} of the vectors would be copies: the profiles are too much alike."
        ways.append("give the users more varied ages, budgets, interests and dates")
        if specification.feature_set != FeatureSet.SMOOTH:
            smooth = replace(specification, feature_set=FeatureSet.SMOOTH.value)
            others = Generation(smooth, generation.population).diversity().values()
            if all(each.is_enough for each in others):
                ways.append("use smooth-1 features")
    else:
        reason = (
            f"{pairs:,} distinct pairs are too few for {words.tally(specification.count, 'event')}."
        )
    users = _users_to_add(generation, diversity, today, is_alike=bool(alike))
    if users is not None:
        ways.append(
            f"add {words.tally(users, 'user')} with `manage.py seed_users --count {users} "
            f"--seed {free_seed}` "
            "and `manage.py create_sessions`"
        )
    events = len(diversity) * min(each.fitting for each in diversity.values())
    if MINIMUM_EVENTS <= events < specification.count:
        ways.append(f"ask for at most {events:,} events")
    elif pairs:
        reason += f" A dataset needs {MINIMUM_EVENTS} events, so fewer are no way out."
    sentence = "; or ".join(ways)
    return f"{reason} {sentence[:1].upper()}{sentence[1:]}."


def grow(population: Population, drawn: Population) -> Population:
    """Return a population with others beside those who are there."""
    groups = [each for each in (population.groups, drawn.groups) if len(each)]
    return Population(
        pd.concat([population.users, drawn.users], ignore_index=True),
        pd.concat(groups, ignore_index=True) if groups else population.groups,
    )


def draw_more(
    population: Population, count: int, rng: np.random.Generator, today: date
) -> Population:
    """Draw users and groups with trips as seeding and creating sessions would add them.

    Parameters
    ----------
    population : who is there already; nobody who is drawn has an id of theirs

    Returns
    -------
    Population of `count` users and a group for each USERS_PER_GROUP of them.
    """
    profiles = draw_population(count, rng)
    profiles["external_id"] = "more_" + profiles["external_id"]
    profiles["budget"] = draw_budgets(profiles, rng)
    profiles["user_id"] = 1 + _highest(population.users, "user_id") + np.arange(count)
    trips = draw_sessions(profiles, rng, today)
    users = trips.merge(profiles.drop(columns=["budget", "interests"]), on="external_id")
    groups = population.groups.iloc[:0]
    if count >= USERS_PER_GROUP:
        groups = draw_groups(profiles, count // USERS_PER_GROUP, rng, today)
        groups["external_id"] = "more_" + groups["external_id"]
        groups = group_travellers(groups, profiles)
        groups["group_id"] = 1 + _highest(population.groups, "group_id") + np.arange(len(groups))
    return Population(users, groups)


def _users_to_add(
    generation: Generation, diversity: Mapping[str, Diversity], today: date, *, is_alike: bool
) -> int | None:
    """How many more users make the batch possible; None when nobody could be asked for so many."""
    rng = np.random.default_rng(generation.specification.seed % 2**32)
    population = generation.population
    if is_alike:
        return _users_to_thin(generation, rng, today)
    drawn = draw_more(population, DRAWN, rng, today)
    alone = _pairs(generation, drawn)
    together = _pairs(generation, grow(population, drawn))
    spread = _relative_spread(generation, drawn, rng)
    wanted = 0
    for name, each in diversity.items():
        squared = alone[name] / DRAWN**2
        linear = max(together[name] - alone[name] - each.pair_count, 0) / DRAWN
        lacking = each.asked - each.pair_count
        low, high = 0, MAX_USERS
        while lacking > 0 and low < high:
            users = (low + high) // 2
            kept = max(1 - DEVIATIONS * spread[name] / math.sqrt(max(users, 1)), 0)
            if kept * (linear * users + squared * users**2) < lacking:
                low = users + 1
            else:
                high = users
        wanted = max(wanted, low)
    wanted = 10 * math.ceil(wanted / 10)
    return wanted if wanted < MAX_USERS else None


def _users_to_thin(generation: Generation, rng: np.random.Generator, today: date) -> int | None:
    """How many varied users make the copies of those who are alike few enough; by trying."""
    there = len(generation.population.users)
    users = max(SOME, there)
    while users <= min(16 * there, MAX_USERS) and there <= MEASURED_USERS:
        drawn = draw_more(generation.population, users, rng, today)
        tried = Generation(generation.specification, grow(generation.population, drawn))
        if all(
            each.pair_count >= each.asked and each.expected_duplicate_share < LARGEST_COPY_SHARE
            for each in tried.diversity().values()
        ):
            return 2 * users  # by chance the users who are added may be less varied
        users *= 2
    return None


def _relative_spread(
    generation: Generation, drawn: Population, rng: np.random.Generator
) -> dict[str, float]:
    """Standard deviation of the pairs that m users bring, relative to their mean, times root m."""
    population = generation.population
    names = generation.specification.match_types
    if len(population.users) > MEASURED_USERS:
        return dict.fromkeys(names, USUAL_SPREAD)
    gains: dict[str, list[int]] = {name: [] for name in names}
    there = _pairs(generation, population)
    for _ in range(REPETITIONS):
        users = drawn.users.iloc[rng.choice(len(drawn.users), SOME, replace=False)]
        groups = drawn.groups.iloc[
            rng.choice(len(drawn.groups), SOME // USERS_PER_GROUP, replace=False)
        ]
        for name, pairs in _pairs(generation, grow(population, Population(users, groups))).items():
            gains[name].append(pairs - there[name])
    return {
        name: float(np.std(found, ddof=1)) / max(float(np.mean(found)), 1.0) * math.sqrt(SOME)
        for name, found in gains.items()
    }


def _pairs(generation: Generation, population: Population) -> dict[str, int]:
    """Count pairs, for which nothing but trips and members matters."""
    users, groups = (
        frame[[name for name in frame if name in TRIP]]
        for frame in (population.users, population.groups)
    )
    return Generation(generation.specification, Population(users, groups)).pair_counts()


def _highest(frame: pd.DataFrame, column: str) -> int:
    return int(frame[column].max()) if len(frame) and column in frame else 0
