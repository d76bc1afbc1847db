"""Generation: the same recipe gives the same events, and a batch is whole or not there."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.generation import (
    CEILING_REVISION,
    CHUNK_ROWS,
    Generation,
    Population,
    Specification,
    recompute_ceiling,
    recompute_features,
)
from tests.matching.drawn import draw_travellers

TODAY = date(2026, 3, 1)


def populate(count: int = 300, groups: int = 0) -> Population:
    users, travelling = draw_travellers(count, seed=7, today=TODAY, group_count=groups)
    users = users.assign(user_id=np.arange(len(users)) + 1000)
    if groups:
        travelling = travelling.assign(group_id=np.arange(len(travelling)) + 50)
    return Population(users, travelling)


def specify(**changes) -> Specification:
    given = {
        "count": 1000,
        "match_types": ("user_user",),
        "preset": "balanced",
        "seed": 3,
        "feature_set": "smooth-1",
        "allow_repeats": False,
        "as_of": TODAY,
    }
    return Specification(**{**given, **changes})


def make(generation: Generation) -> pd.DataFrame:
    chunks = [pd.DataFrame(generation.make_chunk(n)) for n in range(generation.chunk_count)]
    return pd.concat(chunks, ignore_index=True)


@pytest.mark.parametrize("groups", [0, 60])
def test_the_same_recipe_and_population_give_the_same_events(groups):
    population = populate(groups=groups)
    again = Population.from_parquet(population.to_parquet())
    recipe = specify(match_types=("user_user", "user_group") if groups else ("user_user",))
    first, second = Generation(recipe, population), Generation(recipe, again)
    pd.testing.assert_frame_equal(make(first), make(second))
    assert first.uid == second.uid


def test_another_seed_gives_other_events():
    population = populate()
    first, second = Generation(specify(), population), Generation(specify(seed=4), population)
    assert first.uid != second.uid
    assert not make(first)["occurred_at"].equals(make(second)["occurred_at"])


def test_ids_of_a_database_change_nothing_but_the_ids():
    population = populate()
    moved = Population(
        population.users.assign(user_id=population.users["user_id"] * 3), population.groups
    )
    here, there = Generation(specify(), population), Generation(specify(), moved)
    ids = ["user_id", "target_id", "group_id"]
    assert here.uid == there.uid
    pd.testing.assert_frame_equal(make(here).drop(columns=ids), make(there).drop(columns=ids))


def test_a_chunk_does_not_depend_on_the_chunks_before_it():
    population = populate(2000)
    count = CHUNK_ROWS + 500
    generation = Generation(specify(count=count), population)
    assert generation.chunk_count == 2
    alone = Generation(specify(count=count), population).make_chunk(1)
    assert alone["row"].tolist() == list(range(CHUNK_ROWS, count))
    assert make(generation).iloc[CHUNK_ROWS:]["occurred_at"].tolist() == list(
        pd.Series(alone["occurred_at"])
    )


def test_no_ordered_pair_comes_twice_in_a_batch():
    events = make(Generation(specify(), populate()))
    assert len(events) == 1000
    assert not events.duplicated(["user_id", "target_id"]).any()
    assert (events["user_id"] != events["target_id"]).all()


def test_repeats_come_only_when_they_are_allowed():
    few = populate(30)
    generation = Generation(specify(count=2000, allow_repeats=True), few)
    assert make(generation).duplicated(["user_id", "target_id"]).any()
    assert not Generation(specify(count=2000), few).diversity()["user_user"].met


def test_both_match_types_share_the_count_and_spread_over_the_same_days():
    events = make(Generation(specify(match_types=("user_user", "user_group")), populate(300, 60)))
    by_type = events.groupby("match_type")
    assert by_type.size().to_dict() == {1: 500, 2: 500}
    assert events["row"].tolist() == list(range(1000))
    assert (events.loc[events["match_type"] == 2, "target_id"] == -1).all()
    assert (events.loc[events["match_type"] == 2, "group_id"] >= 50).all()
    assert events.loc[events["match_type"] == 1, "group_size_score"].isna().all()
    days = by_type["occurred_at"].agg(lambda times: (times.max() - times.min()).days)
    assert days.between(28, 30).all()


def test_events_lie_in_the_window_before_the_day_they_are_as_of():
    times = make(Generation(specify(), populate()))["occurred_at"]
    assert times.is_monotonic_increasing
    assert times.max() < pd.Timestamp(TODAY)
    assert times.min() >= pd.Timestamp("2026-01-30")


def test_people_answer_to_the_pair_whatever_formulas_are_logged():
    population = populate()
    smooth = make(Generation(specify(), population))
    tiered = make(Generation(specify(feature_set="tiered-1"), population))
    assert smooth["true_probability"].equals(tiered["true_probability"])
    assert not smooth["age_score"].equals(tiered["age_score"])


def test_the_ceiling_is_that_of_the_logged_features():
    population = populate(300, 60)
    given = {"match_types": ("user_user", "user_group"), "ceiling_revision": CEILING_REVISION}
    smooth = make(Generation(specify(**given), population))
    tiered = make(Generation(specify(feature_set="tiered-1", **given), population))
    assert smooth["label"].equals(tiered["label"])
    assert smooth["true_probability"].equals(tiered["true_probability"])
    for match_type in (1, 2):
        rows = smooth["match_type"] == match_type
        gap = (smooth["feature_probability"] - tiered["feature_probability"])[rows]
        assert 0.005 < gap.abs().mean() < 0.1
        assert abs(gap.mean()) < 0.01
    named = smooth.assign(match_type=smooth["match_type"].map({1: "user_user", 2: "user_group"}))
    for feature_set, events in (("smooth-1", smooth), ("tiered-1", tiered)):
        best = recompute_ceiling(named, population, feature_set, "balanced")
        np.testing.assert_array_equal(best, events["feature_probability"])


def test_a_batch_of_before_keeps_the_ceiling_that_it_had():
    population = populate()
    before = make(Generation(specify(feature_set="tiered-1"), population))
    smooth = make(Generation(specify(), population))
    assert before["feature_probability"].equals(smooth["feature_probability"])
    stored = specify().as_dict()
    del stored["ceiling_revision"]
    assert Specification.from_dict(stored).ceiling_revision == 1


def test_a_missing_input_is_stored_as_missing_in_both_feature_sets():
    population = populate()
    population.users["budget"] = np.nan
    for feature_set in ("smooth-1", "tiered-1"):
        events = make(Generation(specify(feature_set=feature_set), population))
        assert events["budget_score"].isna().all()
        assert events["age_score"].notna().all()


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_features_computed_anew_are_those_that_were_stored(feature_set):
    population = populate(300, 60)
    recipe = specify(match_types=("user_user", "user_group"), feature_set=feature_set)
    events = make(Generation(recipe, population))
    events["match_type"] = events["match_type"].map({1: "user_user", 2: "user_group"})
    block = recompute_features(events, population, feature_set)
    values = np.where(block.missing, np.nan, block.values)
    np.testing.assert_array_equal(values, events[list(FEATURE_NAMES)].to_numpy(np.float32))


def test_features_of_somebody_unknown_are_not_invented():
    population = populate()
    events = pd.DataFrame({"match_type": ["user_user"], "user_id": [1000], "target_id": [5]})
    with pytest.raises(KeyError, match="target_id 5"):
        recompute_features(events, population, "smooth-1")


def test_an_unknown_match_type_is_named():
    with pytest.raises(ValueError, match="friends"):
        Generation(specify(match_types=("friends",)), populate(30))
