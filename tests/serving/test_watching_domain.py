"""The evidence behind alarms: fair while nothing is wrong, quick when something is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.domain.watching import (
    Evidence,
    LastScores,
    advance,
    alarm_level,
    bets_of,
    coincidence_of,
    expected_missing,
    expected_repeats,
    find_repeats,
)

NAN = float("nan")


def step_by_step(happened, expected):
    """The same, visit by visit, as it is written on paper."""
    bets, wealth, told = bets_of(expected), np.zeros(len(bets_of(expected))), []
    for n, seen in enumerate(happened, 1):
        stake = np.log(10) / ((n + 10) * np.log(n + 10) ** 2)
        factor = bets / expected if seen else (1 - bets) / (1 - expected)
        wealth = (wealth + stake) * factor
        told.append(np.log(wealth.mean()))
    return np.array(told)


@given(
    st.lists(st.booleans(), min_size=1, max_size=80),
    st.integers(0, 80),
    st.floats(0.01, 0.89),
)
def test_evidence_is_that_of_the_formula_however_the_visits_are_cut(happened, cut, expected):
    first, rest = happened[:cut], happened[cut:]
    evidence, told = advance(Evidence.none(expected), np.array(first, bool), expected)
    _, more = advance(evidence, np.array(rest, bool), expected)
    np.testing.assert_allclose(
        np.concatenate([told, more]), step_by_step(happened, expected), atol=1e-9
    )


@given(st.floats(0.001, 0.89))
def test_no_bet_wins_while_the_thing_happens_as_often_as_expected_or_less(expected):
    bets = bets_of(expected)
    assert len(bets)
    assert (bets > expected).all()
    for share in (0.0, expected / 2, expected):
        mean = share * bets / expected + (1 - share) * (1 - bets) / (1 - expected)
        assert (mean <= 1 + 1e-12).all()


def test_all_stakes_together_are_about_one():
    number = np.arange(1, 10_000_000)
    assert 0.8 < (np.log(10) / ((number + 10) * np.log(number + 10) ** 2)).sum() < 1.0


def test_streams_stay_apart():
    rng = np.random.default_rng(1)
    happened = rng.random((3, 50)) < [[0.05], [0.5], [0.9]]
    _, together = advance(Evidence.none(0.05, (3,)), happened, 0.05)
    for row, told in zip(happened, together, strict=True):
        _, alone = advance(Evidence.none(0.05), row, 0.05)
        np.testing.assert_allclose(told, alone)


def test_what_is_expected_is_a_margin_above_training():
    assert expected_missing(0.0) == pytest.approx(0.03)
    assert expected_missing(0.02) == pytest.approx(0.05)
    assert expected_missing(0.3) == pytest.approx(0.6)
    assert expected_repeats(0.0) == expected_repeats(0.01) == 0.05
    assert expected_repeats(0.1) == pytest.approx(0.3)


def test_coincidence_is_the_share_of_pairs_that_score_alike():
    assert coincidence_of([]) == coincidence_of([0.5]) == 0.0
    assert coincidence_of([0.5] * 7) == 1.0
    scores = np.round(np.random.default_rng(2).random(200), 3)
    apart = np.abs(scores[:, None] - scores[None, :])
    pairs = np.triu(apart <= 0.001 + 1e-12, 1).sum()
    assert coincidence_of(scores) == pytest.approx(2 * pairs / (200 * 199), rel=0.05)


def test_a_score_repeats_that_of_the_last_other_person_never_ones_own():
    people = ["a", "a", "b", "b", "a", "c", "c"]
    scores = [0.5, 0.5, 0.5, 0.7, 0.7, NAN, 0.7]
    repeats, known, last = find_repeats(people, scores, LastScores())
    assert known.tolist() == [False, False, True, True, True, False, True]
    assert repeats.tolist() == [False, False, True, False, True, False, True]
    assert last == LastScores("c", 0.7, 0.7)
    more, _, _ = find_repeats(["c", "d"], [0.7, 0.7], last)
    assert more.tolist() == [True, True]


# --- What is promised, by simulation --------------------------------------------------------------

STREAMS = 13  # fallbacks, repeats and the 11 inputs of two people
QUIET = {"repeated": 0.005, "missing": 0.02, "fallback": 0.0}


def quiet_evidence(rng, share, installations, visits):
    """Evidence of installations after quiet visits; of the last ones, where there were many."""
    tail = min(visits, 3_000)
    start = Evidence(visits - tail, Evidence.none(0.05, (installations,)).log_wealth)
    return advance(start, rng.random((installations, tail)) < share, 0.05)[0]


@pytest.mark.parametrize("before", [0, 1_000, 1_000_000])
@pytest.mark.parametrize(
    ("name", "share"), [("repeated", 1.0), ("repeated", 0.9), ("missing", 0.6), ("fallback", 0.25)]
)
def test_what_is_wrong_alarms_within_200_visits(name, share, before):
    rng = np.random.default_rng([7, before])
    evidence = quiet_evidence(rng, QUIET[name], 400, before)
    _, told = advance(evidence, rng.random((400, 200)) < share, 0.05)
    found = (told >= alarm_level(STREAMS)).any(axis=1)
    assert found.mean() >= 0.95
