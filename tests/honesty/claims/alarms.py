"""Alarms on what applications are answered: a quiet year is quiet, at any traffic.

PSI every five minutes cried wolf in 43 % of installations that score 50 pairs in that time; and
whoever counts scores instead of people is alarmed by the first person with an empty profile.
"""

import numpy as np
import numpy.typing as npt

from serving.domain.watching import (
    EXPECTED_FALLBACKS,
    Evidence,
    LastScores,
    advance,
    alarm_level,
    bets_of,
    expected_missing,
    expected_repeats,
    find_repeats,
)
from tests.honesty.claim import Claim

SECTION = "9. Alarms"
DAYS = 365
INPUTS = 11  # of two people
STREAMS = INPUTS + 2
CHUNK = 4_000_000  # visits of all installations that are drawn at once


def alarms_of_shares(
    rng: np.random.Generator,
    installations: int,
    visits: int,
    truth: float,
    expected: float,
) -> npt.NDArray[np.bool_]:
    """Whether a stream of each installation alarms while the thing happens so often.

    From the first hundred thousand visits on only those that happened are looked at one by one:
    no other raises the evidence by more than its stake, which is taken to be that of the first of
    the run, so that it is never less than it is.
    """
    alarmed = np.zeros(installations, np.bool_)
    evidence = Evidence.none(expected, (installations,))
    whole = min(visits, 100_000)
    while evidence.visits < whole:
        count = min(whole - evidence.visits, max(CHUNK // installations // 16, 1))
        happened = rng.random((installations, count)) < truth
        evidence, told = advance(evidence, happened, expected)
        alarmed |= (told >= alarm_level(STREAMS)).any(axis=1)
    if visits > whole and truth:
        for one in range(installations):
            alarmed[one] |= _alarms_later(
                rng, evidence.log_wealth[one], whole, visits, truth, expected
            )
    return alarmed


def _alarms_later(
    rng: np.random.Generator,
    log_wealth: npt.NDArray[np.float64],
    number: int,
    visits: int,
    truth: float,
    expected: float,
) -> bool:
    """Go on by runs: zeros, then one that happened."""
    bets = bets_of(expected)
    up, down = np.log(bets / expected), np.log1p(-bets) - np.log1p(-expected)
    level = alarm_level(STREAMS)
    while number < visits:
        runs = rng.geometric(truth, 200_000)
        ends = number + np.cumsum(runs)
        first = ends - runs + 11.0
        stakes = np.log(np.log(10.0) / (first * np.log(first) ** 2))
        # Stakes of a run: the geometric sum of `down` over its zeros, and that of its last visit.
        zeros = (runs - 1)[:, None] * down
        with np.errstate(divide="ignore"):  # no zeros, no stakes of them
            of_zeros = np.log1p(-np.exp(zeros))
        kept = np.logaddexp(0.0, down + of_zeros - np.log1p(-np.exp(down)))
        steps = zeros + up
        running = np.cumsum(steps, axis=0)
        staked = stakes[:, None] + kept + up - running
        grown = np.logaddexp.accumulate(np.vstack([log_wealth, staked]), axis=0)[1:] + running
        told = np.logaddexp.reduce(grown, axis=1) - np.log(len(bets))
        if (told[ends <= visits] >= level).any():
            return True
        log_wealth, number = grown[-1], int(ends[-1])
    return False


def false_alarm_in_a_year(
    rng: np.random.Generator, repetitions: int, *, per_day: int
) -> npt.NDArray[np.bool_]:
    """Whether any of the 13 streams of an installation alarms in a year in which nothing happens.

    Inputs are missing as often as in training: in 0 to 20 % of the rows.
    """
    visits = per_day * DAYS
    found = alarms_of_shares(rng, repetitions, visits, 0.005, expected_repeats(0.005))
    found |= alarms_of_shares(rng, repetitions, visits, 0.005, EXPECTED_FALLBACKS)
    for share in np.linspace(0.0, 0.2, INPUTS).tolist():
        found |= alarms_of_shares(rng, repetitions, visits, share, expected_missing(share))
    return found


def false_alarm_at_the_edge(
    rng: np.random.Generator, repetitions: int, *, visits: int, expected: float
) -> npt.NDArray[np.bool_]:
    """Whether 13 streams alarm, each of a thing that happens just as often as is still expected."""
    found = np.zeros(repetitions, np.bool_)
    for _ in range(STREAMS):
        found |= alarms_of_shares(rng, repetitions, visits, expected, expected)
    return found


def false_alarm_of_bursts(
    rng: np.random.Generator, repetitions: int, *, people: int
) -> npt.NDArray[np.bool_]:
    """Whether people in bursts of 20 to 200 scores alarm, each as one visit.

    A person's profile is whole or lacks one thing for all of the burst, and a person's scores lie
    near one another, as those of one who decides do.
    """
    found = np.zeros(repetitions, np.bool_)
    expected = expected_missing(0.02)
    for installation in range(repetitions):
        bursts = rng.integers(20, 201, people)
        level = 0.5 + 0.15 * rng.normal(size=people)
        drawn = np.clip(level + 0.02 * rng.normal(size=people) / np.sqrt(bursts), 0.0, 1.0)
        names = [str(person) for person in range(people)]
        repeats, known, _ = find_repeats(names, drawn.tolist(), LastScores())
        missing = rng.random(people) < 0.02
        for happened, usual in ((repeats[known], expected_repeats(0.005)), (missing, expected)):
            _, told = advance(Evidence.none(usual), happened, usual)
            found[installation] |= bool((told >= alarm_level(STREAMS)).any())
    return found


def found_in_200_visits(
    rng: np.random.Generator, repetitions: int, *, quiet: float, wrong: float, before: int
) -> npt.NDArray[np.bool_]:
    """Whether what is wrong from a visit on alarms within 200, after so many quiet ones."""
    tail = min(before, 3_000)
    start = Evidence(before - tail, Evidence.none(0.05, (repetitions,)).log_wealth)
    evidence, _ = advance(start, rng.random((repetitions, tail)) < quiet, 0.05)
    _, told = advance(evidence, rng.random((repetitions, 200)) < wrong, 0.05)
    return np.asarray((told >= alarm_level(STREAMS)).any(axis=1))


CLAIMS: list[Claim] = [
    *(
        Claim(
            SECTION,
            f"a false alarm in a year without drift, {per_day:,} visits a day",
            false_alarm_in_a_year,
            {"per_day": per_day},
            None,
            0.05,
            repetitions,
            short,
        )
        for per_day, repetitions, short in (
            (10, 2_000, 300),
            (100, 400, 40),
            (1_000, 100, 0),
            (10_000, 40, 0),
            (100_000, 12, 0),
            (1_000_000, 2, 0),
        )
    ),
    *(
        Claim(
            SECTION,
            f"a false alarm where all happens just as often as expected ({expected:.0%})",
            false_alarm_at_the_edge,
            {"visits": 5_000, "expected": expected},
            None,
            0.05,
            1_000,
            100 if expected == 0.05 else 0,
        )
        for expected in (0.03, 0.05, 0.4)
    ),
    Claim(
        SECTION,
        "a false alarm of 5,000 people in bursts of 20 to 200 scores",
        false_alarm_of_bursts,
        {"people": 5_000},
        None,
        0.05,
        400,
        60,
    ),
    *(
        Claim(
            SECTION,
            f"{name}: alarmed within 200 visits after {before:,} quiet ones",
            found_in_200_visits,
            {"quiet": quiet, "wrong": wrong, "before": before},
            0.95,
            None,
            2_000,
            300 if before else 0,
        )
        for name, quiet, wrong in (
            ("one score for everybody", 0.005, 1.0),
            ("inputs missing in 60 % instead of 2 %", 0.02, 0.6),
            ("fallbacks in 25 %", 0.0, 0.25),
        )
        for before in (0, 1_000_000)
    ),
]
