"""Whether something happens more often than it should: evidence that may be looked at any time.

What is watched is a share of visits: of the people who were scored in an hour, one observation
each, however many pairs of theirs were scored. A burst of 200 scores of one person whose profile
lacks an age is one visit without an age, not 200: counted by score, people in bursts of 20 alarm in
every quiet year.

The evidence is wealth: a bet on a larger share multiplies it when the thing happens and divides it
when not, so that while the share is no larger than expected it does not grow on average, whichever
bet it is. That it ever exceeds k has then a chance of at most 1 / k (Ville's inequality), at any
traffic and however often one looks. A little is staked anew at each visit (together at most one
unit), so that what begins after a million quiet visits is seen as soon as at the start.

References
----------
.. [1] Ville, J. (1939). Etude critique de la notion de collectif.
.. [2] Shafer, G. & Vovk, V. (2019). Game-Theoretic Foundations for Probability and Finance.
.. [3] Robbins, H. & Siegmund, D. (1974). The expected sample size of some tests of power one.
   Annals of Statistics 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FALSE_ALARMS: Final = 0.05  # of all streams of an installation together, for ever
BETS: Final = (0.25, 0.5, 0.9)  # on these shares, and on twice the expected one
LARGEST_BET: Final = 0.95
WATCHED_BELOW: Final = 0.9  # a share that is expected higher cannot rise enough to be told

SAME_SCORE: Final = 0.001  # two people's scores that are nearer count as one
EXPECTED_FALLBACKS: Final = 0.05
EXPECTED_REPEATS: Final = 0.05  # at least; three times what coincides among training rows
REPEATS_OF_TRAINING: Final = 3.0
MISSING_FACTOR: Final = 2.0  # of the share in training, or
MISSING_MARGIN: Final = 0.03  # this much more, whichever is larger

_ENTRY: Final = 10.0  # the first stake is that of visit 11
_NOTHING: Final = -np.inf


def expected_missing(training_share: float) -> float:
    """Return the share of visits that may lack an input while nothing is wrong."""
    return max(MISSING_FACTOR * training_share, training_share + MISSING_MARGIN)


def expected_repeats(coincidence: float) -> float:
    """Return the share of visits that may repeat another person's score while nothing is wrong."""
    return max(EXPECTED_REPEATS, REPEATS_OF_TRAINING * coincidence)


def coincidence_of(scores: npt.ArrayLike) -> float:
    """Chance that two different rows have the same score, within `SAME_SCORE`.

    Parameters
    ----------
    scores : array of shape (n_rows,), no NaN.

    Returns
    -------
    float in [0, 1]; 0 with fewer than two rows.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n_rows = len(ordered)
    if n_rows < 2:
        return 0.0
    beyond = np.searchsorted(ordered, ordered + SAME_SCORE, side="right")
    pairs = float((beyond - np.arange(1, n_rows + 1)).sum())
    return 2.0 * pairs / (n_rows * (n_rows - 1.0))


def bets_of(expected: float) -> FloatArray:
    """Return the shares that are bet on: all above the expected one, or none is fair.

    A bet below it would win while the thing happens less often than expected.
    """
    bets = {min(2.0 * expected, LARGEST_BET), *BETS}
    return np.array(sorted(bet for bet in bets if bet > expected))


@dataclass(frozen=True)
class Evidence:
    """The evidence of some streams between two looks.

    Attributes
    ----------
    visits : seen so far.
    log_wealth : float64 of shape (..., n_bets), by the order of `bets_of`.
    """

    visits: int
    log_wealth: FloatArray

    @classmethod
    def none(cls, expected: float, shape: tuple[int, ...] = ()) -> "Evidence":
        """Return that of streams of which nothing was seen yet."""
        return cls(0, np.full((*shape, len(bets_of(expected))), _NOTHING))


def advance(
    evidence: Evidence, happened: npt.ArrayLike, expected: float
) -> tuple[Evidence, FloatArray]:
    """Take in visits.

    Parameters
    ----------
    evidence : before them.
    happened : bool of shape (..., n_visits), in the order in which they were.
    expected : share in (0, 1) that is not exceeded while nothing is wrong.

    Returns
    -------
    The evidence after all of them, and the logarithm of the mean wealth after each: float64
    (..., n_visits). It is an alarm where it reaches `alarm_level`.

    Notes
    -----
    Each bet q has W <- (W + pi_n) L, with L = q / p where it happened and (1 - q) / (1 - p) where
    not, and stakes pi_n = ln 10 / ((n + 10) ln^2 (n + 10)), whose sum is at most about one. With S
    the running sum of log L, W_n = exp(S_n) (W_0 + sum of pi_k exp(-S_(k-1))): one accumulation.
    """
    seen = np.asarray(happened, dtype=np.bool_)
    bets = bets_of(expected)
    up, down = np.log(bets / expected), np.log((1.0 - bets) / (1.0 - expected))
    steps = np.where(seen[..., None], up, down)
    running = np.cumsum(steps, axis=-2)
    number = evidence.visits + _ENTRY + np.arange(1, seen.shape[-1] + 1)
    stakes = np.log(log(_ENTRY) / (number * np.log(number) ** 2))
    staked = stakes[:, None] - (running - steps)
    start = np.broadcast_to(evidence.log_wealth[..., None, :], (*seen.shape[:-1], 1, len(bets)))
    grown = np.logaddexp.accumulate(np.concatenate([start, staked], axis=-2), axis=-2)
    wealth = grown[..., 1:, :] + running
    after = wealth[..., -1, :] if seen.shape[-1] else evidence.log_wealth
    told = np.logaddexp.reduce(wealth, axis=-1) - log(len(bets))
    return Evidence(evidence.visits + seen.shape[-1], after), told


def alarm_level(streams: int) -> float:
    """Return the logarithm of the wealth at which one of so many streams alarms."""
    return log(streams / FALSE_ALARMS)


@dataclass(frozen=True)
class LastScores:
    """What the next visit's score is held against.

    Attributes
    ----------
    person, score : of the last visit; "" and None before any.
    other : score of the last visit of anybody else.
    """

    person: str = ""
    score: float | None = None
    other: float | None = None


def find_repeats(
    people: Sequence[str], scores: Sequence[float], last: LastScores
) -> tuple[BoolArray, BoolArray, LastScores]:
    """Say which visits got another person's last score.

    Parameters
    ----------
    people : who each visit is of, in the order in which they were.
    scores : of each visit; NaN where there is none.
    last : before them.

    Returns
    -------
    Whether each visit repeats, whether there was anything to hold it against, and what the next
    one is held against.
    """
    repeats, known = np.zeros(len(people), np.bool_), np.zeros(len(people), np.bool_)
    for at, (person, score) in enumerate(zip(people, scores, strict=True)):
        if score != score:
            continue
        against = last.other if person == last.person else last.score
        if against is not None:
            known[at] = True
            repeats[at] = abs(score - against) <= SAME_SCORE
        last = LastScores(person, float(score), against)
    return repeats, known, last
