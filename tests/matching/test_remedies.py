"""Remedies of the forecast: whoever follows one, with the numbers it gives, gets the batch."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from matching.domain.generation import Generation, Population
from matching.domain.limits import MINIMUM_EVENTS
from matching.domain.pairing import DUPLICATE_SHARE_WARN, _most_without_copies
from matching.domain.population import USERS_PER_GROUP
from matching.domain.remedies import draw_more, grow, remedy_of
from tests.matching.drawn import draw_travellers
from tests.matching.test_generation import specify

TODAY = date(2026, 3, 1)
FREE_SEED = 8
PAIRS, GROUPS = ("user_user",), ("user_group",)


def populate(users: int, groups: int = 0) -> Population:
    people, travelling = draw_travellers(users, 5, TODAY, group_count=groups)
    people = people.assign(user_id=np.arange(len(people)) + 1)
    if groups:
        travelling = travelling.assign(group_id=np.arange(len(travelling)) + 1)
    return Population(people, travelling)


def clones(users: int, groups: int = 0) -> Population:
    """Many of whom each is one of three: on one trip, of one mind."""
    there = populate(max(users, 10), groups)
    alike = there.users.iloc[np.arange(users) % 3].reset_index(drop=True)
    ids = there.users["external_id"].head(users)
    return Population(alike.assign(external_id=ids, user_id=np.arange(users) + 1), there.groups)


def elsewhere(users: int) -> Population:
    """Each alone on another meridian, a day apart from the others."""
    there = populate(users)
    apart = pd.to_timedelta(np.arange(users) * 90, unit="D")
    return Population(
        there.users.assign(
            destination_lat=-50.0,
            start_date=there.users["start_date"] + apart,
            end_date=there.users["start_date"] + apart + pd.Timedelta(days=2),
        ),
        there.groups,
    )


CASES = {
    "few, as they were reported": (populate(20), PAIRS, 100, "smooth-1"),
    "a tenth too few": (populate(60), PAIRS, 160, "smooth-1"),
    "many more": (populate(150), PAIRS, 12_000, "smooth-1"),
    "tiers": (populate(60), PAIRS, 400, "tiered-1"),
    "groups": (populate(60, 7), GROUPS, 500, "smooth-1"),
    "one group": (populate(40, 1), GROUPS, 130, "smooth-1"),
    "both": (populate(80, 10), PAIRS + GROUPS, 900, "smooth-1"),
    "nobody meets": (elsewhere(12), PAIRS, 200, "smooth-1"),
    "alike": (clones(30), PAIRS, 300, "smooth-1"),
    "alike and too few": (clones(12), PAIRS, 150, "smooth-1"),
}


def plan(case: str, **changes) -> Generation:
    population, match_types, count, feature_set = CASES[case]
    given = {"count": count, "match_types": match_types, "feature_set": feature_set, **changes}
    return Generation(specify(**given), population)


def remedy(generation: Generation) -> str:
    return remedy_of(generation, generation.diversity(), TODAY, FREE_SEED)


def is_possible(generation: Generation) -> bool:
    return all(each.met and each.is_enough for each in generation.diversity().values())


def follow(generation: Generation, way: str) -> Iterator[tuple[str, Generation]]:
    """Do what one way says; several times where chance plays a part."""
    specification, population = generation.specification, generation.population
    if found := re.fullmatch(
        r"add ([\d,]+) users with `manage.py seed_users --count (\d+) --seed 8` and "
        r"`manage.py create_sessions`",
        way,
    ):
        assert found[1].replace(",", "") == found[2]
        for seed in range(12):
            rng = np.random.default_rng(1000 + seed)
            more = draw_more(population, int(found[2]), rng, TODAY)
            yield "users", Generation(specification, grow(population, more))
    elif found := re.fullmatch(r"ask for at most ([\d,]+) events", way):
        count = int(found[1].replace(",", ""))
        assert count >= MINIMUM_EVENTS
        yield "events", Generation(replace(specification, count=count), population)
    elif way == "use smooth-1 features":
        yield "smooth", Generation(replace(specification, feature_set="smooth-1"), population)
    else:
        columns = {
            "give the users more varied ages, budgets, interests and dates": [
                *("age", "budget", "interests", "start_date", "end_date"),
            ],
            "give the sessions nearer destinations and dates": [
                *("destination_lat", "destination_lon", "start_date", "end_date"),
            ],
        }[way]
        drawn = draw_travellers(len(population.users), 77, TODAY)[0]
        users = population.users.assign(**{name: drawn[name] for name in columns})
        if "destination_lat" in columns:
            users["destination_lat"], users["destination_lon"] = 41.4, 2.2
        yield "varied", Generation(specification, Population(users, population.groups))


@pytest.mark.parametrize("case", CASES)
def test_every_way_out_of_a_remedy_suffices(case):
    generation = plan(case)
    assert not is_possible(generation)
    said = remedy(generation)
    reason, _, ways = said.rpartition(". ")
    assert reason
    followed = set()
    for way in ways.removesuffix(".").split("; or "):
        for name, changed in follow(generation, way[0].lower() + way[1:]):
            followed.add(name)
            before = sum(each.pair_count for each in generation.diversity().values())
            if name == "varied" and before < generation.specification.count:
                # So few have not so many pairs, whoever they are; what was in the way is gone.
                assert not any(each.is_alike for each in changed.diversity().values())
            else:
                assert is_possible(changed), way
    assert "users" in followed
    if "events" not in followed:
        fitting = min(each.fitting for each in generation.diversity().values())
        assert fitting * len(generation.diversity()) < MINIMUM_EVENTS


def test_too_few_events_for_a_dataset_are_no_way_out():
    few = plan("few, as they were reported")
    assert "ask for at most" not in remedy(few).lower()
    assert "A dataset needs 100 events" in remedy(few)
    enough = plan("a tenth too few")
    assert "or ask for at most" in remedy(enough)


def test_nothing_is_said_where_nothing_has_to_change():
    assert remedy(plan("a tenth too few", count=100)) == ""


def test_as_many_users_as_nobody_may_draw_are_not_asked_for():
    said = remedy(plan("many more", count=10**9))
    assert "seed_users" not in said
    assert "ask for at most" in said.lower()


def test_users_who_are_drawn_beside_others_have_ids_of_their_own():
    there = populate(60, 7)
    more = draw_more(there, 40, np.random.default_rng(1), TODAY)
    both = grow(there, more)
    assert len(more.groups) == 40 // USERS_PER_GROUP
    for frame, name in ((both.users, "user_id"), (both.groups, "group_id")):
        assert frame[name].is_unique
        assert frame["external_id"].is_unique
    assert both.users[list(there.users)].notna().all().all()


@pytest.mark.parametrize("unlike", [*range(1, 60), 144, 1_799, 9_000])
@pytest.mark.parametrize("pairs", [1, 2])
def test_as_many_events_as_are_offered_are_never_warned_of(unlike: int, pairs: int) -> None:
    """A share of 16 copies among 160 is a tenth, though 1 - 144 / 160 is a hair below."""
    copies = unlike // 2 + 1
    digests = np.concatenate([np.arange(unlike), np.arange(copies)]).astype(np.uint64)
    if pairs == 1:  # all that were looked at: the copies are among them
        most = _most_without_copies(digests, len(digests), len(digests), len(digests))
    else:  # none of those that were looked at is one; the pairs in the other order are
        first = digests[:unlike]
        most = _most_without_copies(first, 2 * unlike, unlike, 2 * unlike)
    assert (most - unlike) / most < DUPLICATE_SHARE_WARN
    assert (most + 1 - unlike) / (most + 1) >= DUPLICATE_SHARE_WARN
