"""Experiments that are looked at every day, trends, and means of few ratings.

Each look of the intervals of before was right in itself; twenty of them found a difference in 24 to
40 of 100 experiments without one, and rows counted singly in 10 to 41 of 100 at one look.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from feedback.domain.comparisons import NOT_ENOUGH
from feedback.domain.csat import trend
from feedback.domain.experiments import variant_effects
from feedback.domain.means import group_means
from tests.honesty.claim import Claim

SECTION = "5. Experiments and trends"
LOOKS = 20
Sizes = Literal["one", "several", "uneven"]
Ratings = Literal["spread", "votes", "rare"]


def session_sizes(rng: np.random.Generator, sessions: int, sizes: Sizes) -> npt.NDArray[np.int64]:
    """Ratings of each session: one, about four, or mostly one and now and then up to sixty."""
    if sizes == "one":
        return np.ones(sessions, dtype=np.int64)
    if sizes == "several":
        return 1 + np.minimum(rng.geometric(0.3, sessions), 40)
    return np.minimum(np.ceil(rng.pareto(1.2, sessions) + 0.5), 60).astype(np.int64)


def ratings_of_sessions(
    rng: np.random.Generator, session: npt.NDArray[np.int64], ratings: Ratings
) -> npt.NDArray[np.float64]:
    """Ratings whose mean differs more between sessions than within one."""
    sessions = int(session.max()) + 1
    if ratings == "spread":
        own = 0.6 + 0.15 * rng.normal(size=sessions)
        return np.clip(own[session] + 0.1 * rng.normal(size=len(session)), 0.0, 1.0)
    share = 0.5 if ratings == "votes" else 0.95
    own = rng.beta(4.0 * share, 4.0 * (1.0 - share), sessions)
    return (rng.random(len(session)) < own[session]).astype(np.float64)


def false_verdict_in_twenty_looks(
    rng: np.random.Generator,
    repetitions: int,
    *,
    sizes: Sizes,
    ratings: Ratings,
    variants: int = 2,
    by_row: bool = False,
    most: int = 400,
) -> list[bool]:
    """Whether any of 20 looks, from 15 to 400 sessions an arm, finds a difference where none is.

    `by_row` draws the variant for each rating instead of each session.
    """
    looks = np.unique(np.geomspace(15, most, LOOKS).astype(np.int64))
    names = np.array(["control", *(f"v{number}" for number in range(1, variants))], dtype=object)
    found = []
    for _ in range(repetitions):
        # By row, each session is in nearly every arm: so many sessions are as many of each arm.
        total = most if by_row else most * variants
        session = np.repeat(np.arange(total), session_sizes(rng, total, sizes))
        values = ratings_of_sessions(rng, session, ratings)
        arm = rng.integers(0, variants, len(session)) if by_row else session % variants
        label = names[arm]
        found.append(
            any(
                effect.verdict != NOT_ENOUGH
                for look in looks
                for rows in [session < look * (1 if by_row else variants)]
                for effect in variant_effects(values[rows], label[rows], session[rows], "control")
            )
        )
    return found


def false_at_the_planned_end(
    rng: np.random.Generator, repetitions: int, *, sessions: int, sizes: Sizes, ratings: Ratings
) -> list[bool]:
    """Whether the interval of one look leaves zero out where there is no difference."""
    found = []
    for _ in range(repetitions):
        session = np.repeat(np.arange(2 * sessions), session_sizes(rng, 2 * sessions, sizes))
        label = np.array(["a", "b"], dtype=object)[session % 2]
        values = ratings_of_sessions(rng, session, ratings)
        (effect,) = variant_effects(values, label, session, "a")
        found.append(effect.one_look_low > 0.0 or effect.one_look_high < 0.0)
    return found


def false_trend(
    rng: np.random.Generator, repetitions: int, *, days: int, growth: float = 1.0
) -> list[bool]:
    """Whether a trend is found in days that resemble their neighbours (AR(.7)) and have none.

    Ten ratings a day, or from one to `growth` of them.
    """
    found = []
    for _ in range(repetitions):
        shock = rng.normal(size=days)
        level = np.empty(days)
        level[0] = shock[0]
        for day in range(1, days):
            level[day] = 0.7 * level[day - 1] + np.sqrt(1.0 - 0.7**2) * shock[day]
        mean = 10.0 * np.ones(days) if growth == 1.0 else growth ** np.linspace(0.0, 1.0, days)
        day_of = np.repeat(np.arange(days), rng.poisson(mean))
        scatter = 0.02 if growth == 1.0 else 0.15
        rating = 0.6 + 0.05 * level[day_of] + scatter * rng.normal(size=len(day_of))
        found.append(trend(np.clip(rating, 0.0, 1.0), day_of).verdict != NOT_ENOUGH)
    return found


def mean_is_held(
    rng: np.random.Generator,
    repetitions: int,
    *,
    share: float,
    least: float,
    most: float,
    sessions: int = 0,
) -> list[bool]:
    """Whether the interval of the mean holds it: of 20 ratings of two values, or of `sessions`.

    Sessions have five ratings on average, differ in size, and in the share of the greater value.
    """
    truth = least + (most - least) * share
    found = []
    for _ in range(repetitions):
        if sessions:
            sizes = 1 + rng.multinomial(4 * sessions, rng.dirichlet(np.full(sessions, 2.0)))
            session = np.repeat(np.arange(sessions), sizes)
            own = rng.beta(4.0 * share, 4.0 * (1.0 - share), sessions)[session]
        else:
            session, own = np.arange(20), np.full(20, share)
        values = np.where(rng.random(len(session)) < own, most, least)
        means = group_means(values, None, session)
        found.append(bool(means.low[0] - 1e-9 <= truth <= means.high[0] + 1e-9))
    return found


def _looks(name: str, short: int, *, repetitions: int = 1_000, **arguments: object) -> Claim:
    return Claim(
        SECTION,
        f"false verdicts over 20 looks, {name}",
        false_verdict_in_twenty_looks,
        arguments,
        None,
        0.05,
        repetitions,
        short,
    )


CLAIMS: list[Claim] = [
    _looks("one rating a session", 30, sizes="one", ratings="spread"),
    _looks("sessions of about four", 30, sizes="several", ratings="spread"),
    _looks("sessions of one to sixty", 0, sizes="uneven", ratings="spread"),
    _looks("votes, sessions of about four", 0, sizes="several", ratings="votes"),
    _looks("rarely unhappy, sessions of about four", 0, sizes="several", ratings="rare"),
    _looks(
        "four variants and Holm", 0, sizes="several", ratings="spread", variants=4, repetitions=500
    ),
    _looks("variants drawn by rating", 0, sizes="several", ratings="spread", by_row=True),
    *(
        Claim(
            SECTION,
            f"one look at {sessions} sessions an arm leaves out no difference, {ratings}, {sizes}",
            false_at_the_planned_end,
            {"sessions": sessions, "sizes": sizes, "ratings": ratings},
            None,
            0.069,
            3_000,
            300 if sizes == "several" and sessions == 60 else 0,
        )
        for sessions in (60, 200)
        for sizes, ratings in (("several", "spread"), ("uneven", "spread"), ("several", "votes"))
    ),
    *(
        Claim(
            SECTION,
            f"a trend found in {days} days of AR(.7) without one",
            false_trend,
            {"days": days},
            None,
            0.07,
            4_000,
            600,
        )
        for days in (42, 56, 90, 180)
    ),
    Claim(
        SECTION,
        "a trend found in 90 days of AR(.7) without one while ratings grow fiftyfold",
        false_trend,
        {"days": 90, "growth": 50.0},
        None,
        0.07,
        4_000,
        0,
    ),
    *(
        Claim(
            SECTION,
            f"mean of 20 ratings of {least:g} and {most:g} (share {share:g}) held",
            mean_is_held,
            {"share": share, "least": least, "most": most},
            0.92,
            None,
            4_000,
            600 if share in (0.1, 0.95) else 0,
        )
        for least, most in ((0.0, 1.0), (0.2, 1.0), (0.25, 0.75))
        for share in (0.035, 0.1, 0.5, 0.86, 0.95)
    ),
    *(
        Claim(
            SECTION,
            f"mean of {sessions} unequal sessions of {least:g} and {most:g} (share {share:g}) held",
            mean_is_held,
            {"share": share, "least": least, "most": most, "sessions": sessions},
            0.92,
            None,
            4_000,
            600 if share == 0.9 and sessions == 20 else 0,
        )
        for sessions in (10, 20)
        for least, most in ((0.0, 1.0), (0.2, 0.9))
        for share in (0.1, 0.5, 0.9)
    ),
]
