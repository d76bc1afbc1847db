"""One claim: a simulation, the band in which its figure must lie, and the verdict on a run.

A simulation has an error of its own. So a claim fails only where the 99 % interval of its figure
lies wholly outside the band; what lies on the edge is told, and passes.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t

CONFIDENCE = 0.99

# From a generator and a number of repetitions to one outcome for each of them: True or False of a
# share, a number of a mean. NaN where a repetition says nothing (one label alone was drawn).
Simulation = Callable[[np.random.Generator, int], npt.ArrayLike]


@dataclass(frozen=True)
class Claim:
    """What is claimed of a figure, and how it is tried.

    Attributes
    ----------
    section : heading below which it is told, with its number in front.
    name : the figure in words, with the layout it is measured on; unique.
    simulate : a function of a module, so that another process finds it.
    arguments : keyword arguments of the simulation.
    low, high : the band; None leaves a side open.
    repetitions : of a full run.
    short : repetitions of the short form, which runs with all other tests; 0 leaves it out there.
    is_share : whether outcomes are True or False.
    """

    section: str
    name: str
    simulate: Callable[..., npt.ArrayLike]
    arguments: dict[str, Any]
    low: float | None
    high: float | None
    repetitions: int
    short: int
    is_share: bool = True

    @property
    def seed(self) -> int:
        """The same for ever, and another for each claim."""
        return zlib.crc32(self.name.encode())

    @property
    def band(self) -> str:
        """The band in words."""
        if self.low is None:
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"

    def run(self, repetitions: int) -> "Outcome":
        """Simulate, and return the figure with its interval."""
        rng = np.random.default_rng(self.seed)
        found = np.asarray(self.simulate(rng, repetitions, **self.arguments), dtype=np.float64)
        known = found[np.isfinite(found)]
        if len(known) < 2:
            raise ValueError(f"{self.name}: {len(known)} of {len(found)} repetitions said a thing.")
        return Outcome(self, *self._interval(known), len(known))

    def _interval(self, outcomes: npt.NDArray[np.float64]) -> tuple[float, float, float]:
        mean = float(outcomes.mean())
        if self.is_share:
            found = binomtest(int(outcomes.sum()), len(outcomes)).proportion_ci(CONFIDENCE)
            return mean, float(found.low), float(found.high)
        reach = float(t.ppf(0.5 + CONFIDENCE / 2, len(outcomes) - 1))
        half = reach * float(outcomes.std(ddof=1)) / sqrt(len(outcomes))
        return mean, mean - half, mean + half


@dataclass(frozen=True)
class Outcome:
    """The figure of a claim and its 99 % interval."""

    claim: Claim
    value: float
    low: float
    high: float
    repetitions: int

    @property
    def is_inside(self) -> bool:
        """Whether the figure itself lies in the band."""
        claim = self.claim
        return (claim.low is None or self.value >= claim.low) and (
            claim.high is None or self.value <= claim.high
        )

    @property
    def fails(self) -> bool:
        """Whether the whole interval lies outside the band."""
        claim = self.claim
        return (claim.low is not None and self.high < claim.low) or (
            claim.high is not None and self.low > claim.high
        )

    def __str__(self) -> str:
        return (
            f"{self.claim.name}: {self.value:.4f} ({self.low:.4f} to {self.high:.4f} at 99 %, "
            f"{self.repetitions} repetitions, seed {self.claim.seed}), band {self.claim.band}"
        )
