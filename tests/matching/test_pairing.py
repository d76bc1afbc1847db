"""Candidate pairs against brute force, and what sampling by rank promises."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.domain import pairing
from matching.domain.pairing import (
    NotEnoughPairs,
    expected_duplicate_share,
    find_candidates,
    own_groups,
    sample_pairs,
)
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.trips import HardGate, first_gates
from tests.matching.drawn import draw_travellers

TODAY = date(2026, 1, 1)

PLACES = st.sampled_from(
    [(41.0, 2.0), (41.0, 2.1), (42.5, 2.0), (42.8, 2.0), (0.0, 179.9), (0.0, -179.9), (90.0, 0.0)]
)


@st.composite
def crowds(draw, max_size=14):
    """Travellers with few places and days, so that ties, twins and gaps come up."""
    rows = []
    for _ in range(draw(st.integers(0, max_size))):
        lat, lon = draw(PLACES)
        start = draw(st.integers(0, 6))
        rows.append(
            {
                "external_id": f"u{len(rows)}",
                "user_id": draw(st.integers(0, 9)),
                "destination_lat": draw(st.sampled_from([lat, lat, lat, None])),
                "destination_lon": lon,
                "start_date": TODAY + timedelta(start),
                "end_date": draw(
                    st.none() | st.integers(-1, 6).map(lambda n, s=start: TODAY + timedelta(s + n))
                ),
            }
        )
    columns = ["external_id", "user_id", "destination_lat", "destination_lon"]
    frame = pd.DataFrame(rows, columns=[*columns, "start_date", "end_date"])
    return Travellers.from_frame(frame)


def brute_force(left, right=None):
    others = left if right is None else right
    i, j = (axis.ravel() for axis in np.indices((len(left), len(others))))
    passes = first_gates(left.take(i), others.take(j)) == HardGate.OPEN
    if right is None:
        passes &= (i < j) & (left.user_id[i] != left.user_id[j])
    return set(zip(i[passes].tolist(), j[passes].tolist(), strict=True))


def decoded(candidates):
    left, right = candidates.decode(np.arange(candidates.pair_count))
    return list(zip(left.tolist(), right.tolist(), strict=True))


@pytest.fixture(scope="module")
def population():
    users, groups = draw_travellers(250, 7, TODAY, group_count=30)
    words = Vocabulary.of(users, groups)
    return users, groups, Travellers.from_frame(users, words), Travellers.from_frame(groups, words)


@settings(max_examples=150)
@given(users=crowds())
def test_ranks_decode_to_each_pair_of_users_exactly_once(users):
    pairs = [(min(pair), max(pair)) for pair in decoded(find_candidates(users))]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == brute_force(users)


@settings(max_examples=150)
@given(users=crowds(), groups=crowds(), data=st.data())
def test_ranks_decode_to_each_user_and_group_exactly_once(users, groups, data):
    excluded = set()
    if len(users) and len(groups):
        one = st.tuples(st.integers(0, len(users) - 1), st.integers(0, len(groups) - 1))
        excluded = data.draw(st.sets(one, max_size=5))
    skip = np.array(sorted(excluded), np.int64).reshape(-1, 2)
    pairs = decoded(find_candidates(users, groups, skip))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == brute_force(users, groups) - excluded


def test_every_pair_of_a_drawn_population_is_found(population):
    _, _, users, groups = population
    pairs = {(min(pair), max(pair)) for pair in decoded(find_candidates(users))}
    assert pairs == brute_force(users)
    assert find_candidates(users).pair_count == len(pairs)
    assert set(decoded(find_candidates(users, groups))) == brute_force(users, groups)


def test_blocks_of_any_size_find_the_same_pairs(population, monkeypatch):
    users = population[2]
    whole = find_candidates(users)
    monkeypatch.setattr(pairing, "BLOCK_PAIRS", 100)
    blocks = find_candidates(users)
    np.testing.assert_array_equal(whole.offsets, blocks.offsets)
    np.testing.assert_array_equal(whole.owner, blocks.owner)


def test_members_are_not_paired_with_their_own_group(population):
    users, groups, left, right = population
    own = own_groups(users, groups)
    assert len(own) == groups["member_ids"].str.len().sum()
    pairs = set(decoded(find_candidates(left, right, own)))
    assert pairs == brute_force(left, right) - set(map(tuple, own.tolist()))
    assert len(pairs) < find_candidates(left, right).pair_count


def test_a_group_frame_without_rows_has_no_members():
    assert own_groups(pd.DataFrame({"external_id": ["a"]}), pd.DataFrame()).shape == (0, 2)


def test_two_sessions_of_one_user_are_not_paired(population):
    users = population[2]
    twice = users.take(np.arange(20).repeat(2))
    assert all(a // 2 != b // 2 for a, b in decoded(find_candidates(twice)))


def test_no_travellers_have_no_pairs():
    nobody = Travellers.from_frame(pd.DataFrame(columns=["user_id"]))
    candidates = find_candidates(nobody)
    assert candidates.pair_count == 0
    assert len(sample_pairs(candidates, 0, seed=1, chunk=0)) == 0
    with pytest.raises(NotEnoughPairs, match="at most 0 events"):
        sample_pairs(candidates, 1, seed=1, chunk=0, allow_repeats=True)
    diversity = expected_duplicate_share(candidates, nobody, None, 10, seed=1)
    assert not diversity.met
    assert diversity.fitting == 0


def test_ranks_outside_the_range_are_refused(population):
    candidates = find_candidates(population[2])
    for rank in (-1, candidates.pair_count):
        with pytest.raises(IndexError, match="Expected ranks"):
            candidates.decode(np.array([rank]))


def sampled(candidates, count, seed, chunk_rows, **options):
    chunks = range(-(-count // chunk_rows))
    parts = [sample_pairs(candidates, count, seed, c, chunk_rows, **options) for c in chunks]
    left = np.concatenate([part.left for part in parts])
    right = np.concatenate([part.right for part in parts])
    return np.stack([left, right])


def test_a_full_batch_holds_each_ordered_pair_once(population):
    candidates = find_candidates(population[2])
    left, right = sampled(candidates, candidates.ordered_count, 5, 500)
    ordered = set(zip(left.tolist(), right.tolist(), strict=True))
    assert len(ordered) == len(left) == 2 * candidates.pair_count
    assert {(min(p), max(p)) for p in ordered} == brute_force(population[2])


def test_no_pair_comes_in_both_orders_before_each_came_once(population):
    candidates = find_candidates(population[2])
    left, right = sampled(candidates, candidates.pair_count, 5, 500)
    unordered = np.sort(np.stack([left, right]), axis=0)
    assert len(np.unique(unordered, axis=1).T) == candidates.pair_count
    assert 0.4 < np.mean(left < right) < 0.6


def test_users_and_groups_come_once_each(population):
    candidates = find_candidates(population[2], population[3])
    assert candidates.ordered_count == candidates.pair_count
    left, right = sampled(candidates, candidates.pair_count, 5, 64)
    pairs = set(zip(left.tolist(), right.tolist(), strict=True))
    assert pairs == brute_force(population[2], population[3])


def test_chunk_size_changes_no_sample_and_chunks_stand_alone(population):
    candidates = find_candidates(population[2])
    np.testing.assert_array_equal(
        sampled(candidates, 1000, 5, 1000), sampled(candidates, 1000, 5, 37)
    )
    alone = sample_pairs(candidates, 1000, 5, 3, 100)
    np.testing.assert_array_equal(alone.left, sampled(candidates, 1000, 5, 1000)[0, 300:400])


def test_seeds_give_different_orders_and_one_seed_the_same(population):
    candidates = find_candidates(population[2])
    one = sampled(candidates, 500, 1, 500)
    assert one.tobytes() == sampled(candidates, 500, 1, 500).tobytes()
    assert one.tobytes() != sampled(candidates, 500, 2, 500).tobytes()
    assert one.tobytes() != sampled(candidates, 500, -1, 500).tobytes()


def test_a_sample_is_spread_evenly_over_the_ranks(population):
    size = 5_000
    ranks = pairing._permute(np.arange(1_000), size, seed=3)
    counts = np.bincount(ranks * 10 // size, minlength=10)
    assert np.abs(counts - 100).max() < 40  # four standard deviations


@settings(max_examples=60)
@given(size=st.integers(1, 3_000), seed=st.integers(-(2**63), 2**63))
def test_permutation_is_a_bijection_of_any_size(size, seed):
    image = pairing._permute(np.arange(size), size, seed)
    np.testing.assert_array_equal(np.sort(image), np.arange(size))


def test_more_events_than_pairs_need_repeats(population):
    candidates = find_candidates(population[2])
    count = candidates.ordered_count + 10
    with pytest.raises(NotEnoughPairs, match=f"at most {candidates.ordered_count} events"):
        sample_pairs(candidates, count, 5, 0)
    left, right = sampled(candidates, count, 5, 1000, allow_repeats=True)
    np.testing.assert_array_equal(left[:10], left[-10:])
    np.testing.assert_array_equal(right[:10], right[-10:])


def test_a_batch_within_the_distinct_pairs_is_met_without_copies(population):
    candidates = find_candidates(population[2])
    diversity = expected_duplicate_share(candidates, population[2], None, 1000, seed=5)
    assert diversity.met
    assert diversity.expected_duplicate_share < 0.01
    assert diversity.is_enough
    assert diversity.fitting == 1000
    assert diversity.distinct_pairs == candidates.ordered_count


def test_copies_of_reversed_pairs_are_predicted(population):
    users = population[2]
    candidates = find_candidates(users)
    some = expected_duplicate_share(
        candidates, users, None, int(candidates.pair_count / 0.85), seed=5
    )
    assert some.expected_duplicate_share == pytest.approx(0.15, abs=0.01)
    assert some.met
    assert not some.is_enough
    assert not some.is_alike
    fitting = expected_duplicate_share(candidates, users, None, some.fitting, seed=5)
    assert 0.099 < fitting.expected_duplicate_share < 0.1
    assert fitting.is_enough
    many = expected_duplicate_share(candidates, users, None, candidates.ordered_count, seed=5)
    assert many.expected_duplicate_share == pytest.approx(0.5, abs=0.01)
    assert not many.met


def test_a_count_beyond_the_pairs_is_met_with_repeats_only(population):
    users = population[2]
    candidates = find_candidates(users)
    count = 3 * candidates.ordered_count
    diversity = expected_duplicate_share(candidates, users, None, count, seed=5)
    assert not diversity.met
    assert candidates.pair_count < diversity.fitting < candidates.ordered_count
    repeated = expected_duplicate_share(candidates, users, None, count, seed=5, allow_repeats=True)
    assert repeated.met
    assert repeated.expected_duplicate_share > 0.8


def test_profiles_that_are_alike_are_named_as_the_cause(population):
    one = population[2].take(np.zeros(60, np.int64))
    clones = Travellers(**{**one.__dict__, "user_id": np.arange(60)})
    diversity = expected_duplicate_share(find_candidates(clones), clones, None, 500, seed=5)
    assert diversity.expected_duplicate_share > 0.99
    assert not diversity.met
    assert diversity.is_alike
